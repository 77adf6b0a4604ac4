from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from spm_spec.errors import EXIT_HOSTILE, EXIT_MISTAKE
from spm_spec.tree import FileEntry, InvalidTree, Limits
from spm_store.folder import FolderRefused, NoSuchFolder, read_folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "skill"
    (folder / "scripts").mkdir(parents=True)
    (folder / "SKILL.md").write_bytes(b"skill")
    (folder / "scripts" / "run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "scripts" / "run.sh").chmod(0o744)
    return folder


SKILL = (FileEntry("SKILL.md", b"skill"), FileEntry("scripts/run.sh", b"#!/bin/sh\n", True))  # noqa: FBT003 - executable


def refusal(skill: Path, limits: Limits | None = None) -> tuple[str, str]:
    with pytest.raises(FolderRefused) as caught:
        read_folder(skill, limits or Limits())
    assert caught.value.exit_code == EXIT_HOSTILE
    return caught.value.reason, caught.value.message


def test_files_come_sorted_with_the_owners_executable_bit(skill: Path) -> None:
    assert read_folder(skill) == SKILL


def test_tools_and_droppings_are_left_out_at_any_depth(skill: Path) -> None:
    for folder in (".git", "node_modules", ".venv", "scripts/__pycache__"):
        (skill / folder).mkdir()
        (skill / folder / "file").write_text("x")
    for name in ("a.pyc", ".DS_Store", "scripts/run.sh~", "scripts/.run.sh.swp", ".#lock"):
        (skill / name).write_text("x")
    (skill / ".git-elsewhere").mkdir()

    assert read_folder(skill) == SKILL


def test_a_git_worktree_file_is_left_out(skill: Path) -> None:
    (skill / ".git").write_text("gitdir: /elsewhere")

    assert read_folder(skill) == SKILL


def test_symlinks_inside_are_replaced_by_what_they_point_to(skill: Path) -> None:
    (skill / "README.md").symlink_to("SKILL.md")
    (skill / "bin").symlink_to("scripts")

    files = {file.path: file for file in read_folder(skill)}

    assert files["README.md"].data == b"skill"
    assert files["bin/run.sh"] == FileEntry("bin/run.sh", b"#!/bin/sh\n", True)  # noqa: FBT003 - executable


def test_packages_made_in_the_folder_are_left_out(skill: Path) -> None:
    (skill / "skill-1.0.0.spm").write_bytes(b"an earlier package")

    assert read_folder(skill) == SKILL


def test_nothing_is_left_out_of_a_folder_that_is_a_tree_already(skill: Path) -> None:
    (skill / "node_modules").mkdir()
    (skill / "node_modules" / "x.pyc").write_bytes(b"x")

    files = read_folder(skill, everything=True)

    assert [file.path for file in files] == ["SKILL.md", "node_modules/x.pyc", "scripts/run.sh"]


def test_a_folder_reached_by_a_symlink_is_read(skill: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(skill)

    assert read_folder(tmp_path / "link") == SKILL


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "../skill-too/file"])
def test_a_symlink_that_leaves_is_refused(skill: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "skill-too").mkdir()
    (tmp_path / "skill-too" / "file").write_text("secret")
    (skill / "link").symlink_to(target)

    assert refusal(skill) == (
        "symlink-leaves",
        "link: a symlink to outside the skill's folder",
    )


def test_a_chain_of_symlinks_that_leaves_is_refused(skill: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("secret")
    (skill / "b").symlink_to("../outside")
    (skill / "a").symlink_to("b")

    assert refusal(skill)[0] == "symlink-leaves"


def test_a_symlink_into_what_is_left_out_is_refused(skill: Path) -> None:
    (skill / ".git").mkdir()
    (skill / ".git" / "config").write_text("token")
    (skill / "link").symlink_to(".git/config")

    assert refusal(skill) == (
        "symlink-to-ignored",
        "link: a symlink to a file that is left out",
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("link", "symlink-loop"),
        (".", "symlink-loop"),
        ("scripts/..", "symlink-loop"),
        ("nowhere", "symlink-dangles"),
        ("SKILL.md/x", "symlink-dangles"),
    ],
)
def test_symlinks_to_nothing_or_in_circles_are_refused(
    skill: Path, target: str, reason: str
) -> None:
    (skill / "link").symlink_to(target)

    assert refusal(skill)[0] == reason


def test_symlinks_between_two_folders_are_a_loop(skill: Path) -> None:
    (skill / "one").mkdir()
    (skill / "two").mkdir()
    (skill / "one" / "link").symlink_to("../two")
    (skill / "two" / "link").symlink_to("../one")

    assert refusal(skill)[0] == "symlink-loop"


def test_symlinks_that_double_at_each_level_end_at_the_limit(skill: Path) -> None:
    for level in range(20):
        (skill / f"level{level}").mkdir()
        if level:
            (skill / f"level{level}" / "a").symlink_to(f"../level{level - 1}")
            (skill / f"level{level}" / "b").symlink_to(f"../level{level - 1}")

    assert refusal(skill, Limits(entries=500))[0] == "too-many-entries"


def test_pipes_and_sockets_are_refused_without_being_opened(skill: Path) -> None:
    os.mkfifo(skill / "pipe")

    assert refusal(skill) == (
        "special-file",
        "pipe: neither a file nor a folder, but a device, pipe or socket",
    )

    (skill / "pipe").unlink()
    (skill / "link").symlink_to("socket")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.open(skill, os.O_RDONLY)
        try:
            server.bind(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
        assert refusal(skill)[0] == "special-file"


def test_a_name_that_is_not_utf8_is_refused(skill: Path) -> None:
    (skill / os.fsdecode(b"caf\xe9")).write_text("x")

    assert refusal(skill) == ("not-utf8", "'caf\\udce9': the name is not UTF-8")


def test_a_name_no_tree_may_hold_is_refused(skill: Path) -> None:
    (skill / "CON").write_text("x")

    with pytest.raises(InvalidTree) as caught:
        read_folder(skill)

    assert caught.value.reason == "reserved-name"


def test_limits_hold_before_anything_large_is_read(skill: Path) -> None:
    with (skill / "large").open("wb") as large:
        large.truncate(10**12)

    reason, message = refusal(skill)

    assert reason == "file-too-large"
    assert message == ("large: the file is too large: 1000000000000 bytes, the limit is 67108864")
    assert refusal(skill, Limits(file_bytes=10**13, tree_bytes=10**6))[0] == "tree-too-large"
    assert refusal(skill, Limits(entries=2))[0] == "too-many-entries"


def test_a_missing_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFolder) as caught:
        read_folder(tmp_path / "nowhere")

    assert caught.value.message == f"{tmp_path}/nowhere: no such folder"
    assert caught.value.exit_code == EXIT_MISTAKE
    assert caught.value.hint == "name the folder that holds `SKILL.md`"


def test_a_file_is_not_a_folder(skill: Path) -> None:
    with pytest.raises(NoSuchFolder) as caught:
        read_folder(skill / "SKILL.md")

    assert caught.value.message == f"{skill}/SKILL.md: not a folder"
