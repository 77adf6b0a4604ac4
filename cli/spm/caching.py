"""What can be fetched or made again, and how much it takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from spm.places import Places


def cache_bytes(places: Places) -> int:
    """How many bytes the cache holds."""
    return sum(
        path.lstat().st_size for folder in places.remakeable for path in _files_below(folder)
    )


def clear_cache(places: Places) -> int:
    """Remove what can be fetched again and return how many bytes that was."""
    removed = 0
    for folder in places.remakeable:
        for path in _files_below(folder):
            removed += path.lstat().st_size
            path.unlink(missing_ok=True)
        _remove_empty_folders(folder)
    return removed


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield folder.__class__(parent, name)


def _remove_empty_folders(folder: Path) -> None:
    for parent, folders, _ in os.walk(folder, topdown=False):
        for name in folders:
            path = folder.__class__(parent, name)
            if path.is_symlink():
                path.unlink()
            else:
                path.rmdir()
