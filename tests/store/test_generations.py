"""Generations of a skills folder: one switch, nothing half shown, nothing of a person's lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from spm_store.durable import Disk
from spm_store.generations import KEPT, Generation, Generations
from tests.support.dying_disk import DyingDisk, Killed, LinklessDisk
from tests.support.stored import names

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DOCUMENTS = ("index.json", "skills.lock", "skills.toml")


def set_of(root: Path, number: int, skills: Iterable[str]) -> str:
    """A folder as a set of a store is: one folder a skill that says its number."""
    folder = root / "sets" / f"{number:064x}"
    for name in skills:
        (folder / name / "1.0.0").mkdir(parents=True)
        (folder / name / "1.0.0" / "SKILL.md").write_text(f"{name} of {number}")
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def documents(number: int) -> dict[str, bytes]:
    return {name: f"{name} {number}".encode() for name in DOCUMENTS}


def install(generations: Generations, root: Path, number: int, *skills: str) -> Generation:
    generation = generations.prepare(set_of(root, number, skills), documents(number))
    generations.switch(generation, skills)
    return generation


def in_view(folder: Path) -> dict[str, str]:
    """What a reader finds: the text of every skill that can be read, and the index."""
    texts = {
        name: (folder / name / "1.0.0" / "SKILL.md").read_text()
        for name in names(folder)
        if (folder / name / "1.0.0" / "SKILL.md").is_file()
    }
    index = folder / "index.json"
    return texts | ({"index.json": index.read_text()} if index.exists() else {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project" / "skills"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def generations(folder: Path) -> Generations:
    return Generations(folder, Disk())


def test_a_generation_is_in_view_after_its_switch(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    first = install(generations, tmp_path, 1, "alpha", "beta")

    assert generations.current() == first
    assert (first.number, first.set) == (1, f"{1:064x}")
    assert str((folder / ".current").readlink()) == ".generations/1"
    assert str((folder / "alpha").readlink()) == ".current/skills/alpha"
    assert in_view(folder) == {
        "alpha": "alpha of 1",
        "beta": "beta of 1",
        "index.json": "index.json 1",
    }
    assert first.document("skills.lock") == b"skills.lock 1"
    assert first.document("nothing") is None


def test_a_prepared_generation_is_not_in_view(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    first = install(generations, tmp_path, 1, "alpha")

    second = generations.prepare(set_of(tmp_path, 2, ["alpha"]), documents(2))

    assert generations.current() == first
    assert generations.all() == (first,)
    assert in_view(folder)["alpha"] == "alpha of 1"
    generations.clear()
    assert not os.path.lexists(second.path)
    assert generations.current() == first


def test_a_switch_removes_the_links_of_skills_that_are_gone(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    install(generations, tmp_path, 1, "alpha", "beta")
    (folder / "notes").mkdir()
    (folder / "mine").symlink_to(tmp_path)

    install(generations, tmp_path, 2, "beta", "gamma")

    assert names(folder) == [
        ".current",
        ".generations",
        "beta",
        "gamma",
        "index.json",
        "mine",
        "notes",
    ]


def test_an_earlier_generation_comes_into_view_again_and_the_next_number_is_new(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    first = install(generations, tmp_path, 1, "alpha")
    second = install(generations, tmp_path, 2, "alpha", "beta")

    generations.switch(first, ["alpha"])

    assert generations.current() == first
    assert in_view(folder) == {"alpha": "alpha of 1", "index.json": "index.json 1"}
    generations.clear()
    assert generations.all() == (first, second)
    assert install(generations, tmp_path, 3, "gamma").number == 3


def test_ten_generations_stay_and_the_one_in_view_always(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    every = [install(generations, tmp_path, number, "alpha") for number in range(1, 14)]
    generations.switch(every[0], ["alpha"])

    kept = generations.prune()

    assert [each.number for each in kept] == [1, *range(4, 14)]
    assert len(kept) == KEPT + 1
    assert names(folder / ".generations") == sorted(str(each.number) for each in kept)


def test_private_copies_are_shown_by_links_and_go_with_their_last_generation(
    generations: Generations, folder: Path
) -> None:
    for copy in ("1-alpha", "2-alpha"):
        (folder / ".copies" / copy / "1.0.0").mkdir(parents=True)
        (folder / ".copies" / copy / "1.0.0" / "SKILL.md").write_text(copy)
    first = generations.prepare({"alpha": "1-alpha"}, documents(1), set_digest="5" * 64)
    generations.switch(first, ["alpha"])
    shown = in_view(folder)["alpha"]
    second = generations.prepare({"alpha": "2-alpha"}, documents(2))
    generations.switch(second, ["alpha"])

    kept = generations.prune(keep=1)

    assert shown == "1-alpha"
    assert (first.set, first.is_linked, second.copy_of("alpha")) == ("5" * 64, False, "2-alpha")
    assert kept == (second,)
    assert names(folder / ".copies") == ["2-alpha"]
    assert in_view(folder)["alpha"] == "2-alpha"


def test_a_switch_the_disk_refuses_changes_nothing_in_view(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    install(generations, tmp_path, 1, "alpha")
    before = in_view(folder), names(folder)

    class FullDisk(Disk):
        def move(self, source: str, target: str) -> None:
            raise OSError(28, "No space left on device", source)

    full = Generations(folder, FullDisk())
    generation = full.prepare(set_of(tmp_path, 2, ["alpha", "beta"]), documents(2))
    with pytest.raises(OSError, match="No space left"):
        full.switch(generation, ["alpha", "beta"])
    generations.clear()

    assert (in_view(folder), names(folder)) == before


@pytest.mark.parametrize("start", [0, 1])
def test_a_switch_killed_anywhere_shows_the_old_or_the_new_and_is_finished_by_the_next(
    tmp_path: Path, start: int
) -> None:
    """From nothing, and from a generation with one skill that stays and one that goes."""
    calls, seen = 0, set[str]()
    while True:
        root = tmp_path / str(calls)
        folder = root / "skills"
        folder.mkdir(parents=True)
        if start:
            install(Generations(folder), root, 1, "alpha", "beta")
        old = in_view(folder)
        disk = DyingDisk(calls)
        doomed = Generations(folder, disk)
        new_set = set_of(root, 2, ["alpha", "gamma"])
        try:
            doomed.switch(doomed.prepare(new_set, documents(2)), ["alpha", "gamma"])
        except Killed:
            pass
        else:
            break
        found = in_view(folder)
        new = {"alpha": "alpha of 2", "gamma": "gamma of 2", "index.json": "index.json 2"}
        assert found in (old, new), calls
        seen.add("new" if found == new else "old")

        after = Generations(folder)
        after.switch(after.prepare(new_set, documents(2)), ["alpha", "gamma"])
        assert in_view(folder) == new
        assert [name for name in names(folder) if not name.startswith(".")] == [
            "alpha",
            "gamma",
            "index.json",
        ]
        assert {".current", ".generations"}.issuperset(
            name for name in names(folder) if name.startswith(".")
        )
        calls += 1

    assert seen == {"old", "new"}
    assert calls > 10


def test_pruning_killed_anywhere_leaves_whole_generations(tmp_path: Path) -> None:
    calls = 0
    while True:
        root = tmp_path / str(calls)
        folder = root / "skills"
        folder.mkdir(parents=True)
        generations = Generations(folder)
        for number in (1, 2, 3):
            install(generations, root, number, "alpha")
        try:
            Generations(folder, DyingDisk(calls)).prune(keep=1)
        except Killed:
            pass
        else:
            break
        assert all(each.document("skills.lock") for each in generations.all()), calls
        generations.clear()
        assert [each.number for each in generations.prune(keep=1)] == [3]
        assert names(folder / ".generations") == ["3"]
        calls += 1

    assert calls > 5


def test_without_symlinks_the_current_generation_is_named_by_a_file(folder: Path) -> None:
    generations = Generations(folder, LinklessDisk())

    assert not generations.links_work()
    first = generations.prepare("/nowhere", documents(1), set_digest="a" * 64, linked=False)
    generations.switch(first, ["alpha"])
    second = generations.prepare("/nowhere", documents(2), set_digest="b" * 64, linked=False)
    generations.switch(second, ["alpha"])
    generations.switch(first, ["alpha"])

    assert (folder / ".current").read_text() == ".generations/1\n"
    assert generations.current() == first
    assert first.set == "a" * 64
    assert (folder / "index.json").read_text() == "index.json 1"
    assert names(folder) == [".current", ".generations", "index.json"]


@pytest.mark.parametrize(
    "damage", ["../../elsewhere", ".generations/0", ".generations/x", ".generations/7"]
)
def test_a_current_link_that_names_no_generation_names_none(
    generations: Generations, folder: Path, tmp_path: Path, damage: str
) -> None:
    (folder / ".current").symlink_to(damage)

    assert generations.current() is None
    install(generations, tmp_path, 1, "alpha")
    assert in_view(folder)["alpha"] == "alpha of 1"


def test_a_folder_copied_without_its_links_is_installed_again(
    generations: Generations, folder: Path, tmp_path: Path
) -> None:
    (folder / ".current" / "skills").mkdir(parents=True)

    install(generations, tmp_path, 1, "alpha")

    assert str((folder / ".current").readlink()) == ".generations/1"
