"""Whether a stored tree looks as it was stored: names, kinds, modes and sizes, no bytes.

What the system itself does to files (removing, cutting short, changing modes) shows;
bytes changed in place do not, so nothing is handed out on the strength of this alone.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, cast

from spm_spec.tree_directory import Kind, directory_digest
from spm_store.blobs import EXECUTABLE_MODE, FILE_MODE
from spm_store.trees import FOLDER_MODE, split_directories

if TYPE_CHECKING:
    from spm_spec.digests import Digest
    from spm_spec.tree_directory import Row

_MODES = {
    int(Kind.FILE): stat.S_IFREG | FILE_MODE,
    int(Kind.EXECUTABLE): stat.S_IFREG | EXECUTABLE_MODE,
    int(Kind.DIRECTORY): stat.S_IFDIR | FOLDER_MODE,
}


def looks_whole(place: str, encoded: bytes, digest: Digest) -> bool:
    """Whether the folder ``place`` looks like the tree ``digest``; opens no file.

    ``encoded`` is what the index keeps of its directories. Each is reached by its digest,
    so what it says was checked when the tree was added.
    """
    found = {directory_digest(each).raw: each for each in split_directories(encoded)}
    pending = [(place, digest.raw)]
    try:
        while pending:
            folder, wanted = pending.pop()
            rows = _rows(found[wanted])
            # A name leads below this folder only if this folder lists it.
            if not _has(folder, {name: (_MODES[kind], size) for name, kind, _, size in rows}):
                return False
            pending += [
                (f"{folder}/{name}", below)
                for name, kind, below, _ in rows
                if kind == Kind.DIRECTORY
            ]
    except (OSError, KeyError, TypeError, ValueError):
        return False
    return True


def _rows(directory: bytes) -> list[Row]:
    import msgpack  # type: ignore[import-untyped]  # it ships no types

    unpacked = msgpack.unpackb(directory)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return cast("list[Row]", unpacked)


def _has(folder: str, names: dict[str, tuple[int, int]]) -> bool:
    """Whether ``folder`` has just these names, each of its mode and, if a file, its size."""
    if os.lstat(folder).st_mode != _MODES[Kind.DIRECTORY]:
        return False
    seen = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            expected = names.get(entry.name)
            if expected is None:
                return False
            status = entry.stat(follow_symlinks=False)
            mode, size = expected
            if status.st_mode != mode or (status.st_size != size and stat.S_ISREG(mode)):
                return False
            seen += 1
    return seen == len(names)
