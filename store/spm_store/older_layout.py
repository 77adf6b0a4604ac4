"""What a store of an older format keeps elsewhere, brought to where it belongs now."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spm_store.durable import Disk

_OLD_DIGITS = 2
_HEX_DIGITS = frozenset("0123456789abcdef")


def gather_blobs(root: str, disk: Disk, *, waits: bool) -> None:
    """Move the blobs of format 1 from folders of two hex digits into those of one.

    Whatever is no blob stays where it is. Safe to interrupt, to do again, and to do at
    once. With ``waits``, it has survived a power cut when this returns.
    """
    blobs = f"{root}/blobs"
    for folder in sorted(os.listdir(blobs)) if os.path.isdir(blobs) else ():
        old, new = f"{blobs}/{folder}", f"{blobs}/{folder[0]}"
        if len(folder) != _OLD_DIGITS or not _HEX_DIGITS.issuperset(folder):
            continue
        with suppress(FileExistsError):
            disk.make_folder(new, 0o755)
        with suppress(FileNotFoundError, NotADirectoryError):  # another process moved it all
            for name in os.listdir(old):
                _gather(disk, folder, f"{old}/{name}", f"{new}/{name}")
        with suppress(OSError):  # something else is in it, which verification names
            disk.remove_folder(old)
    if waits and os.path.isdir(blobs) and not disk.sync_all(root):
        for folder in ("", *(f"/{name}" for name in os.listdir(blobs))):
            disk.sync(f"{blobs}{folder}")


def _gather(disk: Disk, folder: str, old: str, new: str) -> None:
    if not os.path.basename(old).startswith(folder):
        return
    with suppress(FileNotFoundError):
        if os.path.lexists(new):  # the same bytes, stored since
            disk.remove_file(old)
        else:
            disk.move(old, new)
