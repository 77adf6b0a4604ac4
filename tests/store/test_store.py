from __future__ import annotations

import stat
from pathlib import Path
from threading import Thread

import pytest

from spm_spec.digests import blob_digest
from spm_spec.errors import EXIT_ENVIRONMENT, EXIT_HOSTILE
from spm_spec.names import InvalidName
from spm_spec.tree import FileEntry, InvalidTree, build_tree
from spm_store.errors import DigestMismatch, IndexDamaged, StoreFailure, StoreTooNew, TreeMissing
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_add_lays_the_tree_out_read_only_under_its_digest(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")

    assert tree.digest == build_tree(GREETER).digest
    assert tree.path == store.root / "trees" / f"{tree.digest.hex}-greeter"
    assert (tree.size, tree.files) == (sum(len(file.data) for file in GREETER), 4)
    assert {file.path: (tree.path / file.path).read_bytes() for file in GREETER} == {
        file.path: file.data for file in GREETER
    }
    assert mode_of(tree.path / "scripts" / "greet.sh") == 0o555
    assert mode_of(tree.path / "src" / "skill.py") == 0o444
    assert mode_of(tree.path) == mode_of(tree.path / "src") == 0o555


def test_add_leaves_no_unfinished_work(store: Store) -> None:
    store.add(GREETER, name="greeter")

    assert names(store.root / "tmp") == names(store.root / "trash") == []


def test_a_blob_is_kept_under_its_digest_and_mode(store: Store) -> None:
    script = FileEntry("run.sh", b"#!/bin/sh\n", executable=True)
    same = FileEntry("notes.txt", b"#!/bin/sh\n")

    tree = store.add([script, same], name="twice")

    digits = blob_digest(script.data).hex
    folder = store.root / "blobs" / digits[0]
    assert names(folder) == [digits, f"{digits}-x"]
    assert (mode_of(folder / digits), mode_of(folder / f"{digits}-x")) == (0o444, 0o555)
    assert mode_of(tree.path / "run.sh") == 0o555


def test_two_trees_share_the_files_they_have_in_common(store: Store) -> None:
    with store.transaction() as transaction:
        greeter = transaction.add(GREETER, name="greeter")
        counter = transaction.add(COUNTER, name="counter")

    size = store.size()
    assert (greeter.path / "src/skill.py").samefile(counter.path / "src/skill.py")
    assert (size.trees, size.blobs) == (2, 4)
    assert size.bytes_saved == len(b"def greet():\n    return 'hello'\n")


def test_empty_files_are_never_one_inode(store: Store) -> None:
    tree = store.add([FileEntry("a", b""), FileEntry("b", b""), FileEntry("c", b"c")], name="void")

    assert not (tree.path / "a").samefile(tree.path / "b")
    assert (tree.path / "a").lstat().st_nlink == 1
    assert store.size().blobs == 1


def test_adding_the_same_files_again_changes_nothing(store: Store) -> None:
    first = store.add(GREETER, name="greeter")
    before = contents(store.root / "trees") | contents(store.root / "blobs")

    second = store.add(reversed(GREETER), name="other-name")

    assert second == first
    assert contents(store.root / "trees") | contents(store.root / "blobs") == before


def test_add_refuses_files_that_are_not_the_expected_tree(store: Store) -> None:
    expected = build_tree(COUNTER).digest
    actual = build_tree(GREETER).digest

    with pytest.raises(DigestMismatch) as caught:
        store.add(GREETER, name="greeter", expected=expected)

    assert caught.value.message == f"greeter: expected {expected}, got {actual}"
    assert caught.value.exit_code == EXIT_HOSTILE
    assert not store.root.exists()


def test_one_bad_tree_keeps_the_whole_transaction_out(store: Store) -> None:
    store.add(COUNTER, name="counter")
    before = contents(store.root / "trees") | contents(store.root / "blobs")

    def add_both() -> None:
        with store.transaction() as transaction:
            transaction.add(GREETER, name="greeter")
            transaction.add([FileEntry("../escape", b"x")], name="escape")

    with pytest.raises(InvalidTree):
        add_both()

    assert contents(store.root / "trees") | contents(store.root / "blobs") == before
    assert names(store.root / "tmp") == []


def test_add_refuses_a_name_that_is_no_skill_name(store: Store) -> None:
    with pytest.raises(InvalidName):
        store.add(GREETER, name="../../etc")

    assert not store.root.exists()


def test_a_transaction_is_invisible_until_it_ends(store: Store) -> None:
    with store.transaction() as transaction:
        pending = transaction.add(GREETER, name="greeter")
        assert store.get(pending.digest) is None
        assert not pending.path.exists()

    assert store.get(pending.digest) == pending


def test_a_transaction_takes_trees_from_several_threads(store: Store) -> None:
    skills = [(FileEntry("SKILL.md", b"shared"), FileEntry("n", b"%d" % n)) for n in range(24)]

    with store.transaction() as transaction:
        threads = [
            Thread(target=transaction.add, args=(files,), kwargs={"name": f"skill-{n}"})
            for n, files in enumerate(skills)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(list(store.trees())) == 24
    assert store.verify() == ()
    assert store.size().blobs == 25


@pytest.mark.parametrize("durability", ["batch", "strict", "none"])
def test_every_durability_keeps_the_same_files(tmp_path: Path, durability: str) -> None:
    many = [FileEntry(f"file-{n}", b"%d" % n) for n in range(40)]
    with Store.open(tmp_path / "v1", durability=durability) as store:  # type: ignore[arg-type]  # parametrised
        tree = store.add(many, name="many")
        few = store.add(GREETER, name="greeter")

        assert store.verified(tree.digest) == tree
        assert store.verified(few.digest) == few
        assert store.verify() == ()


def test_looking_into_a_store_that_does_not_exist_creates_nothing(store: Store) -> None:
    digest = build_tree(GREETER).digest

    assert store.get(digest) is None
    assert store.paths_of([digest]) == {}
    assert list(store.trees()) == []
    assert store.verify() == ()
    assert store.leftovers() == ()
    assert store.clear() == 0
    assert not store.remove(digest)
    assert store.size().trees == 0
    assert not store.root.exists()


def test_verified_says_how_to_bring_a_missing_tree(store: Store) -> None:
    digest = build_tree(GREETER).digest

    with pytest.raises(TreeMissing) as caught:
        store.verified(digest)

    assert caught.value.message == f"{store.root}: the store has no tree {digest}"
    assert caught.value.hint == "`spm install` brings it"


def test_paths_of_answers_for_more_digests_than_one_query_takes(store: Store) -> None:
    with store.transaction() as transaction:
        trees = [
            transaction.add([FileEntry("SKILL.md", b"%d" % n)], name="many") for n in range(520)
        ]

    paths = store.paths_of([build_tree(GREETER).digest, *(tree.digest for tree in trees)])

    assert paths == {tree.digest: tree.path for tree in trees}


def test_a_tree_whose_folder_is_gone_is_not_there_and_can_be_added_again(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    (tree.path).rename(store.root / "trees" / "elsewhere")

    assert store.get(tree.digest) is None
    assert store.paths_of([tree.digest]) == {}
    assert store.add(GREETER, name="greeter") == tree
    assert store.verified(tree.digest) == tree


def test_remove_takes_the_blobs_no_other_tree_needs(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    counter = store.add(COUNTER, name="counter")

    assert store.remove(greeter.digest)

    assert store.get(greeter.digest) is None
    assert not greeter.path.exists()
    assert store.verified(counter.digest) == counter
    assert store.verify() == ()
    assert store.size().blobs == 2
    assert names(store.root / "trash") == []


def test_clear_leaves_an_empty_store_that_works(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.add(COUNTER, name="counter")

    assert store.clear() == 2

    assert (store.size().trees, store.size().blobs) == (0, 0)
    assert names(store.root / "trees") == names(store.root / "trash") == []
    tree = store.add(GREETER, name="greeter")
    assert store.verified(tree.digest) == tree


def test_trees_come_by_name(store: Store) -> None:
    greeter = store.add(GREETER, name="greeter")
    counter = store.add(COUNTER, name="counter")

    assert list(store.trees()) == [counter, greeter]


def test_a_newer_store_is_refused_and_left_alone(store: Store) -> None:
    import sqlite3

    store.add(GREETER, name="greeter")
    store.close()
    connection = sqlite3.connect(store.index.path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    before = contents(store.root)

    with pytest.raises(StoreTooNew) as caught:
        store.add(COUNTER, name="counter")

    assert caught.value.message == (
        f"{store.root}/index.sqlite: the store has format 3, this spm knows 2"
    )
    assert caught.value.hint == "use the newer spm that wrote it"
    assert contents(store.root) == before


def test_a_corrupt_index_is_named_with_what_to_do(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    Path(store.index.path).write_bytes(b"this is no database, and never was" * 200)

    with pytest.raises(IndexDamaged) as caught:
        list(store.trees())

    assert caught.value.message == f"{store.root}/index.sqlite: file is not a database"
    assert caught.value.hint == "`spm store rebuild` makes it again from the files"


def test_trees_are_adopted_after_the_index_was_lost(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    store.close()
    Path(store.index.path).unlink()
    inode = (tree.path / "SKILL.md").lstat().st_ino

    assert store.get(tree.digest) is None
    assert store.leftovers() == (tree.path,)
    assert store.add(GREETER, name="greeter") == tree
    assert (tree.path / "SKILL.md").lstat().st_ino == inode
    assert store.leftovers() == ()


def test_a_file_in_the_way_of_the_store_is_a_failure_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")

    with Store.open(tmp_path / "store" / "v1") as store, pytest.raises(StoreFailure) as caught:
        store.add(GREETER, name="greeter")

    assert caught.value.message == f"{tmp_path}/store: file exists"
    assert caught.value.exit_code == EXIT_ENVIRONMENT


def test_files_that_cannot_be_linked_any_more_are_copied(store: Store) -> None:
    """A file system limits the names of one inode; ext4 takes 65 000."""
    from spm_store.durable import Disk

    class FullInode(Disk):
        def link(self, source: str, target: str) -> None:
            import errno

            if "/blobs/" in source or "/tmp/" in target:
                raise OSError(errno.EMLINK, "too many links", source)
            super().link(source, target)

    with Store(store.root, disk=FullInode()) as full:
        full.add(GREETER, name="greeter")
        counter = full.add(COUNTER, name="counter")

    assert store.verified(counter.digest) == counter
    assert (counter.path / "src/skill.py").lstat().st_nlink == 1
    assert store.verify() == ()


def test_a_file_system_without_hard_links_gets_copies(store: Store) -> None:
    from spm_store.durable import Disk

    class NoLinks(Disk):
        def link(self, source: str, target: str) -> None:
            import errno

            raise OSError(errno.EPERM, "no hard links", source)

    with Store(store.root, disk=NoLinks()) as plain:
        tree = plain.add(GREETER, name="greeter")
        plain.add(COUNTER, name="counter")

        assert plain.verified(tree.digest) == tree
        assert plain.verify() == ()
    assert mode_of(tree.path / "scripts/greet.sh") == 0o555


def test_added_is_the_time_the_store_was_told(store: Store) -> None:
    with Store(store.root, now=lambda: 1_800_000_000.7) as timed:
        tree = timed.add(GREETER, name="greeter")
    import sqlite3

    connection = sqlite3.connect(store.index.path)
    rows = connection.execute("SELECT digest, added FROM trees").fetchall()
    connection.close()

    assert rows == [(tree.digest.raw, 1_800_000_000)]


def test_a_file_system_with_reflinks_gives_each_tree_its_own_inodes(store: Store) -> None:
    """The real thing is tried in test_reflink, where such a file system can be mounted."""
    from spm_store.durable import Disk

    class Clones(Disk):
        def clone(self, source: str, target: str, mode: int) -> None:
            self.write_file(target, Path(source).read_bytes(), mode)

    with Store(store.root, disk=Clones()) as cloning:
        with cloning.transaction() as transaction:
            greeter = transaction.add(GREETER, name="greeter")
            counter = transaction.add(COUNTER, name="counter")
        (greeter.path / "src/skill.py").chmod(0o644)
        (greeter.path / "src/skill.py").write_bytes(b"harm")

        assert cloning.verified(counter.digest) == counter
        assert cloning.add(GREETER, name="greeter") == greeter
        assert cloning.verify() == ()
    assert (counter.path / "SKILL.md").lstat().st_nlink == 1
    assert mode_of(greeter.path / "scripts/greet.sh") == 0o555
