"""Sets: what one installed generation shows, as a folder of links that many projects share.

A set is named by the digest of its listing, one line a skill::

    sets/<set>/.listing                 name TAB version TAB tree, LF; sorted by name
    sets/<set>/<name>                   -> ../../shelves/<digest>-<name>

A project shows a whole set through one symlink, so a second project with the same
skills costs nothing here. A set is whole or absent, is repaired when wrong, and is
trusted for nothing but what to keep: the listing is verified by its digest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_store.blobs import read_file
from spm_store.durable import barrier
from spm_store.errors import TreeMissing, storing
from spm_store.leases import discard, random_name
from spm_store.locks import gc_lock
from spm_store.shelves import SHELVES, link_of, make_folders, shelve, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spm_store.catalogue import Catalogue
    from spm_store.leases import Lease

SETS = "sets"
LISTING = ".listing"
SET_CONTEXT = "skills-package-manager 2026-11 set v1"
_FOLDER_MODE, _BUILDING_MODE, _LISTING_MODE = 0o555, 0o755, 0o444
_HEX_DIGITS = frozenset("0123456789abcdef")
_TREE_DIGITS = 2 * DIGEST_BYTES
_FIELDS = 3


class Shown(NamedTuple):
    """One skill of a set."""

    name: str
    version: str
    tree: Digest


class ShownSet(NamedTuple):
    """A set that is in the store; a project links ``path``."""

    digest: str
    """64 hex digits."""
    path: Path


def listing_of(shown: Iterable[Shown]) -> bytes:
    """Return the listing of a set; the order of ``shown`` makes no difference."""
    lines: list[bytes] = []
    names: set[str] = set()
    for skill in sorted(shown, key=lambda skill: skill.name.encode()):
        if skill.name in names or not (_is_plain(skill.name) and _is_plain(skill.version)):
            message = f"a set cannot hold {skill.name!r} {skill.version!r}"
            raise AssertionError(message)  # locks hold neither
        names.add(skill.name)
        lines.append(f"{skill.name}\t{skill.version}\t{skill.tree.hex}\n".encode())
    return b"".join(lines)


def set_digest(listing: bytes) -> str:
    """Return the 64 hex digits that name the set with this listing."""
    return blake3(listing, derive_key_context=SET_CONTEXT).hexdigest()


def is_set_name(name: str) -> bool:
    """Whether ``name`` is 64 hex digits, as every set's is."""
    return len(name) == _TREE_DIGITS and _HEX_DIGITS.issuperset(name)


def read_set(root: str, name: str) -> tuple[Shown, ...]:
    """Return what the set ``name`` shows, from a listing that has this digest.

    Raises:
        OSError: the listing is missing or cannot be read.
        ValueError: it is not the listing of this set.

    """
    listing = read_file(f"{root}/{SETS}/{name}/{LISTING}")[0]
    if set_digest(listing) != name:
        raise ValueError("its listing is not what it was named for")
    return tuple(_shown(line) for line in listing.decode().splitlines())


def show(
    store: Catalogue,
    shown: Sequence[Shown],
    lease: Lease,
    places: Mapping[Digest, str] | None = None,
) -> ShownSet:
    """Return the set that shows ``shown``, made or repaired if need be.

    ``lease`` keeps the set and its trees until a root names it. ``places`` is what
    ``places_of`` said of the trees, if it was asked after this lease wanted them.

    Raises:
        TreeMissing: a tree is not in the store.
        StoreFailure: the store cannot be written.

    """
    root, listing = os.fspath(store.root), listing_of(shown)
    name = set_digest(listing)
    digests = {skill.tree for skill in shown}
    lease.want([*digests, Digest(bytes.fromhex(name))])
    places = store.places_of(digests) if places is None else places
    for skill in shown:
        if skill.tree not in places:
            raise TreeMissing(skill.tree, store.root)
    place = f"{root}/{SETS}/{name}"
    with storing(place):
        _shelve(store, shown, places)
        links = {
            skill.name: f"../../{SHELVES}/{places[skill.tree].rpartition('/')[2]}"
            for skill in shown
        }
        if not _is_right(place, links, listing):
            staged = f"{lease.path}/{random_name()}"
            _build(store, staged, links, listing)
            with gc_lock(root, exclusive=False):
                _publish(store, staged, place, links, listing)
    return ShownSet(name, Path(place))


def discard_set(store: Catalogue, name: str) -> None:
    """Move a set to the trash; the caller holds ``gc.lock`` exclusively."""
    discard(os.fspath(store.root), store.disk, f"{os.fspath(store.root)}/{SETS}/{name}")


def _shelve(store: Catalogue, shown: Sequence[Shown], places: Mapping[Digest, str]) -> None:
    """Make the shelves that are not there, and wait until a power cut leaves them."""
    root, made = os.fspath(store.root), list[str]()
    for skill in shown:
        tree = places[skill.tree]
        shelf = f"{root}/{SHELVES}/{tree.rpartition('/')[2]}"
        if link_of(f"{shelf}/{skill.version}") != target_of(tree, root):
            shelve(Path(tree), skill.version, root=store.root, disk=store.disk)
            made.append(shelf)
    if made:
        above = (f"{root}/{SHELVES}", root)
        barrier(store.disk, store.durability, root=root, files=made, folders=above)


def _is_plain(text: str) -> bool:
    """Whether ``text`` can be a field of a listing and a name in a folder."""
    return text.isprintable() and not text.startswith(".") and "/" not in text and text != ""


def _shown(line: str) -> Shown:
    fields = line.split("\t")
    if len(fields) != _FIELDS:
        raise ValueError("a line of its listing has not three fields")
    return Shown(fields[0], fields[1], Digest(bytes.fromhex(fields[2])))


def _is_right(place: str, links: Mapping[str, str], listing: bytes) -> bool:
    """Whether the set shows every link and nothing else, and lists them."""
    try:
        if os.path.islink(place) or read_file(f"{place}/{LISTING}")[0] != listing:
            return False
        if set(os.listdir(place)) != {LISTING, *links}:
            return False
    except OSError:
        return False
    return all(link_of(f"{place}/{name}") == target for name, target in links.items())


def _build(store: Catalogue, staged: str, links: Mapping[str, str], listing: bytes) -> None:
    disk = store.disk
    disk.make_folder(staged, _BUILDING_MODE)
    for name, target in links.items():
        disk.symlink(target, f"{staged}/{name}")
    disk.write_file(f"{staged}/{LISTING}", listing, _LISTING_MODE)
    if store.durability != "none":
        disk.sync(f"{staged}/{LISTING}")
        disk.sync(staged)


def _publish(
    store: Catalogue, staged: str, place: str, links: Mapping[str, str], listing: bytes
) -> None:
    """Move the staged set to its place, unless another made the same meanwhile."""
    disk, sets = store.disk, os.path.dirname(place)
    first = not os.path.isdir(sets)
    make_folders(disk, sets)
    try:
        disk.move(staged, place)
    except OSError:
        if not os.path.lexists(place):
            raise
        if _is_right(place, links, listing):
            return
        _replace(store, staged, place)
    disk.set_mode(place, _FOLDER_MODE)
    if store.durability != "none":
        disk.sync(sets)
        if first:
            disk.sync(os.path.dirname(sets))


def _replace(store: Catalogue, staged: str, place: str) -> None:
    """Put the staged set in the place of a damaged one; nobody sees it missing if possible."""
    if os.path.isdir(place) and not os.path.islink(place):
        store.disk.set_mode(place, _BUILDING_MODE)  # a read-only folder cannot change its parent
    if not store.disk.exchange(staged, place):
        discard(os.fspath(store.root), store.disk, place)
        store.disk.move(staged, place)
