"""The index: one SQLite row a tree, written last. A tree without a row is not there.

The file appears whole: it is made elsewhere and linked to its place. Who may not write
the store opens it in a way that writes nothing. ``digest`` is the raw 32 bytes,
``added`` and ``used`` are in seconds since 1970, ``directories`` is what
``trees.encode_directories`` returns, so that sharing can be worked out from the rows
alone. No row is believed before it looks like one the store writes: its name becomes a
path.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import DIGEST_BYTES
from spm_spec.names import NAME_CHARACTERS, NAME_PATTERN
from spm_store.durable import Disk
from spm_store.errors import IndexDamaged, StoreFailure, storing
from spm_store.filesystems import MOUNT_TABLE, reach_of, refuse_unsafe
from spm_store.index_schema import (
    FORMAT,
    INSERT,
    check_file,
    check_format,
    has_log,
    make_index,
    migrate,
    uri_path,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Iterable, Sequence

    from spm_store.durable import Durability
    from spm_store.filesystems import Reach

BUSY_SECONDS = 60.0
_QUERY_DIGESTS = 500
_REREADS = 3
_COLUMNS = ("digest, name, size, files, added, added", "digest, name, size, files, added, used")
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
    """One connection to the index, opened at first need; safe to use from any thread."""

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

        self.path = f"{root}/index.sqlite"
        self._root, self._durability, self._disk = root, durability, disk or Disk()
        self._read_only, self._mount_table = read_only, mount_table
        self._connection: sqlite3.Connection | None = None
        self._seen: object = None
        self._writable = False
        self._format = FORMAT
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

    def directories(self) -> list[tuple[bytes, bytes]]:
        """Return digest and encoded directories of every tree."""
        found = self._read("", columns="digest, directories")
        for digest, encoded in found:
            if not (_is_digest(digest) and isinstance(encoded, bytes)):
                raise self._damaged("a row of the index is none the store writes")
        return found

    def put(self, rows: Sequence[NewRow], disk: Disk | None = None) -> None:
        """Write ``rows`` in one database transaction, replacing those of the same digests."""
        self._write(INSERT.format(table="trees"), [row.values() for row in rows], disk)

    def remove(self, digests: Sequence[bytes], disk: Disk | None = None) -> None:
        """Remove the rows of ``digests`` in one database transaction.

        Waits for the disk: a row that a power cut brings back would speak of files that
        were removed after it.
        """
        statement = "DELETE FROM trees WHERE digest = ?"
        values = [(digest,) for digest in digests]
        self._write(statement, values, disk, waits=self._durability != "none")

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
        with self._translated():
            journal = "WAL" if self._reach() == "local" else "DELETE"
            make_index(path, disk or self._disk, self._durability, rows=values, journal=journal)

    def replace_with(self, path: str, disk: Disk | None = None) -> None:
        """Put the rows of the index at ``path``, which ``build`` made, in place of all there are.

        The caller holds ``gc.lock`` exclusively. One database transaction where the
        index can be written, so that everybody who has it open sees it; where it is
        damaged or missing, one rename. The file at ``path`` is used up.
        """
        disk = disk or self._disk
        with self._lock, self._translated():
            if self._rows_replaced(path, disk):
                disk.remove_file(path)
                return
            self._disconnect()
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
            self._disconnect()

    def __del__(self) -> None:
        """Close what its user forgot."""
        with suppress(AttributeError):
            self._disconnect()

    def _read(
        self, clause: str, values: Sequence[object] = (), *, columns: str = ""
    ) -> list[tuple[bytes, bytes]]:
        """Return what a query finds; nothing while there is no index."""
        with self._lock, self._translated():
            for attempt in range(_REREADS):
                connection = self._connected()
                if connection is None:
                    return []
                chosen = columns or _COLUMNS[self._format - 1]
                query = f"SELECT {chosen} FROM trees {clause}"  # noqa: S608 - all written here
                try:
                    found = connection.execute(query, values).fetchall()
                except Exception:
                    if self._is_current() or attempt == _REREADS - 1:
                        raise
                    continue
                if self._is_current():
                    break
            return found

    def _write(
        self,
        statement: str,
        values: Sequence[tuple[object, ...]],
        disk: Disk | None,
        *,
        waits: bool = False,
    ) -> None:
        disk = disk or self._disk
        with self._lock, self._translated():
            connection = self._writing(disk)
            (level,) = connection.execute("PRAGMA synchronous").fetchone()
            if waits:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                disk.commit(lambda: _run_many(connection, statement, values))
            finally:
                connection.execute(f"PRAGMA synchronous = {level}")

    def _writing(self, disk: Disk) -> sqlite3.Connection:
        """Return a connection to an index of this format, migrating an older one."""
        refuse_unsafe(self._root, self._mount_table)
        connection = self._connected()
        if connection is None:
            raise self._damaged("the index disappeared")
        self._format = check_format(self.path, connection)
        if self._format < FORMAT:
            migrate(connection, self._root, self.path, disk, self._durability)
            self._format = FORMAT
        return connection

    def _rows_replaced(self, path: str, disk: Disk) -> bool:
        """Replace the rows inside the index as it is; False if it cannot be used for that."""
        import sqlite3

        try:
            connection = self._writing(disk)
            connection.execute("ATTACH ? AS built", (path,))
            try:
                disk.commit(lambda: _copy_rows(connection))
            finally:
                connection.execute("DETACH built")
            return connection.execute("PRAGMA main.quick_check(1)").fetchone() == ("ok",)
        except IndexDamaged:
            return False
        except sqlite3.OperationalError as error:
            if _is_no_damage(error):
                raise
            return False
        except sqlite3.DatabaseError:
            return False

    def _connected(self) -> sqlite3.Connection | None:
        """Return the connection, None while there is no index; reopen one that was replaced."""
        if self._connection is not None and not self._is_current():
            self._disconnect()
        if self._connection is None and os.path.lexists(self.path):
            check_file(self.path)
            self._connection = self._opened()
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> sqlite3.Connection:
        import sqlite3

        reach = self._reach()
        access = self._access() if reach != "unsafe" else "immutable=1"
        self._writable = access == "mode=rw"
        self._seen = self._state()
        connection = sqlite3.connect(
            f"file:{uri_path(self.path)}?{access}",
            uri=True,
            timeout=BUSY_SECONDS,  # sqlite3_busy_timeout, before any statement
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.text_factory = _decoded
            if self._writable:
                self._prepare(connection, networked=reach == "network")
            self._format = check_format(self.path, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, *, networked: bool) -> None:
        """Choose the journal: a log needs memory that all share, which machines do not."""
        if has_log(self.path) == networked:
            # While nobody else may look, SQLite can do without that memory.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute(f"PRAGMA journal_mode = {'DELETE' if networked else 'WAL'}")
            connection.execute("PRAGMA locking_mode = NORMAL")
        level = "FULL" if networked or self._durability == "strict" else "NORMAL"
        connection.execute(f"PRAGMA synchronous = {level}")

    def _access(self) -> str:
        """Return how to open: what we may not write is not locked, and gets no log."""
        if not self._read_only and all(
            os.access(path, os.W_OK) for path in (self._root, self.path)
        ):
            return "mode=rw"
        return "mode=ro&readonly_shm=1" if self._is_hot() else "immutable=1"

    def _is_hot(self) -> bool:
        """Whether something that was written is not in the file itself yet."""
        return any(_size(f"{self.path}{suffix}") for suffix in ("-wal", "-journal"))

    def _state(self) -> object:
        """Return what changes when the index must be opened again."""
        try:
            status = os.lstat(self.path)
        except OSError:
            return None
        identity = (status.st_dev, status.st_ino)
        if self._writable:
            return identity
        return (*identity, status.st_size, status.st_mtime_ns, self._is_hot())

    def _is_current(self) -> bool:
        return self._state() == self._seen

    def _reach(self) -> Reach:
        return reach_of(self._root, self._mount_table)

    def _row(self, values: tuple[object, ...]) -> Row:
        row = Row._make(values)  # pyright: ignore[reportArgumentType] - looked at below
        numbers = row[2:]
        if not (
            _is_digest(row.digest)
            and isinstance(row.name, str)
            and len(row.name) <= NAME_CHARACTERS
            and _is_name(row.name)
            and all(isinstance(number, int) and number >= 0 for number in numbers)
        ):
            raise self._damaged("a row of the index is none the store writes")
        return row

    def _damaged(self, reason: str) -> IndexDamaged:
        if self._read_only:
            hint = "who looks after that store can run `spm store rebuild`;"
            hint += " or take it out of `SPM_STORE_PATH`"
        else:
            hint = "`spm store rebuild` makes it again from the files"
        return IndexDamaged(self.path, reason, hint=hint)

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn SQLite's complaints into the store's."""
        import sqlite3

        try:
            with storing(self.path):
                yield
        except IndexDamaged as error:
            if error.hint:
                raise
            raise self._damaged(error.reason) from error
        except sqlite3.OperationalError as error:
            if _is_no_damage(error):
                raise StoreFailure(self.path, str(error), number=_errno_of(error)) from error
            raise self._damaged(str(error)) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error


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


def _is_digest(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == DIGEST_BYTES


def _decoded(text: bytes) -> str:
    """Return a text of the index; one that is no UTF-8 is no name either."""
    return text.decode("utf-8", "replace")


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def _is_no_damage(error: sqlite3.OperationalError) -> bool:
    """Whether the system refused; SQLITE_ERROR is a table that is not as it should be."""
    import sqlite3

    return getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_ERROR


def _errno_of(error: sqlite3.OperationalError) -> int:
    import errno
    import sqlite3

    return {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EACCES,
        sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    }.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, 0)
