"""The connection to an index: how it is opened where it may be written, and where not.

What may be written is opened for it; a lower store, one of another user and one on a
disk without dependable locks are opened in a way that writes nothing, not even beside
the index. An index that was replaced is opened again.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spm_store.errors import IndexDamaged, StoreFailure, storing
from spm_store.filesystems import reach_of, refuse_unsafe
from spm_store.index_schema import (
    FORMAT,
    check_file,
    check_format,
    migrate,
    uri_path,
)
from spm_store.locks import making_shared

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Generator

    from spm_store.durable import Disk, Durability
    from spm_store.filesystems import Reach

BUSY_SECONDS = 60.0

_SYNCHRONOUS: dict[Durability, str] = {"strict": "FULL", "batch": "NORMAL", "none": "OFF"}


class IndexConnection:
    """At most one connection of SQLite; its user sees to it that one thread uses it."""

    def __init__(
        self, root: str, durability: Durability, *, read_only: bool, mount_table: str
    ) -> None:
        """Know where the index of the store at ``root`` is; nothing is opened yet."""
        self.path = f"{root}/index.sqlite"
        self.format = FORMAT
        """Of the index that is open."""
        self._root = root
        self._durability: Durability = durability
        self._read_only, self._mount_table = read_only, mount_table
        self._open: sqlite3.Connection | None = None
        self._writable = False
        self._seen: object = None

    def for_reading(self) -> sqlite3.Connection | None:
        """Return the connection, None while there is no index."""
        if self._open is not None and not self.is_current():
            self.close()
        if self._open is None and os.path.lexists(self.path):
            check_file(self.path)
            self._open = self._opened()
        return self._open

    def for_writing(self, disk: Disk) -> sqlite3.Connection:
        """Return the connection to an index of this format, after migrating an older one.

        Raises:
            IndexDamaged: there is none.
            NetworkRefused: the disk's locks may not hold.

        """
        refuse_unsafe(self._root, self._mount_table)
        connection = self.for_reading()
        if connection is None:
            raise self.damaged("the index disappeared")
        self.format = check_format(self.path, connection)
        if self.format < FORMAT:
            migrate(connection, self._root, self.path, disk, self._durability)
            self.format = FORMAT
        return connection

    def is_current(self) -> bool:
        """Whether what is open is still what stands at the index's path."""
        return self._state() == self._seen

    def close(self) -> None:
        """Let go of the connection; the next use opens another."""
        if self._open is not None:
            self._open.close()
            self._open = None

    @property
    def reach(self) -> Reach:
        """How far the disk of the store reaches."""
        return reach_of(self._root, self._mount_table)

    def damaged(self, reason: str) -> IndexDamaged:
        """Return the refusal of an index that is not what the store wrote."""
        if self._read_only:
            hint = (
                "who looks after that store can run `spm store rebuild`;"
                " or take it out of `SPM_STORE_PATH`"
            )
        else:
            hint = "`spm store rebuild` makes it again from the files"
        return IndexDamaged(self.path, reason, hint=hint)

    @contextmanager
    def translated(self) -> Generator[None]:
        """Turn SQLite's complaints, and the system's, into the store's."""
        import sqlite3

        try:
            with storing(self.path):
                yield
        except IndexDamaged as error:
            if error.hint:
                raise
            raise self.damaged(error.reason) from error
        except sqlite3.OperationalError as error:
            if not is_damage(error):
                raise _failure(self.path, error) from error
            raise self.damaged(str(error)) from error
        except sqlite3.DatabaseError as error:
            raise self.damaged(str(error)) from error
        except UnicodeDecodeError as error:  # SQLite quotes what it cannot read
            raise self.damaged("the index holds text that is no text") from error

    def _opened(self) -> sqlite3.Connection:
        reach = self.reach
        access = "immutable=1" if reach == "unsafe" else self._access()
        self._writable = access == "mode=rw"
        self._seen = self._state()
        if not self._writable or reach != "local":  # then no log is made
            return self._connected(access, reach)
        # A log that another user is just making would be ours to read only, and that
        # for as long as it is open.
        with making_shared(self._root):
            return self._connected(access, reach)

    def _connected(self, access: str, reach: Reach) -> sqlite3.Connection:
        import sqlite3

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
            self.format = check_format(self.path, connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection, *, networked: bool) -> None:
        """Choose how to write: a log needs memory that all share, which machines do not."""
        if networked:
            # While nobody else may look, SQLite can do without that memory.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            check_format(self.path, connection)
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
            if journal == "wal":
                connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA locking_mode = NORMAL")
            check_format(self.path, connection)  # the lock goes with the next reading
        level = "FULL" if networked else _SYNCHRONOUS[self._durability]
        connection.execute(f"PRAGMA synchronous = {level}")

    def _access(self) -> str:
        """Return how to open: what we may not write is not locked, and gets no log."""
        places = (self._root, self.path)
        if not self._read_only and all(os.access(place, os.W_OK) for place in places):
            return "mode=rw"
        return "mode=ro&readonly_shm=1" if self._is_hot() else "immutable=1"

    def _is_hot(self) -> bool:
        """Whether something that was written is not in the file itself yet."""
        return any(_size(f"{self.path}{suffix}") > 0 for suffix in ("-wal", "-journal"))

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


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the index is wrong, not the system; SQLITE_ERROR is a wrong table."""
    import sqlite3

    system = isinstance(error, sqlite3.OperationalError)
    return not system or bool(_code(error) == sqlite3.SQLITE_ERROR)


def _failure(path: str, error: sqlite3.OperationalError) -> StoreFailure:
    """Return what the system refused; SQLite calls a disk too full for its log an I/O error."""
    import errno
    import sqlite3

    if _code(error) == sqlite3.SQLITE_IOERR and os.statvfs(path).f_bavail == 0:
        reason = os.strerror(errno.ENOSPC).lower()
        return StoreFailure(path, reason, number=errno.ENOSPC)
    return StoreFailure(path, str(error), number=_errno_of(error))


def _errno_of(error: sqlite3.OperationalError) -> int:
    import errno
    import sqlite3

    return {
        sqlite3.SQLITE_FULL: errno.ENOSPC,
        sqlite3.SQLITE_READONLY: errno.EACCES,
        sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    }.get(_code(error), 0)


def _code(error: sqlite3.DatabaseError) -> int:
    """Return the first byte of SQLite's code, 0 for a complaint of the module itself."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _decoded(text: bytes) -> str:
    """Return a text of the index; one that is no UTF-8 is no name either."""
    return text.decode("utf-8", "replace")


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0
