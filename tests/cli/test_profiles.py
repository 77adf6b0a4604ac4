"""Profiles: skills that stay installed without a project."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.program import Program, snapshot, write_skill

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


@pytest.fixture
def project(program: Program) -> Path:
    """A project that locks a skill of a git repository, and has not installed it."""
    repository = write_skill(program.root, "alpha")
    for words in (
        ["init", "-q", "."],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "alpha"],
    ):
        subprocess.run(["git", *words], cwd=repository, check=True)
    folder = program.project(
        manifest=f'[skills]\nalpha = {{ git = "file://{repository}" }}\n\n# kept\n'
    )
    assert program("lock", folder=folder).code == 0
    return folder


def test_a_profile_shows_what_the_lock_pins_and_outlives_the_project(
    program: Program, project: Path
) -> None:
    installed = program("install", "--profile", "base", folder=project)
    told = program("profile", "list", "--json").document
    shutil.rmtree(project)
    collected = program("store", "gc", "--max-age", "0", "--json").document

    place = program.root / "data" / "profiles" / "base"
    assert installed.err == "installed 1 skill (1 downloaded, 0 from the store)\n"
    assert told == [{"name": "base", "path": str(place), "skills": 1}]
    assert (collected["removed"], collected["needed"]) == ([], 1)
    assert (place / ".roundtable/skills/alpha/1.0.0/SKILL.md").is_file()


def test_the_project_itself_stays_as_it_is(program: Program, project: Path) -> None:
    before = snapshot(project)

    program("install", "--profile", "base", folder=project)

    assert snapshot(project) == before


def test_any_command_runs_on_a_profile(program: Program, project: Path) -> None:
    program("install", "--profile", "base", folder=project)
    place = program("profile", "path", "base").out.strip()

    status = program("-C", place, "status")
    why = program("store", "why", f"{place}/.roundtable/skills/alpha")

    assert status.code == 0
    assert why.out.splitlines()[0] == (
        f"profile `{place}`: generation 1, the current one, shows it as `alpha` 1.0.0"
    )


def test_a_removed_profile_keeps_nothing(program: Program, project: Path) -> None:
    program("install", "--profile", "base", folder=project)

    removed = program("profile", "remove", "base")
    collected = program("store", "gc", "--max-age", "0", "--json").document

    assert removed.err == "removed the profile `base`\n"
    assert program("profile", "list", "--json").document == []
    assert [tree["name"] for tree in collected["removed"]] == ["alpha"]


def test_a_profile_refuses_a_skill_of_a_folder(program: Program) -> None:
    write_skill(program.root, "beta")
    folder = program.project(manifest='[skills]\nbeta = { path = "../beta" }\n')
    program("lock", folder=folder)

    run = program("install", "--profile", "base", folder=folder)

    assert (run.code, run.err.splitlines()) == (
        3,
        [
            "error: `beta` comes from the folder `../beta`, which a profile does not have",
            "hint: publish it, or take it from a git repository",
        ],
    )
    assert not (program.root / "data").exists()


@pytest.mark.parametrize("name", ["..", "a/b", "-a", "A", "x" * 65, "a--b"])
def test_a_name_that_could_be_a_path_is_refused(program: Program, project: Path, name: str) -> None:
    run = program("install", f"--profile={name}", folder=project)

    assert (run.code, run.err.splitlines()[0]) == (3, f"error: `{name}` is no name of a profile")
    assert not (program.root / "data").exists()


@pytest.mark.parametrize("words", [("path",), ("remove",)])
def test_a_profile_that_is_not_there_is_named(program: Program, words: tuple[str, ...]) -> None:
    run = program("profile", *words, "gone")

    assert (run.code, run.err.splitlines()[0]) == (3, "error: there is no profile `gone`")
