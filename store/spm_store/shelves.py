"""Shelves: one folder a tree, holding links to it by version, so that a project needs one link.

A project shows a skill at ``NAME/VERSION``. Making that folder in every project costs
several times what a link costs, so the store keeps it instead, beside the trees::

    shelves/<digest>-<name>/<version> -> ../../trees/<digest>-<name>

and what a project shows as ``NAME`` is the shelf. A shelf says nothing that its
tree and the project's lock do not say: it is made when first linked, repaired when
wrong, and goes with its tree. It is read-only, because what a person removes or makes
in `NAME/` of one project would be removed or made for all. The shelf of a tree in a
lower store stands in the upper one, and its links are absolute.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from spm_store.durable import Disk
from spm_store.errors import storing
from spm_store.leases import random_name

if TYPE_CHECKING:
    from pathlib import Path

SHELVES = "shelves"
_ATTEMPTS = 20
"""Others who shelve the same tree now make the shelf read-only again in between."""
_DISK = Disk()


def shelf_path(tree: Path, root: Path | None = None) -> Path:
    """Where the shelf of the stored ``tree`` stands, or would; ``root`` is the upper store's."""
    return (root or tree.parent.parent) / SHELVES / tree.name


def shelve(tree: Path, version: str, *, root: Path | None = None, disk: Disk = _DISK) -> Path:
    """Return the shelf of the stored ``tree``, showing it as ``version``.

    ``root`` is the store that has the shelf, if it is not the tree's. One system call
    where it is right already. Safe to run at once and to interrupt.

    Raises:
        StoreFailure: the store cannot be written.

    """
    shelf = shelf_path(tree, root)
    top = os.fspath(shelf.parent.parent)
    place, target = f"{os.fspath(shelf)}/{version}", target_of(os.fspath(tree), top)
    with storing(place):
        if link_of(place) != target:
            _put(disk, place, target, f"{top}/trash")
    return shelf


def target_of(tree: str, root: str) -> str:
    """Return what a shelf in the store at ``root`` says to show the tree at ``tree``."""
    above, _, name = tree.rpartition("/")
    return f"../../trees/{name}" if above == f"{root}/trees" else tree


def link_of(place: str) -> str | None:
    """Return what the symlink at ``place`` says, None if there is none."""
    try:
        return os.readlink(place)
    except OSError:
        return None


def _put(disk: Disk, place: str, target: str, trash: str) -> None:
    """Make ``place`` a link to ``target``; what else stands there goes to the trash."""
    shelf = os.path.dirname(place)
    for attempt in range(1, _ATTEMPTS + 1):
        new = f"{trash}/{random_name()}"  # where it is swept up if this is interrupted
        try:
            make_folders(disk, trash, os.path.dirname(shelf), shelf)
            disk.set_mode(shelf, 0o755)
            disk.symlink(target, new)
            if os.path.isdir(place) and not os.path.islink(place):
                disk.move(place, f"{trash}/{random_name()}")
            disk.move(new, place)
            break
        except (FileNotFoundError, PermissionError):
            if attempt == _ATTEMPTS:
                raise
    disk.set_mode(shelf, 0o555)


def make_folders(disk: Disk, *folders: str) -> None:
    """Make those of ``folders`` that are not there."""
    for folder in folders:
        if not os.path.isdir(folder):
            with suppress(FileExistsError):
                disk.make_folder(folder)
