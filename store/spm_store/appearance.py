"""Whether a stored tree looks as it was stored: names, kinds, modes and sizes, no bytes.

What the system itself does to files (removing, cutting short, changing modes) shows;
bytes changed in place do not, so nothing is handed out on the strength of this alone.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from spm_store.blobs import mode_of
from spm_store.trees import FOLDER_MODE, decode_directories

if TYPE_CHECKING:
    from spm_spec.digests import Digest

_FOLDER = stat.S_IFDIR | FOLDER_MODE


def looks_whole(place: str, encoded: bytes, digest: Digest) -> bool:
    """Whether the folder ``place`` looks like the tree ``digest``; opens no file.

    ``encoded`` is what the index keeps of its directories.
    """
    try:
        files = decode_directories(encoded, digest)
    except ValueError:
        return False
    folders: dict[str, dict[str, tuple[int, int]]] = {"": {}}
    for file in files:
        parent, _, name = file.path.rpartition("/")
        mode = stat.S_IFREG | mode_of(executable=file.executable)
        _opened(folders, parent)[name] = (mode, file.size)
    try:
        return all(
            _has(f"{place}/{path}" if path else place, names) for path, names in folders.items()
        )
    except OSError:
        return False


def _opened(
    folders: dict[str, dict[str, tuple[int, int]]], path: str
) -> dict[str, tuple[int, int]]:
    """Return what is in the folder ``path``, adding it to the one above when it is new."""
    found = folders.get(path)
    if found is None:
        found = folders[path] = {}
        parent, _, name = path.rpartition("/")
        _opened(folders, parent)[name] = (_FOLDER, -1)
    return found


def _has(folder: str, names: dict[str, tuple[int, int]]) -> bool:
    """Whether ``folder`` has just these names, each of its mode and, if a file, its size."""
    if os.lstat(folder).st_mode != _FOLDER:
        return False
    seen = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            expected = names.get(entry.name)
            if expected is None:
                return False
            status = entry.stat(follow_symlinks=False)
            mode, size = expected
            if status.st_mode != mode or (size >= 0 and status.st_size != size):
                return False
            seen += 1
    return seen == len(names)
