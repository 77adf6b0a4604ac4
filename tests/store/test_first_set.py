"""A set made without the store's modules is the one they make, whole or absent."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from spm_spec.digests import Digest
from spm_spec.tree import FileEntry
from spm_store import sets
from spm_store.bare import Calls
from spm_store.durable import Disk
from spm_store.first_set import FirstSet, listing_of, set_digest
from spm_store.leases import live_leases
from spm_store.sets import Shown
from tests.support.stored import COUNTER, GREETER, names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_store.first_set import Skill
    from spm_store.store import Store

SKILLS = {"counter": COUNTER, "greeter": GREETER}
CALLS = [name for name in vars(Calls) if not name.startswith("_")]


class Killed(BaseException):
    """The process ends here."""


class EndingDisk(Disk):
    """A disk that fails or kills at one of its calls."""

    def __init__(self, last: int, ending: type[BaseException]) -> None:
        self.calls = 0
        for name in CALLS:
            setattr(self, name, self._ending(getattr(super(), name), last, ending))

    def _ending(
        self, call: Callable[..., object], last: int, ending: type[BaseException]
    ) -> Callable[..., object]:
        def ended(*words: object) -> object:
            self.calls += 1
            if self.calls == last:
                raise ending
            return call(*words)

        return ended


@pytest.fixture
def skills(store: Store, request: pytest.FixtureRequest) -> list[Skill]:
    """Two skills that the store has, with their shelves; and others, if a number is asked for."""
    made: list[Skill] = []
    for number in range(getattr(request, "param", 0)):
        store.add([FileEntry("SKILL.md", b"%d" % number)], name=f"other-{number}")
    for name, files in SKILLS.items():
        tree = store.add(files, name=name, version="1.0.0")
        made.append((name, "1.0.0", tree.digest.hex))
    return made


def shown_of(skills: list[Skill]) -> list[Shown]:
    return [Shown(name, version, Digest(bytes.fromhex(tree))) for name, version, tree in skills]


def laid_out(folder: Path) -> dict[str, object]:
    links = {path.name: str(path.readlink()) for path in folder.iterdir() if path.is_symlink()}
    listing = folder / ".listing"
    modes = listing.stat().st_mode, folder.stat().st_mode
    return {**links, ".listing": listing.read_bytes(), "modes": modes}


def leases_of(store: Store) -> list[str]:
    return names(store.root / "tmp")


def test_the_set_is_the_one_that_the_store_makes(store: Store, skills: list[Skill]) -> None:
    first = FirstSet(str(store.root), skills, durable=True)
    try:
        made = first.make("/home/ann/my work")
        (lease,) = live_leases(str(store.root))
    finally:
        first.close()
    found = laid_out(store.root / "sets" / first.digest)
    (store.root / "sets" / first.digest).chmod(0o755)
    shutil.rmtree(store.root / "sets" / first.digest)
    with store.lease("a test") as other:
        shown = store.show(shown_of(skills), other)

    assert made
    assert first.digest == shown.digest
    assert found == laid_out(shown.path)
    assert lease.purpose == "installing into /home/ann/my work"
    assert lease.wants == {bytes.fromhex(each) for each in (*(s[2] for s in skills), first.digest)}
    assert leases_of(store) == []
    assert store.verify() == ()


def test_listing_and_name_are_those_of_every_set(skills: list[Skill]) -> None:
    listing = listing_of(skills)

    assert listing == sets.listing_of(shown_of(skills))
    assert set_digest(listing) == sets.set_digest(listing)


def test_links_are_shared_with_the_newest_set_where_they_say_the_same(
    store: Store, skills: list[Skill]
) -> None:
    other = store.add(GREETER[:1], name="counter", version="1.0.0")
    with store.lease("a test") as lease:
        before = store.show([Shown("counter", "1.0.0", other.digest), *shown_of(skills)[1:]], lease)
    first = FirstSet(str(store.root), skills, durable=False)
    try:
        made = first.make("/home/ann/work")
    finally:
        first.close()

    place = store.root / "sets" / first.digest
    assert made
    assert {path.name: path.lstat().st_nlink for path in place.iterdir()} == {
        ".listing": 1,
        "counter": 1,
        "greeter": 2,
    }
    assert (place / "greeter").lstat().st_ino == (before.path / "greeter").lstat().st_ino
    assert (place / "counter").readlink() != (before.path / "counter").readlink()
    assert store.verify() == ()


@pytest.mark.parametrize("skills", [0, 10], indirect=True)
@pytest.mark.parametrize(
    "lack", ["row", "tree", "tree is a link", "shelf", "version", "name", "set", "lock", "shared"]
)
def test_whatever_is_not_as_usual_is_left_to_the_store(
    store: Store, skills: list[Skill], lack: str, tmp_path: Path
) -> None:
    name, version, tree = skills[0]
    folder, shelf = store.root / f"trees/{tree}-{name}", store.root / f"shelves/{tree}-{name}"
    wanted = list(skills)
    folder.chmod(0o755)
    shelf.chmod(0o755)
    match lack:
        case "row":
            store.index.remove([bytes.fromhex(tree)])
        case "tree":
            folder.rename(tmp_path / "moved")
        case "tree is a link":
            folder.rename(tmp_path / "moved")
            folder.symlink_to(tmp_path / "moved")
        case "shelf":
            (shelf / version).unlink()
            (shelf / version).symlink_to("../../trees/another")
        case "version":
            wanted[0] = (name, "2.0.0", tree)
        case "name":
            wanted[0] = ("another", version, tree)
        case "set":
            with store.lease("a test") as lease:
                store.show(shown_of(skills), lease)
        case "lock":
            (store.root / "gc.lock").unlink()
        case _:
            store.root.chmod(0o2775)
    before = names(store.root)
    sets_before = names(store.root / "sets") if (store.root / "sets").is_dir() else []
    first = FirstSet(str(store.root), sorted(wanted), durable=False)
    try:
        made = first.make("/home/ann/work")
    finally:
        first.close()

    assert not made
    assert names(store.root) == before
    if sets_before:
        assert names(store.root / "sets") == sets_before
    assert leases_of(store) == []


def test_an_index_of_another_format_is_left_to_the_store(store: Store, skills: list[Skill]) -> None:
    import sqlite3

    connection = sqlite3.connect(store.root / "index.sqlite")
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    first = FirstSet(str(store.root), skills, durable=False)
    try:
        made = first.make("/home/ann/work")
    finally:
        first.close()

    assert not made


@pytest.mark.parametrize("ending", [OSError, Killed])
@pytest.mark.parametrize("last", range(1, 20))
def test_ended_at_any_call_the_set_is_whole_or_absent(
    store: Store, skills: list[Skill], last: int, ending: type[BaseException]
) -> None:
    first = FirstSet(str(store.root), skills, durable=True, disk=EndingDisk(last, ending))
    made = False
    try:
        made = first.make("/home/ann/work")
        first.close()
    except Killed:
        if first.held >= 0:  # as the kernel does
            os.close(first.held)

    place = store.root / "sets" / first.digest
    if made or place.exists():
        assert names(place) == [".listing", *SKILLS]
    with store.lease("a test") as lease:
        shown = store.show(shown_of(skills), lease)
    store.sweep()
    assert shown.digest == first.digest
    assert store.verify() == ()
    assert leases_of(store) == []
