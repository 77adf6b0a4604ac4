"""Shelves: one folder a tree, holding links to it by version, so that a project needs one link.

A project shows a skill at ``NAME/VERSION``. Making that folder in every project costs
several times what a link costs, so the store keeps it instead, beside the trees::

    shelves/<digest>-<name>/<version> -> ../../trees/<digest>-<name>

and the project's ``NAME`` is one symlink to the shelf. A shelf says nothing that its
tree and the project's lock do not say: it is made when first linked, repaired when
wrong, and goes with its tree. It is read-only, because what a person removes or makes
in `NAME/` of one project would be removed or made for all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spm_store.errors import storing
from spm_store.leases import random_name

if TYPE_CHECKING:
    from pathlib import Path

SHELVES = "shelves"
_ATTEMPTS = 20
"""Others who shelve the same tree now make the shelf read-only again in between."""


def shelf_path(tree: Path) -> Path:
    """Where the shelf of the stored ``tree`` stands, or would."""
    return tree.parent.parent / SHELVES / tree.name


def shelve(tree: Path, version: str) -> Path:
    """Return the shelf of the stored ``tree``, showing it as ``version``.

    One system call where it is right already. Safe to run at once and to interrupt.

    Raises:
        StoreFailure: the store cannot be written.

    """
    shelf = shelf_path(tree)
    place, target = f"{os.fspath(shelf)}/{version}", f"../../trees/{tree.name}"
    with storing(place):
        if _target_of(place) != target:
            os.makedirs(shelf, exist_ok=True)
            _put(place, target, f"{shelf.parent.parent}/trash")
    return shelf


def _put(place: str, target: str, trash: str) -> None:
    """Make ``place`` a link to ``target``; what else stands there goes to the trash."""
    shelf = os.path.dirname(place)
    for attempt in range(1, _ATTEMPTS + 1):
        new = f"{trash}/{random_name()}"  # where it is swept up if this is interrupted
        try:
            os.symlink(target, new)
            os.chmod(shelf, 0o755)  # noqa: S103  # readable as the whole store is
            if os.path.isdir(place) and not os.path.islink(place):
                os.rename(place, f"{trash}/{random_name()}")
            os.replace(new, place)
            break
        except (FileNotFoundError, PermissionError):
            if attempt == _ATTEMPTS:
                raise
    os.chmod(shelf, 0o555)  # noqa: S103  # readable as the whole store is


def _target_of(place: str) -> str | None:
    try:
        return os.readlink(place)
    except OSError:
        return None
