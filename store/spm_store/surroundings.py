"""What stands in a store's folder beside trees and blobs.

Links of shelves and sets must lead where their names say. Names that no store makes
are reported and never touched.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_store.damage import Damage
from spm_store.errors import RootUnreadable
from spm_store.inspection import blob_of_name, digits_of
from spm_store.leases import WORK_FOLDER
from spm_store.roots import ROOTS, all_roots, read_root
from spm_store.sets import LISTING, SETS, is_set_name, read_set
from spm_store.shelves import SHELVES, link_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_NAMES = frozenset(
    {
        "blobs",
        "gc.lock",
        "index-1.sqlite",
        "index-damaged.sqlite",
        "index.sqlite",
        "index.sqlite-journal",
        "index.sqlite-shm",
        "index.sqlite-wal",
        ROOTS,
        SETS,
        SHELVES,
        WORK_FOLDER,
        "trash",
        "trees",
    }
)
_RANDOM_DIGITS = 32
_HEX_DIGITS = frozenset("0123456789abcdef")


def foreign_entries(root: str, *, blobs: bool = True) -> Iterator[Damage]:
    """Yield the names in the folders of the store that no store makes, but not in trees.

    Without ``blobs``, those of blobs are not looked at.
    """
    yield from _foreign(root, _NAMES.__contains__)
    yield from _foreign(f"{root}/trees", _is_tree_name)
    yield from _foreign(f"{root}/{SHELVES}", _is_tree_name)
    yield from _foreign(f"{root}/{SETS}", is_set_name)
    yield from _foreign(f"{root}/{ROOTS}", _is_root_name)
    yield from _foreign(f"{root}/{WORK_FOLDER}", _is_random)
    if blobs:
        yield from _foreign_blobs(root)


def _foreign_blobs(root: str) -> Iterator[Damage]:
    yield from _foreign(f"{root}/blobs", _is_blob_folder)
    for folder in filter(_is_blob_folder, _names_in(f"{root}/blobs")):
        for name in _names_in(f"{root}/blobs/{folder}"):
            if blob_of_name(f"{folder}/{name}") is None:
                yield Damage("foreign-entry", Path(f"{root}/blobs/{folder}/{name}"), None)


def unreadable_roots(root: str) -> Iterator[Damage]:
    """Yield the roots that cannot be read; while there are any, nothing is collected."""
    for name in filter(_is_random, _names_in(f"{root}/{ROOTS}")):
        try:
            read_root(f"{root}/{ROOTS}/{name}")
        except RootUnreadable:
            yield Damage("unreadable", Path(f"{root}/{ROOTS}/{name}"), None)


def wrong_links(root: str, lower: Collection[str], known: Collection[bytes]) -> Iterator[Damage]:
    """Yield the links of shelves and sets that do not lead to the trees of their names.

    ``known`` are the digests of all rows; what shows another tree is on its way out.
    """
    for shelf in filter(_is_tree_name, _names_in(f"{root}/{SHELVES}")):
        digest = Digest(bytes.fromhex(digits_of(shelf)))
        if digest.raw in known:
            targets = {f"../../trees/{shelf}", *(f"{below}/trees/{shelf}" for below in lower)}
            yield from _shelf_damage(f"{root}/{SHELVES}/{shelf}", targets, digest)
    for name in filter(is_set_name, _names_in(f"{root}/{SETS}")):
        damages = tuple(_set_damage(root, name, known))
        if damages and (damages[0].kind == "wrong-set" or _is_needed(root, name)):
            yield from damages


def _is_needed(root: str, name: str) -> bool:
    """Whether a project shows the set; else its trees and shelves may go before it does."""
    try:
        return any(name in one.generations.values() for one in all_roots(root))
    except RootUnreadable:
        return True


def _shelf_damage(place: str, targets: set[str], digest: Digest) -> Iterator[Damage]:
    from spm_spec.versions import InvalidVersion, Version

    for name in _names_in(place):
        if link_of(f"{place}/{name}") in targets:
            continue
        try:
            Version.parse(name)
        except InvalidVersion:
            yield Damage("foreign-entry", Path(f"{place}/{name}"), digest)
        else:
            yield Damage("wrong-link", Path(f"{place}/{name}"), digest)


def _set_damage(root: str, name: str, known: Collection[bytes]) -> Iterator[Damage]:
    place, digest = f"{root}/{SETS}/{name}", Digest(bytes.fromhex(name))
    try:
        shown = read_set(root, name)
    except FileNotFoundError:
        if os.path.lexists(place):  # else it was removed meanwhile
            yield Damage("wrong-set", Path(place), digest)
        return
    except (OSError, ValueError):
        yield Damage("wrong-set", Path(place), digest)
        return
    for skill in shown:
        link = link_of(f"{place}/{skill.name}") or ""
        right = link.startswith(f"../../{SHELVES}/{skill.tree.hex}-") and ".." not in link[6:]
        if skill.tree.raw in known and not (right and os.path.isdir(f"{place}/{link}")):
            yield Damage("wrong-link", Path(f"{place}/{skill.name}"), digest)
    for extra in sorted({*_names_in(place)} - {skill.name for skill in shown} - {LISTING}):
        yield Damage("wrong-link", Path(f"{place}/{extra}"), digest)


def _foreign(folder: str, ours: Callable[[str], bool]) -> Iterator[Damage]:
    for name in _names_in(folder):
        if not ours(name):
            yield Damage("foreign-entry", Path(f"{folder}/{name}"), None)


def _names_in(folder: str) -> list[str]:
    """Return what is in ``folder``, sorted; nothing if it cannot be listed or followed."""
    if os.path.islink(folder):
        return []
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _is_tree_name(name: str) -> bool:
    digits = digits_of(name)
    return digits != "" and len(name) > 2 * DIGEST_BYTES + 1


def _is_blob_folder(name: str) -> bool:
    return len(name) == 1 and _HEX_DIGITS.issuperset(name)


def _is_root_name(name: str) -> bool:
    return _is_random(name) or name.startswith(".new-")  # one that is being written


def _is_random(name: str) -> bool:
    return len(name) == _RANDOM_DIGITS and _HEX_DIGITS.issuperset(name)
