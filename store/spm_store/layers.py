"""Lower stores: read where they stand, never written, looked into when the upper has no answer.

A lower store that cannot be read is an error that names it. Skipping it would make what
is installed depend on whether a volume was mounted.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_store.errors import IndexDamaged, LayerUnusable, StoreFailure, StoreTooNew
from spm_store.filesystems import MOUNT_TABLE
from spm_store.index import Index

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from spm_store.index import Row

STORE_PATH_ENTRIES = 16


class Layer:
    """One lower store."""

    def __init__(self, root: Path, mount_table: str = MOUNT_TABLE) -> None:
        """Know where it is; nothing is read yet."""
        self.root = Path(os.path.abspath(root))
        self._index = Index(os.fspath(self.root), read_only=True, mount_table=mount_table)

    def rows(self, digests: Sequence[bytes]) -> list[Row]:
        """Return the rows it has of ``digests``."""
        with self._named():
            return self._index.rows(digests)

    def all_rows(self) -> list[Row]:
        """Return all its rows."""
        with self._named():
            return self._index.all_rows()

    def close(self) -> None:
        """Let go of its index."""
        self._index.close()

    def has_folder(self, path: Path) -> bool:
        """Whether a tree's folder is there."""
        try:
            return stat.S_ISDIR(os.lstat(path).st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._unusable(error) from error

    @contextmanager
    def _named(self) -> Generator[None]:
        """Refuse a store that is not there; let what is refused name this store."""
        try:
            os.lstat(self._index.path)
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LayerUnusable(self.root, "there is no store") from error
        except OSError as error:
            raise self._unusable(error) from error
        except (IndexDamaged, StoreTooNew):
            raise
        except StoreFailure as error:
            raise LayerUnusable(self.root, error.reason) from error

    def _unusable(self, error: OSError) -> LayerUnusable:
        return LayerUnusable(self.root, os.strerror(error.errno or 0).lower())


def parse_store_path(text: str) -> tuple[Path, ...]:
    """Return the folders that ``text`` lists, the upper store's first.

    ``text`` is what `SPM_STORE_PATH` holds: absolute paths of layout folders, with
    colons between them.

    Raises:
        UserMistake: one is empty, not absolute or there twice, or there are too many.

    """
    hint = "write absolute paths with `:` between them, the writable store first"
    parts = text.split(":")
    if len(parts) > STORE_PATH_ENTRIES:
        raise UserMistake(
            f"SPM_STORE_PATH: {len(parts)} stores are listed, at most {STORE_PATH_ENTRIES} can be",
            hint=hint,
        )
    found: list[Path] = []
    for part in parts:
        if not part:
            raise UserMistake(f"SPM_STORE_PATH: a part of `{text}` is empty", hint=hint)
        if not os.path.isabs(part) or "\0" in part:
            raise UserMistake(f"SPM_STORE_PATH: `{part}` is not an absolute path", hint=hint)
        path = Path(os.path.abspath(part))
        if path in found:
            raise UserMistake(f"SPM_STORE_PATH: `{path}` is listed twice", hint=hint)
        found.append(path)
    return tuple(found)
