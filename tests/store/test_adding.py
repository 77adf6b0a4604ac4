"""Adding: as the files come, at once if the tree is there, and whatever a disk refuses."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_spec.streams import StreamedFile
from spm_spec.tree import FileEntry, InvalidTree, Limits, build_tree
from spm_store.blobs import Blobs
from spm_store.durable import Disk
from spm_store.errors import DigestMismatch, StoreFailure
from spm_store.folder import iterate_folder, read_folder
from spm_store.staging import SMALL_BYTES, Staging
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spm_store.durable import Durability

MANY = tuple(FileEntry(f"d{n % 7}/file-{n}", b"%d" % n, executable=n % 3 == 0) for n in range(160))


class RefusingDisk(Disk):
    """A disk that refuses one kind of call, for paths with ``part`` in them."""

    def __init__(self, call: str, number: int, part: str) -> None:
        def refused(*arguments: object) -> object:
            path = str(arguments[0 if call in {"make_folder", "write_file"} else 1])
            if part in path:
                raise OSError(number, os.strerror(number), path)
            return getattr(Disk, call)(self, *arguments)

        setattr(self, call, refused)


def streamed(files: tuple[FileEntry, ...], *, sized: bool = True) -> Iterator[StreamedFile]:
    for file in files:
        chunks = (file.data[start : start + 1000] for start in range(0, len(file.data), 1000))
        yield StreamedFile(file.path, file.executable, len(file.data) if sized else None, chunks)


def kept(store: Store) -> dict[str, tuple[str, bytes]]:
    """Return all but the memory that the index's users share."""
    found = contents(store.root)
    return {path: what for path, what in found.items() if not path.startswith("index.sqlite-")}


class Never:
    """Files that must not be asked for."""

    def __iter__(self) -> Iterator[FileEntry]:
        pytest.fail("the files were asked for")


def test_files_are_taken_as_they_come(store: Store) -> None:
    tree = store.add(iter(MANY), name="many")

    assert tree.digest == build_tree(MANY).digest
    assert tree.files == len(MANY)
    assert store.verify() == ()
    assert names(store.root / "tmp") == []


@pytest.mark.parametrize("sized", [True, False])
def test_streams_small_and_large_become_the_same_tree(store: Store, *, sized: bool) -> None:
    files = (
        FileEntry("SKILL.md", b"small"),
        FileEntry("empty", b""),
        FileEntry("data/large", os.urandom(2 * SMALL_BYTES)),
        FileEntry("data/run", os.urandom(2 * SMALL_BYTES), executable=True),
    )

    tree = store.add(streamed(files, sized=sized), name="streamed")

    assert tree.digest == build_tree(files).digest
    assert store.verify() == ()
    assert stat.S_IMODE((tree.path / "data/run").lstat().st_mode) == 0o555
    assert (tree.path / "empty").lstat().st_nlink == 1


def test_streams_share_what_the_store_has(store: Store) -> None:
    data = os.urandom(2 * SMALL_BYTES)
    first = store.add((FileEntry("SKILL.md", data),), name="first")

    second = store.add(streamed((FileEntry("b", data), FileEntry("c", b"c"))), name="second")

    assert (first.path / "SKILL.md").samefile(second.path / "b")
    assert store.size().blobs == 2


def test_a_folder_is_read_while_it_is_added(store: Store, tmp_path: Path) -> None:
    for file in MANY:
        path = tmp_path / "source" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)

    tree = store.add(iterate_folder(tmp_path / "source"), name="many")

    assert read_folder(tree.path) == read_folder(tmp_path / "source")
    assert store.verify() == ()


def test_a_tree_that_is_there_is_returned_without_asking_for_its_files(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")

    assert store.add(Never(), name="greeter", expected=tree.digest) == tree


@pytest.mark.parametrize("harm", ["removed", "cut", "mode", "extra", "folder-mode", "symlink"])
def test_a_tree_that_does_not_look_whole_is_stored_again(store: Store, harm: str) -> None:
    tree = store.add(GREETER, name="greeter")
    file = tree.path / "src" / "skill.py"
    file.parent.chmod(0o755)
    if harm in {"removed", "symlink"}:
        file.unlink()
    if harm == "symlink":
        file.symlink_to(tree.path / "SKILL.md")
    if harm in {"cut", "mode"}:
        file.chmod(0o644)
    if harm == "cut":
        os.truncate(file, 3)
    if harm == "extra":
        (file.parent / "extra").write_text("extra")
    if harm != "folder-mode":
        file.parent.chmod(0o555)

    store.add(iter(GREETER), name="greeter", expected=tree.digest)

    assert store.verified(tree.digest) == tree
    assert [damage for damage in store.verify() if damage.kind != "wrong-mode"] == []


def test_replacing_hashes_what_is_there_and_swaps_what_is_wrong(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    (tree.path / "SKILL.md").chmod(0o644)
    size = (tree.path / "SKILL.md").lstat().st_size
    (tree.path / "SKILL.md").write_bytes(b"x" * size)
    (tree.path / "SKILL.md").chmod(0o444)

    assert store.add(Never(), name="greeter", expected=tree.digest) == tree
    store.add(GREETER, name="greeter", expected=tree.digest, replace=True)

    assert store.verify() == ()
    assert names(store.root / "trash") == []


def test_a_damaged_tree_is_never_missing_while_it_is_replaced(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    (tree.path / "SKILL.md").chmod(0o644)
    (tree.path / "SKILL.md").write_bytes(b"harm")
    seen: list[bool] = []

    class Watching(Disk):
        def move(self, source: str, target: str) -> None:
            seen.append((tree.path / "SKILL.md").exists())
            super().move(source, target)
            seen.append((tree.path / "SKILL.md").exists())

    with Store(store.root, disk=Watching()) as watched:
        watched.add(GREETER, name="greeter")

    assert store.verify() == ()
    assert all(seen)


def test_a_version_makes_the_shelf_with_the_tree(store: Store) -> None:
    with store.transaction() as transaction:
        tree = transaction.add(GREETER, name="greeter", version="1.2.0")
        assert not (store.root / "shelves").exists() or names(store.root / "shelves") == []

    shelf = store.root / "shelves" / tree.path.name
    assert (shelf / "1.2.0").samefile(tree.path)


def test_files_that_come_and_are_not_the_expected_tree_leave_nothing(store: Store) -> None:
    store.add(GREETER, name="greeter")
    before = kept(store)
    expected = build_tree(GREETER[:1]).digest

    with pytest.raises(DigestMismatch) as caught:
        store.add(iter(COUNTER), name="counter", expected=expected)

    actual = build_tree(COUNTER).digest
    assert caught.value.message == f"counter: expected {expected}, got {actual}"
    assert kept(store) == before


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (("a", "../escape"), "dot-name"),
        (("a", "/escape"), "absolute-path"),
        (("a", "A"), "case-collision"),
        (("a", "a"), "duplicate-path"),
        (("a", "a/b"), "file-and-directory"),
        (("a/b", "a"), "file-and-directory"),
        ((), "empty-tree"),
    ],
)
def test_no_file_is_written_that_no_tree_may_hold(
    store: Store, paths: tuple[str, ...], reason: str
) -> None:
    store.add(GREETER, name="greeter")
    before = kept(store)

    with pytest.raises(InvalidTree) as caught:
        store.add(streamed(tuple(FileEntry(path, b"x") for path in paths)), name="bad")

    assert caught.value.reason == reason
    assert kept(store) == before


def test_a_stream_past_the_limit_is_cut_off(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    seen = 0

    def endless() -> Iterator[bytes]:
        nonlocal seen
        while True:
            seen += 1
            yield bytes(1000)

    disk = Disk()
    staging = Staging(f"{tmp_path}/0", disk, Blobs(f"{tmp_path}", disk), {})
    file = StreamedFile("data", executable=False, size=None, chunks=endless())

    with pytest.raises(InvalidTree) as caught:
        staging.take([file], Limits(file_bytes=100_000))

    assert caught.value.reason == "file-too-large"
    assert seen <= 102


@pytest.mark.parametrize("size", [10, 2 * SMALL_BYTES])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_stream_that_is_not_as_long_as_it_said_is_a_mistake_of_ours(
    store: Store, size: int, more: int
) -> None:
    chunks = iter([bytes(size // 2), bytes(size - size // 2 + more)])
    file = StreamedFile("data", executable=False, size=size, chunks=chunks)

    with pytest.raises(AssertionError, match="the stream is not as long as it said"):
        store.add(iter([file]), name="liar")

    assert names(store.root / "tmp") == names(store.root / "trees") == []


@pytest.mark.parametrize(
    "number", [errno.EMLINK, errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP], ids=errno.errorcode.get
)
@pytest.mark.parametrize("part", ["/blobs/", "/tmp/"])
def test_what_cannot_be_linked_is_copied_with_its_mode(
    store: Store, number: int, part: str
) -> None:
    with Store(store.root, disk=RefusingDisk("link", number, part)) as refusing:
        refusing.add(GREETER, name="greeter")
        refusing.add(COUNTER, name="counter")
        refusing.add(iter(MANY), name="many")

    assert store.verify() == ()
    assert len(list(store.trees())) == 3


@pytest.mark.parametrize("call", ["link", "make_folder"])
def test_a_full_directory_costs_the_blob_and_not_the_tree(store: Store, call: str) -> None:
    store.add(COUNTER[:1], name="other")
    with Store(store.root, disk=RefusingDisk(call, errno.ENOSPC, "/blobs/")) as full:
        tree = full.add(GREETER, name="greeter")

    assert store.verified(tree.digest) == tree
    assert {damage.kind for damage in store.verify()} == {"missing-blob"}
    assert names(store.root / "tmp") == []


@pytest.mark.parametrize("call", ["write_file", "make_folder", "move", "clone"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_disk_that_refuses_leaves_the_store_as_it_was(
    store: Store, call: str, number: int
) -> None:
    store.add(COUNTER, name="counter")
    before = kept(store)
    part = {"move": "/trees/", "clone": "/tmp/"}.get(call, "/0")

    with (
        Store(store.root, disk=RefusingDisk(call, number, part)) as refusing,
        pytest.raises(StoreFailure) as caught,
    ):
        refusing.add(iter((*GREETER, *MANY)), name="greeter")

    assert caught.value.number == number
    assert kept(store) == before
    assert names(store.root / "tmp") == names(store.root / "trash") == []
    assert len(list(store.trees())) == 1


class FlushingDisk(Disk):
    """A disk whose wait number ``failing`` fails, and the others do not wait."""

    def __init__(self, failing: int = -1) -> None:
        self.calls = list[str]()
        self._failing = failing

    def sync_all(self, path: str) -> bool:
        self.calls.append("sync_all")
        if len(self.calls) - 1 == self._failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return True

    def commit(self, write: Callable[[], None]) -> None:
        self.calls.append("commit")
        write()


LARGE = (FileEntry("SKILL.md", b"large"), FileEntry("data", bytes(5_000_000)))


def test_the_disk_begins_to_write_before_the_barrier(store: Store) -> None:
    disk = FlushingDisk()
    with Store(store.root, disk=disk, durability="batch") as flushing:
        flushing.add((*LARGE, *MANY), name="large")

    assert disk.calls == ["sync_all", "sync_all", "commit"]


@pytest.mark.parametrize("durability", ["none", "strict"])
def test_the_disk_is_not_hurried_where_nothing_or_each_file_is_waited_for(
    store: Store, durability: Durability
) -> None:
    disk = FlushingDisk()
    with Store(store.root, disk=disk, durability=durability) as flushing:
        flushing.add((*LARGE, *MANY), name="large")

    assert disk.calls == ["commit"]


@pytest.mark.parametrize("failing", [0, 1])
def test_what_the_disk_could_not_write_is_not_in_the_store(store: Store, failing: int) -> None:
    store.add(COUNTER, name="counter")
    before = kept(store)

    with (
        Store(store.root, disk=FlushingDisk(failing), durability="batch") as flushing,
        pytest.raises(StoreFailure) as caught,
    ):
        flushing.add((*LARGE, *MANY), name="large")

    assert caught.value.number == errno.EIO
    assert kept(store) == before


def test_whether_reflinks_work_is_asked_once_a_store(store: Store) -> None:
    class Counting(Disk):
        asked = 0

        def clone(self, source: str, target: str, mode: int) -> None:
            if Path(target).parent.is_dir():
                type(self).asked += 1
                raise OSError(errno.EOPNOTSUPP, "no reflinks", target)
            raise FileNotFoundError(errno.ENOENT, "no folder", target)

    with Store(store.root, disk=Counting()) as counting:
        counting.add(GREETER, name="greeter")
        counting.add(COUNTER, name="counter")

    assert Counting.asked == 1


def test_the_umask_takes_nothing_from_a_stored_mode(store: Store) -> None:
    old = os.umask(0o077)
    try:
        tree = store.add(GREETER, name="greeter")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tree.path / "scripts/greet.sh").lstat().st_mode) == 0o555
    assert store.verify() == ()
