"""Where a registry's folder keeps what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_registry.backends.database import DatabaseUnavailable
from spm_registry.backends.objects import FolderObjects
from spm_registry.backends.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from pathlib import Path


def open_database(data: Path) -> SqliteDatabase:
    """Return the database of the registry at ``data``; the folder is made if missing.

    Raises:
        DatabaseUnavailable: the folder cannot be made.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(f"{data}: {error.strerror or error}") from error
    return SqliteDatabase(data / "registry.sqlite")


def open_objects(data: Path) -> FolderObjects:
    """Return the objects of the registry at ``data``."""
    return FolderObjects(data / "objects")
