"""The index: migrated with a backup, never believed when damaged, replaced under its users."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.errors import EXIT_ENVIRONMENT
from spm_store.durable import Disk
from spm_store.errors import IndexDamaged, StoreFailure, StoreTooNew
from spm_store.index import Index, NewRow
from spm_store.store import Store
from tests.support.stored import COUNTER, GREETER, contents, names

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
REBUILD = "`spm store rebuild` makes it again from the files"
# Frozen: what the first format was. It never changes again.
FORMAT_1 = """
PRAGMA journal_mode = WAL;
CREATE TABLE trees (
    digest BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    files INTEGER NOT NULL,
    added INTEGER NOT NULL,
    directories BLOB NOT NULL
);
PRAGMA user_version = 1;
"""


def sql(store: Store, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Ask SQLite itself."""
    with closing(sqlite3.connect(store.index.path, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def made_old(store: Store) -> None:
    """Add a tree, then put its blobs and write the index as the first format had them."""
    store.add(GREETER, name="greeter")
    store.close()
    for blob in list((store.root / "blobs").glob("?/*")):
        (store.root / "blobs" / blob.name[:2]).mkdir(exist_ok=True)
        blob.rename(store.root / "blobs" / blob.name[:2] / blob.name)
    for folder in (store.root / "blobs").glob("?"):
        folder.rmdir()
    rows = sql(store, "SELECT digest, name, size, files, added, directories FROM trees")
    Path(store.index.path).unlink()
    with closing(sqlite3.connect(store.index.path, isolation_level=None)) as connection:
        connection.executescript(FORMAT_1)
        connection.executemany("INSERT INTO trees VALUES (?, ?, ?, ?, ?, ?)", rows)


def format_of(path: str | Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def test_an_index_of_the_first_format_is_read_as_it_is(store: Store) -> None:
    made_old(store)
    before = contents(store.root)

    [tree] = store.trees()
    [row] = store.index.all_rows()
    assert store.verified(tree.digest).name == "greeter"
    assert row.used == row.added
    store.close()

    assert contents(store.root) == before


def test_the_first_change_migrates_and_keeps_a_backup(store: Store) -> None:
    made_old(store)
    before = sql(store, "SELECT * FROM trees")
    [row] = store.index.all_rows()

    counter = store.add(COUNTER, name="counter")

    assert format_of(store.index.path) == 2
    assert format_of(store.root / "index-1.sqlite") == 1
    with closing(sqlite3.connect(store.root / "index-1.sqlite")) as backup:
        assert backup.execute("SELECT * FROM trees").fetchall() == before
    assert [found.name for found in store.index.all_rows()] == ["counter", "greeter"]
    assert store.index.rows([row.digest]) == [row]
    assert store.verified(counter.digest) == counter
    assert store.verify() == ()
    assert {len(name) for name in names(store.root / "blobs")} == {1}
    assert names(store.root / "tmp") == []


def test_a_migrated_index_has_the_table_of_a_new_one(store: Store, tmp_path: Path) -> None:
    made_old(store)
    store.add(COUNTER, name="counter")
    with Store.open(tmp_path / "new" / "v1") as new:
        new.add(COUNTER, name="counter")
        columns = (
            "SELECT cid, name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('trees')"
        )

        assert sql(store, columns) == sql(new, columns)


MIGRATE = """
import os, signal, sys
from pathlib import Path
from spm_store.durable import Disk
from spm_store.store import Store

class DyingDisk(Disk):
    left = int(sys.argv[2])

def dying(call):
    def called(self, *arguments):
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1
        return call(self, *arguments)
    return called

for name in ("commit", "sync", "move", "make_folder", "remove_file", "remove_folder"):
    setattr(DyingDisk, name, dying(getattr(Disk, name)))

with Store(Path(sys.argv[1]), disk=DyingDisk()) as store:
    store.index.mark_used([], 0)
"""


def migrating(root: Path, point: int = -1) -> subprocess.Popen[bytes]:
    """Migrate in another process, killed before its call number ``point`` to the disk."""
    command = [sys.executable, "-c", MIGRATE, str(root), str(point)]
    return subprocess.Popen(command, cwd=ROOT)


def test_a_migration_killed_at_any_point_leaves_one_format_or_the_other(store: Store) -> None:
    made_old(store)
    before = sql(store, "SELECT * FROM trees")
    store.close()
    killed, formats = 0, set[int]()

    for point in range(20):
        root = store.root.parent / f"copy-{point}"
        shutil.copytree(store.root, root)
        if migrating(root, point).wait() == 0:
            break
        killed += 1
        formats.add(format_of(root / "index.sqlite"))
        with Store.open(root) as again:
            assert len(list(again.trees())) == 1
            again.add(COUNTER, name="counter")
            assert again.verify() == ()
        assert format_of(root / "index.sqlite") == 2
        with closing(sqlite3.connect(root / "index-1.sqlite")) as backup:
            assert backup.execute("SELECT * FROM trees").fetchall() == before
        assert names(root / "tmp") == []

    assert killed >= 6
    assert formats == {1, 2}


def test_two_who_migrate_at_once_both_succeed(store: Store) -> None:
    made_old(store)
    store.close()
    children = [migrating(store.root) for _ in range(4)]

    assert [child.wait() for child in children] == [0] * 4
    assert format_of(store.index.path) == 2
    assert format_of(store.root / "index-1.sqlite") == 1
    assert len(list(store.trees())) == 1


def test_who_has_an_old_index_open_goes_on_after_another_migrated(store: Store) -> None:
    made_old(store)
    [tree] = store.trees()

    with Store.open(store.root) as other:
        other.add(COUNTER, name="counter")

    assert store.get(tree.digest) == tree
    store.index.mark_used([tree.digest.raw], 77)
    assert [row.used for row in store.index.rows([tree.digest.raw])] == [77]


def test_a_backup_that_does_not_fit_leaves_the_old_format(store: Store) -> None:
    class NoSpace(Disk):
        def move(self, source: str, target: str) -> None:
            if target.endswith(".sqlite"):
                raise OSError(28, "No space left on device", source, None, target)
            super().move(source, target)

    made_old(store)
    with Store(store.root, disk=NoSpace()) as full, pytest.raises(StoreFailure) as caught:
        full.index.mark_used([], 0)

    assert caught.value.message == f"{store.root}/index-1.sqlite: no space left on device"
    assert format_of(store.index.path) == 1
    assert names(store.root / "tmp") == []


def test_a_newer_index_is_refused_for_reading_and_writing(store: Store) -> None:
    tree = store.add(GREETER, name="greeter")
    store.close()
    sql(store, "PRAGMA user_version = 3")
    before = contents(store.root)

    for use in (
        lambda: store.get(tree.digest),
        lambda: list(store.trees()),
        store.index.directories,
        lambda: store.index.mark_used([], 0),
        lambda: store.add(COUNTER, name="counter"),
    ):
        with pytest.raises(StoreTooNew) as caught:
            use()
        assert caught.value.message == (
            f"{store.root}/index.sqlite: the store has format 3, this spm knows 2"
        )
        assert caught.value.hint == "use the newer spm that wrote it"
        assert contents(store.root) == before


def cut(path: Path) -> None:
    os.truncate(path, 50)


def cut_in_a_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 7)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def wrong_header(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 500)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def another_database(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE other (a); PRAGMA user_version = 2")


def no_format(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("CREATE TABLE other (a)")


def harmed_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4000] = b"\xff" * 3900
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut, "the index ends after 50 bytes"),
        (cut_in_a_page, "database disk image is malformed"),
        (emptied, "the index ends after 0 bytes"),
        (wrong_header, "file is not a database"),
        (a_folder, "the index is not a file"),
        (a_pipe, "the index is not a file"),
        (a_link, "the index is not a file"),
        (another_database, "no such table: trees"),
        (no_format, "the store has format 0, this spm knows 2"),
        (harmed_pages, "database disk image is malformed"),
    ],
)
def test_a_damaged_index_is_named_with_what_to_do(
    store: Store, harm: Callable[[Path], None], reason: str
) -> None:
    tree = store.add(GREETER, name="greeter")
    store.close()
    harm(Path(store.index.path))
    before = contents(store.root)

    for use in (
        lambda: store.get(tree.digest),
        lambda: list(store.trees()),
        store.index.directories,
    ):
        with pytest.raises(IndexDamaged) as caught:
            use()
        assert caught.value.message == f"{store.root}/index.sqlite: {reason}"
        assert caught.value.hint == REBUILD
        assert caught.value.exit_code == EXIT_ENVIRONMENT
        store.close()
    assert contents(store.root) == before


RAW = b"\x07" * 32


@pytest.mark.parametrize(
    "row",
    [
        (b"\x07" * 31, "name", 1, 1, 1, 1),
        (b"", "name", 1, 1, 1, 1),
        ("text", "name", 1, 1, 1, 1),
        (7, "name", 1, 1, 1, 1),
        (RAW, "../../../etc", 1, 1, 1, 1),
        (RAW, "a/b", 1, 1, 1, 1),
        (RAW, "..", 1, 1, 1, 1),
        (RAW, "", 1, 1, 1, 1),
        (RAW, "name\n", 1, 1, 1, 1),
        (RAW, "a" * 65, 1, 1, 1, 1),
        (RAW, "Name", 1, 1, 1, 1),
        (RAW, b"name", 1, 1, 1, 1),
        (RAW, "name", -1, 1, 1, 1),
        (RAW, "name", 1, -1, 1, 1),
        (RAW, "name", 1, 1, -1, 1),
        (RAW, "name", 1, 1, 1, -1),
        (RAW, "name", 1.5, 1, 1, 1),
        (RAW, "name", "many", 1, 1, 1),
        (RAW, "name", 1, b"", 1, 1),
    ],
)
def test_a_row_the_store_never_writes_is_damage(store: Store, row: tuple[object, ...]) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    sql(store, "INSERT INTO trees VALUES (?, ?, ?, ?, ?, ?, x'')", *row)

    with pytest.raises(IndexDamaged) as caught:
        list(store.trees())

    assert caught.value.message == (
        f"{store.root}/index.sqlite: a row of the index is none the store writes"
    )
    assert caught.value.hint == REBUILD


def test_a_name_that_is_no_text_is_damage(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    sql(store, "UPDATE trees SET name = CAST(x'ff2f' AS TEXT)")

    with pytest.raises(IndexDamaged):
        list(store.trees())


def test_directories_that_are_no_bytes_are_damage(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    sql(store, "UPDATE trees SET directories = 'text'")

    with pytest.raises(IndexDamaged):
        store.index.directories()


def test_a_table_whose_description_is_no_text_is_damage(store: Store) -> None:
    """SQLite quotes it in its complaint, which then is no text either."""
    store.add(GREETER, name="greeter")
    store.close()
    path = Path(store.index.path)
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE trees", b"CREATE \x80ABLE trees"))

    with pytest.raises(IndexDamaged) as caught:
        list(store.trees())

    assert caught.value.hint == REBUILD


@given(data=st.data())
def test_an_index_with_any_bytes_changed_is_read_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never a traceback, never a path outside the store."""
    root = tmp_path_factory.mktemp("store")
    index = Index(os.fspath(root), durability="none")
    index.build(index.path, [NewRow(bytes([n]) * 32, "name", 1, 1, 1, b"x" * n) for n in range(9)])
    image = bytearray(Path(index.path).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    Path(index.path).write_bytes(image)

    with Store.open(root) as store:
        try:
            paths = [tree.path for tree in store.trees(present=False)]
            store.index.directories()
        except StoreFailure:
            return
    assert {path.parent for path in paths} <= {root / "trees"}


def test_rows_say_when_they_were_added_and_used(store: Store) -> None:
    with Store(store.root, now=lambda: 1_800_000_000.7) as timed:
        greeter = timed.add(GREETER, name="greeter")
        counter = timed.add(COUNTER, name="counter")

    store.index.mark_used([greeter.digest.raw], 1_900_000_000.9)

    assert [(row.name, row.added, row.used) for row in store.index.all_rows()] == [
        ("counter", 1_800_000_000, 1_800_000_000),
        ("greeter", 1_800_000_000, 1_900_000_000),
    ]
    assert store.index.directories(counter.digest.raw) == [
        pair for pair in store.index.directories() if pair[0] == counter.digest.raw
    ]


def built(store: Store, *names: str) -> str:
    """Make another index, with rows of these names."""
    path = f"{store.root}/tmp/built"
    rows = [NewRow(bytes([n]) * 32, name, 1, 1, 5, b"") for n, name in enumerate(names, 1)]
    store.index.build(path, rows)
    return path


def test_replacing_a_healthy_index_is_seen_by_who_has_it_open(store: Store) -> None:
    store.add(GREETER, name="greeter")
    with Store.open(store.root) as reader:
        assert len(reader.index.all_rows()) == 1
        inode = Path(store.index.path).stat().st_ino

        store.index.replace_with(built(store, "one", "two"))

        assert [row.name for row in reader.index.all_rows()] == ["one", "two"]
        assert Path(store.index.path).stat().st_ino == inode
        assert names(store.root / "tmp") == []


def test_replacing_a_damaged_index_leaves_nothing_of_it(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    Path(store.index.path).write_bytes(b"harm" * 2000)
    Path(f"{store.index.path}-wal").write_bytes(b"an old log")

    store.index.replace_with(built(store, "one"))

    assert [row.name for row in store.index.all_rows()] == ["one"]
    store.close()
    assert not Path(f"{store.index.path}-wal").exists()
    assert names(store.root / "tmp") == []


def test_replacing_an_index_that_is_gone_makes_it(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    Path(store.index.path).unlink()

    store.index.replace_with(built(store, "one"))

    assert [row.name for row in store.index.all_rows()] == ["one"]


def test_replacing_an_old_index_migrates_it_first(store: Store) -> None:
    made_old(store)

    store.index.replace_with(built(store, "one"))

    assert [row.name for row in store.index.all_rows()] == ["one"]
    assert format_of(store.root / "index-1.sqlite") == 1


def test_replacing_a_newer_index_is_refused(store: Store) -> None:
    store.add(GREETER, name="greeter")
    store.close()
    path = built(store, "one")
    sql(store, "PRAGMA user_version = 3")

    with pytest.raises(StoreTooNew):
        store.index.replace_with(path)

    assert format_of(store.index.path) == 3


def test_who_has_a_replaced_file_open_opens_the_new_one(store: Store) -> None:
    store.add(GREETER, name="greeter")
    with Store.open(store.root) as other:
        assert len(other.index.all_rows()) == 1
        Path(store.index.path).unlink()
        store.index.replace_with(built(store, "one"))

        assert [row.name for row in other.index.all_rows()] == ["one"]
        Path(store.index.path).unlink()
        store.index.replace_with(built(store, "two", "three"))
        other.index.mark_used([b"\x01" * 32], 9)

    store.close()
    assert [(row.name, row.used) for row in store.index.all_rows()] == [("three", 5), ("two", 9)]


def test_writing_without_an_index_says_what_to_do(store: Store) -> None:
    with pytest.raises(IndexDamaged) as caught:
        store.index.mark_used([], 0)

    assert caught.value.message == f"{store.root}/index.sqlite: the index disappeared"
    assert caught.value.hint == REBUILD


LAST_TO_LEAVE = """
import sys
from pathlib import Path
from spm_store.store import Store

with Store.open(Path(sys.argv[1])) as store:
    print(len(list(store.trees())))
"""


def test_a_second_store_in_one_process_takes_no_lock_from_the_first(store: Store) -> None:
    first = store.add(GREETER, name="greeter")
    with Store.open(store.root) as second:
        assert second.get(first.digest) == first
    command = [sys.executable, "-c", LAST_TO_LEAVE, str(store.root)]
    # Were the lock lost, who leaves would take away the log that ``store`` goes on writing.
    before = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)

    store.add(COUNTER, name="counter")

    after = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert (before.stdout, after.stdout) == ("1\n", "2\n")
