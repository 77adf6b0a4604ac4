"""Lower stores: looked into where they stand, never written, never skipped in silence."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.errors import UserMistake
from spm_spec.tree import FileEntry
from spm_store.errors import (
    IndexDamaged,
    LayerUnusable,
    StoreTooNew,
    TreeDamaged,
    TreeMissing,
)
from spm_store.layers import parse_store_path
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents

if TYPE_CHECKING:
    from collections.abc import Iterator


ROOT = Path(__file__).parents[2]
NOBODY = 65534
OTHER = (FileEntry("SKILL.md", b"---\nname: other\ndescription: Others.\n---\n"),)
LOWER_HINT = (
    "who looks after that store can run `spm store rebuild`; or take it out of `SPM_STORE_PATH`"
)
PATH_HINT = "write absolute paths with `:` between them, the writable store first"
LAYER_HINT = "make it readable, or take it out of `SPM_STORE_PATH`"


class World:
    """Two lower stores, ``near`` with a greeter and ``far`` with a greeter and a counter."""

    def __init__(self, folder: Path) -> None:
        self.near, self.far, self.root = folder / "near/v1", folder / "far/v1", folder / "up/v1"
        with Store.open(self.near) as near:
            self.greeter = near.add(GREETER, name="greeter")
        with Store.open(self.far) as far:
            far.add(GREETER, name="far-greeter")
            self.counter = far.add(COUNTER, name="counter")

    def open(self) -> Store:
        return Store.open(self.root, lower=[self.near, self.far])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def state_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything that a write would change."""
    found: dict[str, tuple[object, ...]] = {".": (os.lstat(folder).st_mtime_ns,)}
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(parent, name)
            status = path.lstat()
            found[str(path)] = (status.st_mtime_ns, status.st_ino)
    return {"bytes": (sorted(contents(folder).items()),), **found}


def test_the_first_store_that_has_a_tree_wins(world: World) -> None:
    with world.open() as store:
        assert store.get(world.greeter.digest) == world.greeter
        assert store.verified(world.counter.digest) == world.counter
        assert store.paths_of([world.counter.digest, world.greeter.digest]) == {
            world.greeter.digest: world.greeter.path,
            world.counter.digest: world.counter.path,
        }
        assert world.greeter.path.is_relative_to(world.near)
        assert world.counter.path.is_relative_to(world.far)


def test_all_trees_are_listed_once_by_name(world: World) -> None:
    with world.open() as store:
        other = store.add(OTHER, name="another")

        assert list(store.trees()) == [other, world.counter, world.greeter]
        assert list(store.trees(own=True)) == [other]
        assert store.is_own(other)
        assert not store.is_own(world.greeter)
        assert store.size().trees == 1


def test_a_tree_of_a_lower_store_is_not_kept_again(world: World) -> None:
    with world.open() as store:
        assert store.add(GREETER, name="greeter") == world.greeter

        assert list(store.trees(own=True)) == []
        assert store.remove(world.greeter.digest) is False
        assert store.clear() == 0
        assert store.get(world.greeter.digest) == world.greeter


def test_no_use_of_a_store_writes_a_lower_one(world: World) -> None:
    before = [state_of(world.near), state_of(world.far)]

    with world.open() as store:
        store.add(OTHER, name="other")
        with store.pinned(world.greeter.digest, "running"):
            list(store.trees())
        store.verify()
        store.sweep()
        store.remove(world.counter.digest)
        store.clear()
    assert [state_of(world.near), state_of(world.far)] == before


def test_a_store_without_a_folder_reads_its_lower_ones_and_creates_nothing(world: World) -> None:
    with world.open() as store, store.pinned(world.counter.digest, "running") as pinned:
        assert pinned == world.counter

    assert not world.root.exists()


def test_a_lower_store_in_use_is_read_with_what_is_in_its_log(world: World) -> None:
    with Store.open(world.near) as writer:
        other = writer.add(OTHER, name="other")
        assert Path(f"{writer.index.path}-wal").stat().st_size > 0
        before = state_of(world.near)

        with world.open() as store:
            assert store.get(other.digest) == other
            assert state_of(world.near).keys() == before.keys()
            after = writer.add(COUNTER, name="counter")
            assert store.get(after.digest) == after


def test_a_lower_store_that_changes_is_read_anew(world: World) -> None:
    with world.open() as store:
        assert store.get(world.greeter.digest) == world.greeter
        with Store.open(world.near) as writer:
            writer.remove(world.greeter.digest)
            other = writer.add(OTHER, name="other")

        assert store.get(other.digest) == other
        [greeter] = [tree for tree in store.trees() if tree.digest == world.greeter.digest]
        assert greeter.path.is_relative_to(world.far)


def test_a_lower_store_of_the_first_format_is_read_and_not_migrated(world: World) -> None:
    with closing(sqlite3.connect(world.near / "index.sqlite", isolation_level=None)) as connection:
        connection.executescript(
            "ALTER TABLE trees DROP COLUMN used; PRAGMA user_version = 1;"
            "PRAGMA wal_checkpoint(TRUNCATE)"
        )
    before = state_of(world.near)

    with world.open() as store:
        assert store.get(world.greeter.digest) == world.greeter
        assert world.greeter in list(store.trees())
        store.add(OTHER, name="other")

    assert state_of(world.near) == before


def newer(root: Path) -> None:
    with closing(sqlite3.connect(root / "index.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 3")


def test_a_newer_lower_store_is_refused_by_name(world: World) -> None:
    newer(world.near)
    before = state_of(world.near)

    with world.open() as store, pytest.raises(StoreTooNew) as caught:
        store.get(world.counter.digest)

    assert caught.value.message == (
        f"{world.near}/index.sqlite: the store has format 3, this spm knows 2"
    )
    assert caught.value.hint == "use the newer spm that wrote it"
    assert state_of(world.near) == before


def test_a_damaged_lower_store_is_refused_by_name(world: World) -> None:
    (world.near / "index.sqlite").write_bytes(b"harm" * 1000)

    with world.open() as store, pytest.raises(IndexDamaged) as caught:
        list(store.trees())

    assert caught.value.message == f"{world.near}/index.sqlite: file is not a database"
    assert caught.value.hint == LOWER_HINT


@pytest.mark.parametrize("gone", ["", "index.sqlite"])
def test_a_lower_store_that_is_not_there_is_refused_by_name(world: World, gone: str) -> None:
    (world.near / gone).rename(world.near.parent / "elsewhere")

    with world.open() as store:
        for use in (
            lambda: store.get(world.counter.digest),
            lambda: store.paths_of([world.counter.digest]),
            lambda: store.verified(world.counter.digest),
            lambda: list(store.trees()),
        ):
            with pytest.raises(LayerUnusable) as caught:
                use()
            assert caught.value.message == (
                f"{world.near}: this lower store cannot be read: there is no store"
            )
            assert caught.value.hint == LAYER_HINT


def test_a_file_in_the_place_of_a_lower_store_is_no_store(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no store")

    store = Store.open(world.root, lower=[tmp_path / "file"])
    with store, pytest.raises(LayerUnusable) as caught:
        store.get(world.greeter.digest)

    assert caught.value.message == (
        f"{tmp_path}/file: this lower store cannot be read: there is no store"
    )


def test_a_log_that_cannot_be_read_without_writing_is_refused(world: World) -> None:
    """The copy of a store somebody was writing, without the memory they shared."""
    (world.near / "index.sqlite-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(100))
    before = state_of(world.near)

    with world.open() as store, pytest.raises(LayerUnusable) as caught:
        store.get(world.greeter.digest)

    assert caught.value.message == (
        f"{world.near}: this lower store cannot be read: unable to open database file"
    )
    assert state_of(world.near) == before


def test_a_damaged_tree_of_a_lower_store_is_replaced_in_the_upper_one(world: World) -> None:
    file = world.greeter.path / "SKILL.md"
    file.chmod(0o644)
    file.write_bytes(b"harm" + file.read_bytes()[4:])
    file.chmod(0o444)
    before = state_of(world.near)

    with world.open() as store:
        with pytest.raises(TreeDamaged) as caught:
            store.verified(world.greeter.digest)
        assert caught.value.path == str(world.greeter.path)

        good = store.add(GREETER, name="greeter")

        assert good.path == store.tree_path(world.greeter.digest, "greeter")
        assert store.verified(world.greeter.digest) == good
        assert store.get(world.greeter.digest) == good
        assert [tree.path for tree in store.trees()] == [world.counter.path, good.path]
    assert state_of(world.near) == before


def test_a_tree_whose_folder_is_gone_is_looked_for_further_down(world: World) -> None:
    world.greeter.path.chmod(0o755)
    world.greeter.path.rename(world.near / "elsewhere")

    with world.open() as store:
        found = store.verified(world.greeter.digest)

    assert found.path.is_relative_to(world.far)
    assert found.name == "far-greeter"


def test_a_name_in_a_lower_index_never_leads_out_of_it(world: World) -> None:
    with closing(sqlite3.connect(world.near / "index.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE trees SET name = '/../../../up'")

    with world.open() as store, pytest.raises(IndexDamaged) as caught:
        store.get(world.greeter.digest)

    assert caught.value.hint == LOWER_HINT


READ = """
import os, sys
from pathlib import Path
from spm_spec.digests import Digest
from spm_spec.errors import SpmError
from spm_store.store import Store
from spm_spec.tree import FileEntry

with Store.open(Path(sys.argv[1]) / "warm") as store:
    store.add([FileEntry("SKILL.md", b"warm")], name="warm")
os.setgroups([]), os.setgid(65534), os.setuid(65534)
upper, lower = Path(sys.argv[2]), Path(sys.argv[3])
with Store.open(upper, lower=[lower]) as store:
    try:
        print([store.verified(tree.digest).name for tree in store.trees()])
        store.add([FileEntry("SKILL.md", b"own")], name="own")
        print([store.verified(tree.digest).name for tree in store.trees()])
    except SpmError as error:
        print(error.message)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine reaches."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def read_as_nobody(folder: Path, upper: Path, lower: Path) -> list[str]:
    warm = folder / "warm"
    command = [sys.executable, "-c", READ, str(warm), str(upper), str(lower)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (run.stderr, run.returncode) == ("", 0)
    return run.stdout.splitlines()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_another_users_store_is_a_lower_one(open_folder: Path) -> None:
    lower, upper = open_folder / "team" / "v1", open_folder / "home"
    with Store.open(lower) as store:
        store.add(GREETER, name="greeter")
    upper.mkdir()
    os.chown(upper, NOBODY, NOBODY)
    before = state_of(lower)

    lines = read_as_nobody(open_folder, upper / "v1", lower)

    assert lines == ["['greeter']", "['greeter', 'own']"]
    assert state_of(lower) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_a_lower_store_without_permission_is_refused_by_name(open_folder: Path) -> None:
    lower, upper = open_folder / "team" / "v1", open_folder / "home"
    with Store.open(lower) as store:
        store.add(GREETER, name="greeter")
    lower.chmod(0o700)

    lines = read_as_nobody(open_folder, upper / "v1", lower)

    assert lines == [f"{lower}: this lower store cannot be read: permission denied"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become a user without permissions")
def test_an_index_without_permission_is_refused_by_name(open_folder: Path) -> None:
    lower, upper = open_folder / "team" / "v1", open_folder / "home"
    with Store.open(lower) as store:
        store.add(GREETER, name="greeter")
    (lower / "index.sqlite").chmod(0o600)

    lines = read_as_nobody(open_folder, upper / "v1", lower)

    assert lines == [f"{lower}: this lower store cannot be read: permission denied"]


def test_a_store_path_lists_the_writable_store_first() -> None:
    assert parse_store_path("/a/v1") == (Path("/a/v1"),)
    assert parse_store_path("/a/v1:/b//v1/:/c/../d") == (
        Path("/a/v1"),
        Path("/b/v1"),
        Path("/d"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "SPM_STORE_PATH: a part of `` is empty"),
        ("/a::/b", "SPM_STORE_PATH: a part of `/a::/b` is empty"),
        ("/a:", "SPM_STORE_PATH: a part of `/a:` is empty"),
        ("a/b", "SPM_STORE_PATH: `a/b` is not an absolute path"),
        ("/a:~/b", "SPM_STORE_PATH: `~/b` is not an absolute path"),
        ("/a:/b:/a/", "SPM_STORE_PATH: `/a` is listed twice"),
        (
            ":".join(f"/{n}" for n in range(17)),
            "SPM_STORE_PATH: 17 stores are listed, at most 16 can be",
        ),
    ],
)
def test_a_store_path_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserMistake) as caught:
        parse_store_path(text)

    assert caught.value.message == message
    assert (
        caught.value.hint == "write absolute paths with `:` between them, the writable store first"
    )


def test_a_tree_nobody_has_is_missing(world: World, tmp_path: Path) -> None:
    with Store.open(tmp_path / "more") as more:
        other = more.add(OTHER, name="other")

    with world.open() as store, pytest.raises(TreeMissing):
        store.verified(other.digest)
