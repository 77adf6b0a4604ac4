"""Shelves: one folder a tree, holding links to it by version, so that a project needs one link.

A project shows a skill at ``NAME/VERSION``. Making that folder in every project costs
several times what a link costs, so the store keeps it instead, beside the trees::

    shelves/<digest>-<name>/<version> -> ../../trees/<digest>-<name>

and the project's ``NAME`` is one symlink to the shelf. A shelf says nothing that its
tree and the project's lock do not say: it is made when first linked, repaired when
wrong, and goes with its tree.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spm_store.errors import storing

if TYPE_CHECKING:
    from pathlib import Path

SHELVES = "shelves"


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
            new = f"{place}.{os.getpid()}.new"
            if os.path.lexists(new):
                os.unlink(new)
            os.symlink(target, new)
            os.replace(new, place)
    return shelf


def _target_of(place: str) -> str | None:
    try:
        return os.readlink(place)
    except OSError:
        return None
