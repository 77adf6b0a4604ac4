"""The index made again from the files alone."""

from __future__ import annotations

import os
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from spm_store.errors import IndexDamaged, StoreTooNew
from spm_store.rebuild import Rebuilt
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_store.store import StoredTree


def damaged(index: Path) -> None:
    data = bytearray(index.read_bytes())
    data[100:] = b"\xff" * len(data[100:])
    index.write_bytes(data)


def not_a_database(index: Path) -> None:
    index.write_bytes(b"what is this?" * 100)


def empty(index: Path) -> None:
    index.write_bytes(b"")


def gone(index: Path) -> None:
    index.unlink()


def a_folder(index: Path) -> None:
    index.unlink()
    (index / "x").mkdir(parents=True)


def a_symlink(index: Path) -> None:
    index.rename(index.parent.parent / "elsewhere.sqlite")
    index.symlink_to(index.parent.parent / "elsewhere.sqlite")


def a_pipe(index: Path) -> None:
    index.unlink()
    os.mkfifo(index)


def without_rows(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("DELETE FROM trees")
    connection.close()


def with_wrong_directories(index: Path) -> None:
    with sqlite3.connect(index) as connection:
        connection.execute("UPDATE trees SET directories = x'00'")
    connection.close()


def whole(index: Path) -> None:
    assert index.exists()


HARMS = (
    damaged,
    not_a_database,
    empty,
    gone,
    a_folder,
    a_symlink,
    a_pipe,
    without_rows,
    with_wrong_directories,
    whole,
)


@pytest.mark.parametrize("harm", HARMS)
def test_a_rebuilt_index_lists_every_tree(store: Store, harm: Callable[[Path], None]) -> None:
    trees = {store.add(GREETER, name="greeter"), store.add(COUNTER, name="counter")}
    store.close()
    harm(store.root / "index.sqlite")

    rebuilt = store.rebuild()

    assert rebuilt == Rebuilt(2, ())
    assert set(store.trees()) == trees
    assert store.verify() == ()
    with Store.open(store.root) as other:
        assert set(other.trees()) == trees
        assert other.rebuild() == rebuilt
        other.add((*GREETER[:1],), name="third")
    assert len(list(store.trees())) == 3
    assert names(store.root / "tmp") == names(store.root / "trash") == []


@pytest.mark.parametrize("harm", [damaged, not_a_database, a_folder])
def test_the_broken_index_is_kept_aside_in_the_place_of_an_older_one(
    store: Store, harm: Callable[[Path], None]
) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    (store.root / "index-damaged.sqlite").mkdir()
    index = store.root / "index.sqlite"
    harm(index)
    before = contents(index) if index.is_dir() else index.read_bytes()

    store.rebuild()

    kept = store.root / "index-damaged.sqlite"
    assert (contents(kept) if kept.is_dir() else kept.read_bytes()) == before
    assert index.is_file()
    assert store.verify() == ()


def test_an_index_that_can_be_read_is_not_kept_aside(store: Store) -> None:
    store.add(GREETER, name="greeter")

    store.rebuild()

    assert not (store.root / "index-damaged.sqlite").exists()


def test_what_is_not_the_tree_of_its_name_stays_and_is_named(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    wrong = store.add(COUNTER, name="counter")
    (wrong.path / "SKILL.md").chmod(0o644)
    (wrong.path / "SKILL.md").write_text("harm")
    odd = store.root / "trees" / f"{'0' * 64}-Not a name"
    odd.mkdir()
    linked = store.root / "trees" / f"{'1' * 64}-linked"
    linked.symlink_to(tree.path)
    second = store.root / "trees" / f"{tree.digest.hex}-another"
    shutil.copytree(tree.path, second)
    before = contents(store.root / "trees")

    rebuilt = store.rebuild()

    assert rebuilt == Rebuilt(1, tuple(sorted((odd, linked, second, wrong.path))))
    assert [found.name for found in store.trees()] == ["greeter"]
    assert contents(store.root / "trees") == before


def test_times_come_from_the_folders_and_never_from_the_future(tmp_path: Path) -> None:
    with Store(tmp_path / "v1", now=lambda: 2_000_000_000.0) as store:
        old = store.add(GREETER, name="greeter")
        late = store.add(COUNTER, name="counter")
    os.utime(old.path, (1_000_000_000, 1_000_000_000))
    os.utime(late.path, (3_000_000_000, 3_000_000_000))
    (store.root / "index.sqlite").unlink()

    store.rebuild()

    rows = {row.name: (row.added, row.used) for row in store.index.all_rows()}
    assert rows == {
        "greeter": (1_000_000_000, 1_000_000_000),
        "counter": (2_000_000_000, 2_000_000_000),
    }


def test_times_of_an_index_that_can_be_read_are_kept(tmp_path: Path) -> None:
    with Store(tmp_path / "v1", now=lambda: 1_500_000_000.0) as store:
        tree = store.add(GREETER, name="greeter")
        store.index.mark_used([tree.digest.raw], 1_600_000_000)

        store.rebuild()

        [row] = store.index.all_rows()
        assert (row.added, row.used) == (1_500_000_000, 1_600_000_000)


def test_blobs_that_are_missing_are_linked_again(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    before = contents(store.root / "blobs")
    shutil.rmtree(store.root / "blobs")
    (store.root / "index.sqlite").unlink()

    store.rebuild()

    assert contents(store.root / "blobs") == before
    assert store.verify() == ()
    assert store.verified(tree.digest) == tree


def test_a_tree_that_was_left_writable_is_read_only_afterwards(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    before = contents(store.root / "trees")
    for path in [tree.path, *tree.path.rglob("*")]:
        path.chmod(path.lstat().st_mode | 0o220)

    store.rebuild()

    assert contents(store.root / "trees") == before
    assert store.verify() == ()


def test_a_newer_store_is_not_rebuilt(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (store.root / "index.sqlite").read_bytes()

    with pytest.raises(StoreTooNew, match="the store has format 99"):
        store.rebuild()

    assert (store.root / "index.sqlite").read_bytes() == before


def test_no_store_is_rebuilt_into_none(store: Store) -> None:
    assert store.rebuild() == Rebuilt(0, ())
    assert not store.root.exists()


def test_a_store_without_trees_gets_an_empty_index(store: Store) -> None:
    store.root.mkdir(parents=True)
    (store.root / "index.sqlite").write_text("broken")
    with pytest.raises(IndexDamaged):
        list(store.trees())

    assert store.rebuild() == Rebuilt(0, ())
    assert list(store.trees()) == []


def test_a_tree_added_while_the_folders_are_hashed_is_listed(store: Store) -> None:
    first = store.add(GREETER, name="greeter")
    gone = store.add((GREETER[0],), name="gone")
    added: list[StoredTree] = []

    def meanwhile(done: int, _: int) -> None:
        if done == 1:
            with Store.open(store.root) as other:
                added.append(other.add(COUNTER, name="counter"))
                other.remove(gone.digest)

    rebuilt = store.rebuild(meanwhile)

    assert rebuilt == Rebuilt(2, ())
    assert set(store.trees()) == {first, *added}
    assert store.verify() == ()
