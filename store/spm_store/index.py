"""The index: one SQLite row a tree, written last. A tree without a row is not there.

The file appears whole: it is made elsewhere and linked to its place. ``digest`` is the
raw 32 bytes, ``added`` and ``used`` are in seconds since 1970, ``directories`` is what
``trees.encode_directories`` returns, so that sharing can be worked out from the rows
alone. No row is believed before it looks like one the store writes: its name becomes a
path.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

from spm_spec.digests import DIGEST_BYTES
from spm_spec.names import NAME_CHARACTERS, NAME_PATTERN
from spm_store.durable import Disk
from spm_store.errors import IndexDamaged
from spm_store.filesystems import MOUNT_TABLE
from spm_store.index_connection import IndexConnection, is_damage
from spm_store.index_schema import FORMAT, INSERT, make_index

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterable, Sequence

    from spm_store.durable import Durability

_QUERY_DIGESTS = 500
_REREADS = 3
_COLUMNS = ("digest, name, size, files, added, added", "digest, name, size, files, added, used")
"""Of format 1, and of format 2."""
_is_name = re.compile(NAME_PATTERN).fullmatch


class Row(NamedTuple):
    """What the index says of one tree, without its directories."""

    digest: bytes
    name: str
    size: int
    files: int
    added: int
    used: int
    """When it was last known to be needed."""


class NewRow(NamedTuple):
    """What a transaction writes of one tree."""

    digest: bytes
    name: str
    size: int
    files: int
    added: int
    directories: bytes
    used: int | None = None
    """None: when it was added."""

    def values(self) -> tuple[object, ...]:
        """Return the columns in the order of the table."""
        used = self.added if self.used is None else self.used
        return (*self[:5], used, self.directories)


class Index:
    """The rows of one store, opened at first need; safe to use from any thread."""

    def __init__(
        self,
        root: str,
        durability: Durability = "batch",
        *,
        disk: Disk | None = None,
        read_only: bool = False,
        mount_table: str = MOUNT_TABLE,
    ) -> None:
        """Know where the index of the store at ``root`` is.

        With ``read_only`` nothing is ever written, not even beside the index.
        """
        from threading import Lock

        self._file = IndexConnection(root, durability, read_only=read_only, mount_table=mount_table)
        self.path = self._file.path
        self._root, self._disk = root, disk or Disk()
        self._durability: Durability = durability
        self._lock = Lock()

    def rows(self, digests: Sequence[bytes]) -> list[Row]:
        """Return the rows there are of ``digests``, in any order."""
        rows: list[Row] = []
        for start in range(0, len(digests), _QUERY_DIGESTS):
            some = digests[start : start + _QUERY_DIGESTS]
            marks = ",".join("?" * len(some))
            rows += map(self._row, self._read(f"WHERE digest IN ({marks})", some))
        return rows

    def all_rows(self) -> list[Row]:
        """Return every row, by name and then by digest."""
        return [self._row(values) for values in self._read("ORDER BY 2, 1")]

    def directories(self, *digests: bytes) -> list[tuple[bytes, bytes]]:
        """Return digest and encoded directories of those trees, of every tree if none is named."""
        if len(digests) > _QUERY_DIGESTS:
            first, rest = digests[:_QUERY_DIGESTS], digests[_QUERY_DIGESTS:]
            return self.directories(*first) + self.directories(*rest)
        clause = f"WHERE digest IN ({','.join('?' * len(digests))})" if digests else ""
        found: list[tuple[bytes, bytes]] = []
        for digest, encoded in self._read(clause, digests, columns="digest, directories"):
            if not (_is_digest(digest) and isinstance(encoded, bytes)):
                raise self._file.damaged("a row of the index is none the store writes")
            found.append((digest, encoded))
        return found

    def put(self, rows: Sequence[NewRow], disk: Disk | None = None) -> None:
        """Write ``rows`` in one database transaction, replacing those of the same digests."""
        self._write(INSERT, [row.values() for row in rows], disk)

    def remove(self, digests: Sequence[bytes], disk: Disk | None = None) -> None:
        """Remove the rows of ``digests`` in one database transaction.

        Waits for the disk: a row that a power cut brings back would speak of files that
        were removed after it.
        """
        statement = "DELETE FROM trees WHERE digest = ?"
        values = [(digest,) for digest in digests]
        self._write(statement, values, disk, waits=self._durability != "none")

    def is_older(self) -> bool:
        """Whether the index has an older format, which the first writer migrates."""
        with self._lock, self._file.translated():
            return self._file.for_reading() is not None and self._file.format < FORMAT

    def mark_used(self, digests: Sequence[bytes], when: float, disk: Disk | None = None) -> None:
        """Say that the trees of ``digests`` were needed at ``when``; one database transaction."""
        statement = "UPDATE trees SET used = ? WHERE digest = ?"
        self._write(statement, [(int(when), digest) for digest in digests], disk)

    def create(self, disk: Disk, folder: str) -> None:
        """Make an empty index unless there is one; ``folder`` is private to the caller."""
        if os.path.lexists(self.path):
            return
        made = f"{folder}/index.sqlite"
        self.build(made, (), disk)
        try:
            disk.link(made, self.path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not os.path.lexists(self.path):
                disk.move(made, self.path)

    def build(self, path: str, rows: Iterable[NewRow], disk: Disk | None = None) -> None:
        """Make another index at ``path``, to put in the place of this one."""
        values = (row.values() for row in rows)
        with self._file.translated():
            journal = "WAL" if self._file.reach == "local" else "DELETE"
            make_index(path, disk or self._disk, self._durability, rows=values, journal=journal)

    def replace_with(self, path: str, disk: Disk | None = None) -> None:
        """Put the rows of the index at ``path``, which ``build`` made, in place of all there are.

        The caller holds ``gc.lock`` exclusively. One database transaction where the
        index can be written, so that everybody who has it open sees it; where it is
        damaged or missing, one rename. The file at ``path`` is used up.
        """
        disk = disk or self._disk
        with self._lock, self._file.translated():
            if self._rows_replaced(path, disk):
                disk.remove_file(path)
                return
            self._file.close()
            # A log that is left would be replayed into the new file.
            for suffix in ("-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    disk.remove_file(f"{self.path}{suffix}")
            disk.move(path, self.path)
            if self._durability != "none":
                disk.sync(self._root)

    def close(self) -> None:
        """Let go of the connection; the next use opens another."""
        with self._lock:
            self._file.close()

    def __del__(self) -> None:
        """Close what its user forgot."""
        with suppress(AttributeError):
            self._file.close()

    def _read(
        self, clause: str, values: Sequence[object] = (), *, columns: str = ""
    ) -> list[tuple[object, ...]]:
        """Return what a query finds; nothing while there is no index.

        What changes while it is read without locks is read again.
        """
        with self._lock, self._file.translated():
            for attempt in range(1, _REREADS + 1):
                connection = self._file.for_reading()
                if connection is None:
                    break
                chosen = columns or _COLUMNS[self._file.format - 1]
                query = f"SELECT {chosen} FROM trees {clause}"  # noqa: S608 - nothing from outside
                try:
                    found = connection.execute(query, values).fetchall()
                except Exception:
                    if attempt == _REREADS or self._file.is_current():
                        raise
                else:
                    if attempt == _REREADS or self._file.is_current():
                        return found
            return []

    def _write(
        self,
        statement: str,
        values: Sequence[tuple[object, ...]],
        disk: Disk | None,
        *,
        waits: bool = False,
    ) -> None:
        disk = disk or self._disk
        with self._lock, self._file.translated():
            connection = self._file.for_writing(disk)
            (level,) = connection.execute("PRAGMA synchronous").fetchone()
            if waits:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                disk.commit(lambda: _run_many(connection, statement, values))
            finally:
                connection.execute(f"PRAGMA synchronous = {level}")

    def _rows_replaced(self, path: str, disk: Disk) -> bool:
        """Replace the rows inside the index as it is; False if it cannot be used for that."""
        import sqlite3

        try:
            connection = self._file.for_writing(disk)
            connection.execute("ATTACH ? AS built", (path,))
            try:
                disk.commit(lambda: _copy_rows(connection))
            finally:
                connection.execute("DETACH built")
            return bool(connection.execute("PRAGMA main.quick_check(1)").fetchone() == ("ok",))
        except IndexDamaged:
            return False
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            return False

    def _row(self, values: tuple[object, ...]) -> Row:
        digest, name, *numbers = values
        if not (
            _is_digest(digest)
            and isinstance(name, str)
            and len(name) <= NAME_CHARACTERS
            and _is_name(name)
            and all(isinstance(number, int) and number >= 0 for number in numbers)
        ):
            raise self._file.damaged("a row of the index is none the store writes")
        return Row._make(values)


def _run_many(
    connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> None:
    with _transaction(connection):
        connection.executemany(statement, rows)


def _copy_rows(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        connection.execute("DELETE FROM main.trees")
        connection.execute("INSERT INTO main.trees SELECT * FROM built.trees")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_digest(value: object) -> TypeGuard[bytes]:
    return isinstance(value, bytes) and len(value) == DIGEST_BYTES
