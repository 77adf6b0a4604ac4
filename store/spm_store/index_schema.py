"""The index as a file: its format, how it appears, and how an older one becomes this one.

Format 2 adds ``used`` to format 1, which had every other column.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from spm_store.errors import IndexDamaged, StoreTooNew
from spm_store.filesystems import share_with_group
from spm_store.leases import Lease
from spm_store.older_layout import gather_blobs

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from spm_store.durable import Disk, Durability

FORMAT = 2  # PRAGMA user_version
OLDEST_FORMAT = 1
INDEX_MODE = 0o664  # in a store that a group shares

_HEADER_BYTES = 100
_TABLE = """
CREATE TABLE {name} (
    digest BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    size INTEGER NOT NULL,
    files INTEGER NOT NULL,
    added INTEGER NOT NULL,
    used INTEGER NOT NULL,
    directories BLOB NOT NULL
)
"""
INSERT = "INSERT OR REPLACE INTO trees VALUES (?, ?, ?, ?, ?, ?, ?)"
_MIGRATION = (
    _TABLE.format(name="migrated"),
    "INSERT INTO migrated SELECT digest, name, size, files, added, added, directories FROM trees",
    "DROP TABLE trees",
    "ALTER TABLE migrated RENAME TO trees",
    f"PRAGMA user_version = {FORMAT}",
    "COMMIT",
)


def check_file(path: str) -> None:
    """Refuse what cannot be an index, before SQLite opens it.

    The file is looked at and not opened: closing it would take the locks of every
    connection that this process has to it (fcntl(2), "advisory record locking").

    Raises:
        IndexDamaged: it is no file, or too short for a database.
        OSError: it cannot be looked at.

    """
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode):
        raise IndexDamaged(path, "the index is not a file")
    if status.st_size < _HEADER_BYTES:
        raise IndexDamaged(path, f"the index ends after {status.st_size} bytes")
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def check_format(path: str, connection: sqlite3.Connection) -> int:
    """Return the format of an open index, if this spm knows it."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    refuse_newer(path, found)
    if found < OLDEST_FORMAT:
        raise IndexDamaged(path, f"the store has format {found}, this spm knows {FORMAT}")
    return int(found)


def refuse_newer(path: str, found: int) -> None:
    """Refuse a format this spm does not know yet."""
    if found > FORMAT:
        raise StoreTooNew(
            path,
            f"the store has format {found}, this spm knows {FORMAT}",
            hint="use the newer spm that wrote it",
        )


def make_index(
    path: str,
    disk: Disk,
    durability: Durability,
    *,
    rows: Iterable[tuple[object, ...]] = (),
    journal: str = "WAL",
) -> None:
    """Make a new index at ``path``, where nobody looks yet, with ``rows`` in it."""
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    try:
        # Nobody sees it before it is whole: one wait for the disk at the end is enough.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("BEGIN")
        connection.execute(_TABLE.format(name="trees"))
        connection.executemany(INSERT, rows)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("COMMIT")
    finally:
        connection.close()
    share_with_group(disk, path, INDEX_MODE)
    if durability != "none":
        disk.sync(path)


def migrate(
    connection: sqlite3.Connection, root: str, path: str, disk: Disk, durability: Durability
) -> None:
    """Turn a store of format 1 into one of this format, after a backup of its index beside it.

    SQLite's own lock makes it one step: whoever else wants to write waits, and finds it
    done. Killed at any point, the index has the old format or the new one.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = check_format(path, connection)
        if found < FORMAT:
            _back_up(root, path, f"{root}/index-{found}.sqlite", disk, durability)
            gather_blobs(root, disk, waits=durability != "none")
            disk.commit(lambda: _run(connection, _MIGRATION))
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _back_up(root: str, path: str, backup: str, disk: Disk, durability: Durability) -> None:
    """Copy the index as it is now; nobody can write it meanwhile, which its caller sees to."""
    with Lease(root, disk, purpose="migrating the index") as lease:
        copy = f"{lease.path}/index.sqlite"
        disk.commit(lambda: _vacuum_into(path, copy))
        share_with_group(disk, copy, INDEX_MODE)
        if durability != "none":
            disk.sync(copy)
        disk.move(copy, backup)
        if durability != "none":
            disk.sync(root)


def _vacuum_into(path: str, copy: str) -> None:
    import sqlite3

    connection = sqlite3.connect(f"file:{uri_path(path)}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("VACUUM INTO ?", (copy,))
    finally:
        connection.close()


def _run(connection: sqlite3.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def uri_path(path: str) -> str:
    """Return ``path`` as it stands in an address of SQLite."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
