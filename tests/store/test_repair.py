"""Every kind of damage: cured from copies in the store, or named as missing."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest

from spm_spec.tree import FileEntry
from spm_store.errors import TreeDamaged
from spm_store.repair import Repair
from spm_store.sets import Shown
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, move_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.store import StoredTree

ONLY_HERE = FileEntry("only/here.md", b"nowhere else")


def writable(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


def overwrite(path: Path, data: bytes) -> None:
    """Change the bytes of the inode, and so of every file that shares it."""
    mode = path.lstat().st_mode & 0o777
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def same_length(tree: StoredTree) -> None:
    overwrite(tree.path / "SKILL.md", b"-" * (tree.path / "SKILL.md").lstat().st_size)


def truncated(tree: StoredTree) -> None:
    overwrite(tree.path / "SKILL.md", (tree.path / "SKILL.md").read_bytes()[:7])


def zero_length(tree: StoredTree) -> None:
    overwrite(tree.path / "src" / "skill.py", b"")


def longer(tree: StoredTree) -> None:
    overwrite(tree.path / "src" / "skill.py", b"x" * 3_000_000)


def empty_file_filled(tree: StoredTree) -> None:
    overwrite(next(tree.path.rglob("__init__.py")), b"not empty")


def extra_file(tree: StoredTree) -> None:
    (writable(tree.path) / "extra").write_text("x")


def extra_folder(tree: StoredTree) -> None:
    (writable(tree.path) / "extra").mkdir()


def deep_folder(tree: StoredTree) -> None:
    writable(tree.path).joinpath(*("d" for _ in range(100))).mkdir(parents=True)


def name_that_is_no_text(tree: StoredTree) -> None:
    writable(tree.path)
    os.close(os.open(os.fsencode(tree.path) + b"/\xff", os.O_CREAT | os.O_WRONLY))


def file_gone(tree: StoredTree) -> None:
    (writable(tree.path / "src") / "skill.py").unlink()


def folder_gone(tree: StoredTree) -> None:
    writable(tree.path)
    writable(tree.path / "src")
    shutil.rmtree(tree.path / "src")


def tree_gone(tree: StoredTree) -> None:
    move_folder(tree.path, tree.path.parents[1] / "trash" / "moved")


def blobs_gone(tree: StoredTree) -> None:
    shutil.rmtree(tree.path.parents[1] / "blobs")


def blob_is_a_folder(tree: StoredTree) -> None:
    blob = next(path for path in (tree.path.parents[1] / "blobs").glob("*/*"))
    blob.unlink()
    (blob / "x").mkdir(parents=True)


def executable_bit_lost(tree: StoredTree) -> None:
    for path in tree.path.rglob("*"):
        if path.is_file():
            path.chmod(0o444 if path.lstat().st_mode & 0o100 else 0o555)


def everything_writable(tree: StoredTree) -> None:
    for path in [tree.path, *tree.path.rglob("*")]:
        path.chmod(path.lstat().st_mode | 0o220)


def symlink_for_a_file(tree: StoredTree) -> None:
    file = writable(tree.path) / "SKILL.md"
    shutil.copy(file, tree.path.parents[2] / "elsewhere.md")
    file.unlink()
    file.symlink_to(tree.path.parents[2] / "elsewhere.md")


def symlink_for_a_folder(tree: StoredTree) -> None:
    move_folder(writable(tree.path) / "src", tree.path.parents[2] / "elsewhere")
    (tree.path / "src").symlink_to(tree.path.parents[2] / "elsewhere")


def symlink_for_the_tree(tree: StoredTree) -> None:
    move_folder(tree.path, tree.path.parents[2] / "elsewhere")
    tree.path.symlink_to(tree.path.parents[2] / "elsewhere")


def file_for_the_tree(tree: StoredTree) -> None:
    tree_gone(tree)
    tree.path.write_text("a file")


def pipe_for_a_file(tree: StoredTree) -> None:
    (writable(tree.path) / "SKILL.md").unlink()
    os.mkfifo(tree.path / "SKILL.md")


def folder_for_a_file(tree: StoredTree) -> None:
    (writable(tree.path) / "SKILL.md").unlink()
    (tree.path / "SKILL.md").mkdir()


HARMS = (
    same_length,
    truncated,
    zero_length,
    longer,
    empty_file_filled,
    extra_file,
    extra_folder,
    deep_folder,
    name_that_is_no_text,
    file_gone,
    folder_gone,
    tree_gone,
    blobs_gone,
    blob_is_a_folder,
    executable_bit_lost,
    everything_writable,
    symlink_for_a_file,
    symlink_for_a_folder,
    symlink_for_the_tree,
    file_for_the_tree,
    pipe_for_a_file,
    folder_for_a_file,
)


def whole_copies_of(store: Store, lower: Path) -> Store:
    """Open the store above one that holds the same trees."""
    with Store.open(lower) as below:
        below.add(GREETER, name="greeter")
        below.add(COUNTER, name="counter")
    store.close()
    return Store.open(store.root, lower=(lower,))


@pytest.mark.parametrize("harm", HARMS)
def test_a_store_above_a_whole_one_is_cured_byte_for_byte(
    store: Store, tmp_path: Path, harm: Callable[[StoredTree], None]
) -> None:
    with whole_copies_of(store, tmp_path / "lower" / "v1") as above:
        tree = above.add(GREETER, name="greeter", expected=None)
        with Store.open(above.root) as alone:
            tree = alone.add(GREETER, name="greeter")
            alone.add(COUNTER, name="counter")
        before = contents(above.root / "trees") | contents(above.root / "blobs")
        harm(tree)
        damages = above.verify()

        repair = above.repair(damages)

        assert damages != ()
        assert (repair.missing, repair.left) == ((), ())
        assert above.verify() == ()
        assert contents(above.root / "trees") | contents(above.root / "blobs") == before
        assert above.repair(damages).missing == ()
        assert above.verify() == ()


@pytest.mark.parametrize("harm", HARMS)
def test_what_a_store_cannot_cure_alone_is_missing_and_cured_when_added_again(
    store: Store, harm: Callable[[StoredTree], None]
) -> None:
    tree = store.add([*GREETER, ONLY_HERE], name="greeter")
    other = store.add(COUNTER, name="counter")
    harm(tree)

    repair = store.repair(store.verify())

    again = {tree.digest: ("greeter", [*GREETER, ONLY_HERE]), other.digest: ("counter", COUNTER)}
    assert set(repair.missing) <= set(again)
    assert repair.left == ()
    with store.transaction() as transaction:
        for digest in repair.missing:
            name, files = again[digest]
            transaction.add(files, name=name, expected=digest, replace=True)
    assert store.verify() == ()


def test_a_file_damaged_in_many_trees_at_once_is_missing_in_each(store: Store) -> None:
    trees = [
        store.add([FileEntry("SKILL.md", b"%d" % number), *GREETER[1:]], name="many")
        for number in range(3)
    ]
    overwrite(trees[0].path / "src" / "skill.py", b"harm")

    repair = store.repair(store.verify())

    assert repair == Repair((), tuple(sorted(tree.digest for tree in trees)), ())


def test_one_whole_copy_cures_every_tree_that_shared_the_file(store: Store, tmp_path: Path) -> None:
    """The blob and all trees are one inode; a second tree keeps its own copy elsewhere."""
    with Store.open(tmp_path / "lower" / "v1") as below:
        below.add([FileEntry("SKILL.md", b"other"), GREETER[3]], name="other")
    trees = [
        store.add([FileEntry("SKILL.md", b"%d" % number), *GREETER[1:]], name="many")
        for number in range(3)
    ]
    overwrite(trees[0].path / "src" / "skill.py", b"harm")

    with Store.open(store.root, lower=(tmp_path / "lower" / "v1",)) as above:
        repair = above.repair(above.verify())

        assert set(repair.repaired) >= {tree.digest for tree in trees}
        assert repair.missing == ()
        assert above.verify() == ()
    inodes = {(tree.path / "src" / "skill.py").lstat().st_ino for tree in trees}
    assert len(inodes) == 1


def test_a_damaged_blob_nobody_needs_is_removed(store: Store) -> None:
    store.add(GREETER, name="greeter")
    lost = store.root / "blobs" / "0" / ("0" * 64)
    lost.parent.mkdir(exist_ok=True)
    lost.write_text("not these bytes")
    [damage] = [found for found in store.verify() if found.kind == "wrong-bytes"]

    repair = store.repair([damage])

    assert damage.path == lost
    assert repair.missing == ()
    assert not lost.exists()
    assert store.verify() == ()


def test_a_damage_that_is_cured_or_removed_meanwhile_is_left_alone(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    gone = store.add(COUNTER, name="counter")
    same_length(tree)
    same_length(gone)
    damages = store.verify()
    store.add(GREETER, name="greeter", replace=True)
    store.remove(gone.digest)
    before = contents(store.root)

    repair = store.repair(damages)

    assert repair.missing == ()
    assert gone.digest not in repair.repaired
    assert store.verify() == ()
    assert contents(store.root).keys() == before.keys()


def test_foreign_entries_are_reported_and_never_touched(store: Store) -> None:
    store.add(GREETER, name="greeter")
    (store.root / "notes.txt").write_text("mine")
    (store.root / "trees" / "README").write_text("mine")
    (store.root / "blobs" / "README").write_text("mine")
    (store.root / "blobs" / "zz").mkdir()
    before = contents(store.root / "trees") | contents(store.root / "blobs")

    damages = store.verify()
    repair = store.repair(damages)

    assert [(damage.kind, damage.path.name, damage.digest) for damage in damages] == [
        ("foreign-entry", "README", None),
        ("foreign-entry", "zz", None),
        ("foreign-entry", "notes.txt", None),
        ("foreign-entry", "README", None),
    ]
    assert repair == Repair((), (), damages)
    assert contents(store.root / "trees") | contents(store.root / "blobs") == before
    assert (store.root / "notes.txt").read_text() == "mine"


def test_links_of_shelves_and_sets_are_put_right(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    with store.lease("testing") as lease:
        shown = store.show([Shown("greeter", "1.0.0", tree.digest)], lease)
    store.keep(store.root.parent, {1: shown.digest})
    before = contents(store.root / "sets") | contents(store.root / "shelves")
    shelf = store.root / "shelves" / tree.path.name
    (writable(shelf) / "1.0.0").unlink()
    (shelf / "1.0.0").symlink_to("/etc")
    (writable(shown.path) / "greeter").unlink()
    (shown.path / "extra").symlink_to("/etc")

    damages = store.verify()
    repair = store.repair(damages)

    assert [(damage.kind, damage.path) for damage in damages] == [
        ("wrong-link", shown.path / "extra"),
        ("wrong-link", shown.path / "greeter"),
        ("wrong-link", shelf / "1.0.0"),
    ]
    assert (repair.missing, repair.left) == ((), ())
    assert store.verify() == ()
    assert contents(store.root / "sets") | contents(store.root / "shelves") == before


def test_a_link_of_a_set_that_nobody_shows_is_no_damage(store: Store) -> None:
    """A collection removes the tree first, then the set."""
    tree = store.add(GREETER, name="greeter")
    with store.lease("testing") as lease:
        shown = store.show([Shown("greeter", "1.0.0", tree.digest)], lease)
    (writable(shown.path) / "greeter").unlink()

    damages = store.verify()

    assert damages == ()


def test_a_set_whose_listing_is_damaged_is_made_again_from_its_links(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    other = store.add(COUNTER, name="counter")
    with store.lease("testing") as lease:
        shown = store.show(
            [Shown("greeter", "1.0.0", tree.digest), Shown("counter", "2.0.0", other.digest)],
            lease,
        )
        store.show([Shown("greeter", "1.1.0", tree.digest)], lease)
    before = contents(store.root / "sets")
    overwrite(shown.path / ".listing", b"harm\n")

    damages = store.verify()
    repair = store.repair(damages)

    assert [(damage.kind, damage.path) for damage in damages] == [("wrong-set", shown.path)]
    assert repair.left == ()
    assert store.verify() == ()
    assert contents(store.root / "sets") == before


def test_a_set_nobody_can_make_again_is_left(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    with store.lease("testing") as lease:
        shown = store.show([Shown("greeter", "1.0.0", tree.digest)], lease)
    (writable(shown.path) / ".listing").unlink()
    (shown.path / "greeter").unlink()

    damages = store.verify()

    assert [damage.kind for damage in damages] == ["wrong-set"]
    assert store.repair(damages).left == damages


def test_damage_of_a_lower_store_is_hidden_by_a_whole_tree_above(
    store: Store, tmp_path: Path
) -> None:
    lower = tmp_path / "lower" / "v1"
    with Store.open(lower) as below:
        tree = below.add(GREETER, name="greeter")
    store.add(GREETER, name="greeter")
    store.remove(tree.digest)
    store.add([*GREETER, ONLY_HERE], name="larger")
    same_length(tree)
    before = contents(lower)

    with Store.open(store.root, lower=(lower,)) as above:
        damages = above.verify()
        repair = above.repair(damages)

        assert {damage.path.is_relative_to(lower) for damage in damages} == {True}
        assert (repair.repaired, repair.missing) == ((tree.digest,), ())
        assert repair.left == damages
        found = above.verified(tree.digest)
        assert found.path.is_relative_to(store.root)
    assert contents(lower) == before


def test_progress_of_a_repair_counts_to_the_end(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    extra_file(tree)
    damages = store.verify()
    seen: list[tuple[int, int]] = []

    store.repair(damages, lambda done, steps: seen.append((done, steps)))

    assert seen == [(step, len(damages)) for step in range(1, len(damages) + 1)]


def test_two_repairs_a_collection_and_loads_at_once_agree(store: Store, tmp_path: Path) -> None:
    """A tree that is being replaced is whole or damaged for whoever loads it, never missing."""
    lower = tmp_path / "lower" / "v1"
    files = [[FileEntry("SKILL.md", b"%d" % number), *GREETER[1:]] for number in range(6)]
    with Store.open(lower) as below:
        for each in files:
            below.add(each, name="many")
    trees = [store.add(each, name="many") for each in files]
    overwrite(trees[0].path / "src" / "skill.py", b"harm")
    for tree in trees:
        extra_file(tree)
    damages = store.verify()
    repaired = Event()

    def repair() -> tuple[Digest, ...]:
        with Store.open(store.root, lower=(lower,)) as mine:
            return mine.repair(damages).missing

    def load() -> int:
        refused = 0
        with Store.open(store.root) as mine:
            while not repaired.is_set():
                for tree in trees:
                    try:
                        mine.verified(tree.digest)
                    except TreeDamaged:
                        refused += 1
        return refused

    def collect() -> int:
        with Store.open(store.root) as mine:
            while not repaired.is_set():
                mine.collect()
        return 0

    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(load), pool.submit(collect)]
        repairs = [pool.submit(repair), pool.submit(repair)]
        try:
            missing = [each.result() for each in repairs]
        finally:
            repaired.set()
        assert others[0].result() >= 0
        others[1].result()

    assert missing == [(), ()]
    assert store.verify() == ()
    assert len(list(store.trees())) == len(trees)
