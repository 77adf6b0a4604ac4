"""The index: one SQLite row a tree, written last. A tree without a row is not there.

The file appears whole: it is made elsewhere and linked to its place. Readers of a
store they cannot write open it as immutable. ``digest`` is the raw 32 bytes,
``added`` is in seconds since 1970, ``directories`` is what ``trees.encode_directories``
returns, so that sharing can be worked out from the rows alone.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from spm_store.errors import IndexDamaged, StoreFailure, StoreTooNew

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator, Sequence

    from spm_store.durable import Disk, Durability

FORMAT = 1  # PRAGMA user_version
BUSY_SECONDS = 60.0
_QUERY_DIGESTS = 500
_SCHEMA = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE trees (
    digest BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    files INTEGER NOT NULL,
    added INTEGER NOT NULL,
    directories BLOB NOT NULL
);
PRAGMA user_version = {FORMAT};
"""
_SUMMARY = "SELECT digest, name, size, files FROM trees"


class Row(NamedTuple):
    """What the index says of one tree, without its directories."""

    digest: bytes
    name: str
    size: int
    files: int


class NewRow(NamedTuple):
    """What a transaction writes of one tree."""

    digest: bytes
    name: str
    size: int
    files: int
    added: int
    directories: bytes


class Index:
    """One connection to the index, opened at first need; safe to use from any thread."""

    def __init__(self, root: str, durability: Durability) -> None:
        """Know where the index of the store at ``root`` is."""
        from threading import Lock

        self.path = f"{root}/index.sqlite"
        self._root = root
        self._durability = durability
        self._connection: sqlite3.Connection | None = None
        self._lock = Lock()

    def rows(self, digests: Sequence[bytes]) -> list[Row]:
        """Return the rows there are of ``digests``, in any order."""
        rows: list[Row] = []
        with self._reading() as connection:
            if connection is None:
                return rows
            for start in range(0, len(digests), _QUERY_DIGESTS):
                some = digests[start : start + _QUERY_DIGESTS]
                marks = ",".join("?" * len(some))
                query = f"{_SUMMARY} WHERE digest IN ({marks})"
                rows += map(Row._make, connection.execute(query, some))
        return rows

    def all_rows(self) -> list[Row]:
        """Return every row, by name and then by digest."""
        with self._reading() as connection:
            if connection is None:
                return []
            return [Row._make(row) for row in connection.execute(f"{_SUMMARY} ORDER BY 2, 1")]

    def directories(self) -> list[tuple[bytes, bytes]]:
        """Return digest and encoded directories of every tree."""
        with self._reading() as connection:
            if connection is None:
                return []
            return connection.execute("SELECT digest, directories FROM trees").fetchall()

    def put(self, rows: Sequence[NewRow], disk: Disk) -> None:
        """Write ``rows`` in one database transaction, replacing those of the same digests."""
        statement = "INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?, ?, ?)"
        with self._writing() as connection:
            disk.commit(lambda: _write(connection, statement, rows))

    def remove(self, digests: Sequence[bytes], disk: Disk) -> None:
        """Remove the rows of ``digests`` in one database transaction."""
        statement = "DELETE FROM trees WHERE digest = ?"
        with self._writing() as connection:
            disk.commit(lambda: _write(connection, statement, [(digest,) for digest in digests]))

    def create(self, disk: Disk, folder: str) -> None:
        """Make an empty index unless there is one; ``folder`` is private to the caller."""
        if os.path.lexists(self.path):
            return
        import sqlite3

        made = f"{folder}/index.sqlite"
        with self._translated():
            connection = sqlite3.connect(made, isolation_level=None)
            try:
                connection.executescript(_SCHEMA)
            finally:
                connection.close()
        if self._durability != "none":
            disk.sync(made)
        try:
            disk.link(made, self.path)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not os.path.lexists(self.path):
                disk.move(made, self.path)

    def close(self) -> None:
        """Let go of the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        """Close what its user forgot."""
        with suppress(AttributeError):
            self.close()

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection | None]:
        """Yield the connection, None while there is no index."""
        with self._lock, self._translated():
            if self._connection is None and os.path.lexists(self.path):
                self._connection = self._connected()
            yield self._connection

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        with self._reading() as connection:
            if connection is None:
                raise IndexDamaged(self.path, "the index disappeared")
            yield connection

    def _connected(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(
            f"file:{_uri_path(self.path)}?{self._access()}",
            uri=True,
            timeout=BUSY_SECONDS,  # sqlite3_busy_timeout, before any statement
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _check_format(self.path, connection)
            level = "FULL" if self._durability == "strict" else "NORMAL"
            connection.execute(f"PRAGMA synchronous = {level}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _access(self) -> str:
        """Return how to open: a store we cannot write is not locked and has no log to read."""
        if os.access(self._root, os.W_OK) and os.access(self.path, os.W_OK):
            return "mode=rw"
        return "mode=ro" if os.path.exists(f"{self.path}-wal") else "immutable=1"

    @contextmanager
    def _translated(self) -> Generator[None]:
        """Turn SQLite's complaints into the store's."""
        import sqlite3

        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreFailure(self.path, str(error), number=_errno_of(error)) from error
        except sqlite3.DatabaseError as error:
            hint = f"move `{self.path}` away; trees are stored again when they are next installed"
            raise IndexDamaged(self.path, str(error), hint=hint) from error


def _write(
    connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[object, ...]]
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_format(path: str, connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    message = f"the store has format {found}, this spm knows {FORMAT}"
    if found > FORMAT:
        raise StoreTooNew(path, message, hint="use the newer spm that wrote it")
    if found < FORMAT:
        raise IndexDamaged(path, message)


def _errno_of(error: sqlite3.OperationalError) -> int:
    import errno
    import sqlite3

    return {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EACCES,
        sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    }.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, 0)


def _uri_path(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
