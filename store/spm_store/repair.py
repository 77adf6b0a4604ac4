"""Making whole again what ``verify`` found, from the copies the store itself has.

A tree is written anew by an ordinary transaction, which replaces it in one step, so
that readers see the old one or the new one. Its blobs are replaced with it. Nothing is
believed because a damage says so: what is whole by now is left as it is.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from spm_spec.digests import DIGEST_BYTES, Digest
from spm_spec.tree import FileEntry
from spm_store.blobs import Blobs, mode_of
from spm_store.errors import StoreFailure, TreeMissing, storing
from spm_store.hashing import Hashing, Unhashable
from spm_store.index import NewRow
from spm_store.inspection import blob_damage, blob_of_name, digits_of, name_of_blob
from spm_store.leases import Lease, discard
from spm_store.locks import gc_lock
from spm_store.sets import SETS, Shown, listing_of, read_set, set_digest, show
from spm_store.shelves import SHELVES, link_of, make_folders, shelve
from spm_store.sources import Sources, readings_of
from spm_store.trees import join_directories, make_read_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from spm_spec.tree import TreeFile
    from spm_store.damage import Damage
    from spm_store.store import Store
    from spm_store.trees import StoredTree

_LEFT = frozenset({errno.EACCES, errno.EPERM, errno.ENOENT})
"""Another user owns it, or it is being changed at this moment."""
_MOST_GUESSES = 1024
_PURPOSE = "repairing the store"


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of the damages."""

    repaired: tuple[Digest, ...]
    """Trees, blobs and sets that are whole, whoever made them so."""
    missing: tuple[Digest, ...]
    """Trees of which the store has no whole copy: add them again with ``replace=True``."""
    left: tuple[Damage, ...]
    """What is not the store's to change: foreign entries, lower stores, other users' files,
    and sets that only an install can make again."""


def repair(
    store: Store, damages: Iterable[Damage], progress: Callable[[int, int], None] | None = None
) -> Repair:
    """Cure what can be cured; ``progress`` gets the steps done and the steps in all.

    Raises:
        StoreFailure: the disk or the system refused; what was cured before stays so.

    """
    repairing = _Repairing(store)
    try:
        return repairing.run(sorted(set(damages), key=_order), progress)
    finally:
        repairing.close()


class _NoCopy(Exception):
    """No whole copy of a file is left."""


class _Repairing:
    """One repair of one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Without the stores below: what they have is no reason to lack it here.
        self._alone = type(store)(
            store.root,
            durability=store.durability,
            disk=store.disk,
            now=store.now,
            boot=store.boot,
            mount_table=store.mount_table,
        )
        self._root = os.fspath(store.root)
        self._sources = Sources(readings_of(store))
        self._repaired: set[Digest] = set()
        self._missing: set[Digest] = set()
        self._left: list[Damage] = []

    def close(self) -> None:
        """Let go of the index."""
        self._alone.close()

    def run(self, damages: list[Damage], progress: Callable[[int, int], None] | None) -> Repair:
        """Cure trees first: most other damage goes with theirs."""
        for done, damage in enumerate(damages, 1):
            try:
                self._cure(damage)
            except StoreFailure as failure:
                if failure.number not in _LEFT:
                    raise
                self._left.append(damage)
            if progress:
                progress(done, len(damages))
        repaired = self._repaired - self._missing
        left = sorted(self._left, key=lambda damage: (os.fspath(damage.path), damage.kind))
        return Repair(tuple(sorted(repaired)), tuple(sorted(self._missing)), tuple(left))

    def _cure(self, damage: Damage) -> None:
        digest, part, rest = damage.digest, *_place_in(self._root, damage)
        if digest is None:
            self._left.append(damage)
        elif part in {"trees", "index.sqlite"}:
            self._tree(digest)
        elif part == "blobs" and (blob := blob_of_name(rest)) is not None:
            self._blob(blob)
        elif part == "shelves" and damage.kind == "wrong-link":
            self._shelf(digest, rest.partition("/")[2])
        elif part == "sets":
            self._set(damage, digest)
        else:
            self._left.append(damage)
            if part == "" and digest in self._sources.rows:
                self._tree(digest)  # of a lower store: a whole one above hides it

    def _tree(self, digest: Digest) -> None:
        """Write a tree anew, unless it was done already or it was removed meanwhile."""
        row = self._sources.rows.get(digest)
        if row is None or digest in self._repaired | self._missing:
            return
        files = self._sources.files(digest)
        try:
            with self._alone.transaction() as transaction:
                entries = self._entries(files)
                tree = transaction.add(entries, name=row.name, expected=digest, replace=True)
            with storing(tree.path):
                make_read_only(self._alone.disk, os.fspath(tree.path))
                if digest in self._sources.misled:
                    self._put_row(tree)
        except (_NoCopy, Unhashable):
            self._missing.add(digest)
        else:
            self._repaired.add(digest)

    def _put_row(self, tree: StoredTree) -> None:
        """Write the row of a whole tree anew, with directories that lead to its files."""
        with gc_lock(self._root, exclusive=False):
            folded = Hashing().fold(os.fspath(tree.path))
            rows = [
                NewRow(
                    digest=row.digest,
                    name=row.name,
                    size=tree.size,
                    files=tree.files,
                    added=row.added,
                    used=row.used,
                    directories=join_directories(folded.directories),
                )
                for row in self._alone.index.rows([tree.digest.raw])
                if folded.raw == row.digest
            ]
            self._alone.index.put(rows, self._alone.disk)

    def _entries(self, files: tuple[TreeFile, ...] | None) -> Iterator[FileEntry]:
        """Yield the files with their bytes, one in memory at a time."""
        if files is None:
            raise _NoCopy
        for file in files:
            data = self._sources.bytes_of(file)
            if data is None:
                raise _NoCopy
            yield FileEntry(file.path, data, file.executable)

    def _blob(self, blob: bytes) -> None:
        digest = Digest(blob[:DIGEST_BYTES])
        owners = list(self._sources.owners(blob))
        with Lease(self._root, self._store.disk, purpose=_PURPOSE) as lease:
            lease.want(owners)
            place = self._sources.place_of(blob)
            if place is not None:
                self._publish(lease, blob, place)
                self._repaired.add(digest)
            elif not owners:
                self._remove_blob(blob)
                self._repaired.add(digest)
            else:
                for owner in owners:
                    self._tree(owner)

    def _publish(self, lease: Lease, blob: bytes, place: str) -> None:
        """Make ``place`` the blob, if the blob is not whole by now."""
        blobs = Blobs(self._root, self._store.disk)
        name, mode = name_of_blob(blob), mode_of(executable=len(blob) > DIGEST_BYTES)
        with gc_lock(self._root, exclusive=False):
            if any(blob_damage(self._root, blob)):
                make_folders(self._store.disk, f"{self._root}/blobs")
                staged = f"{lease.path}/blob"
                blobs.place(place, staged, mode)
                blobs.publish(staged, name, mode, f"{lease.path}/spare")

    def _remove_blob(self, blob: bytes) -> None:
        """Remove a damaged blob that no tree needs."""
        with gc_lock(self._root, exclusive=True):
            sources = Sources(readings_of(self._store)[:1])
            if not any(sources.owners(blob)) and any(blob_damage(self._root, blob)):
                place = f"{self._root}/blobs/{name_of_blob(blob)}"
                discard(self._root, self._store.disk, place)

    def _shelf(self, digest: Digest, version: str) -> None:
        tree = self._store.get(digest)
        if tree is not None:
            shelve(tree.path, version, root=self._store.root, disk=self._store.disk)
            self._repaired.add(digest)

    def _set(self, damage: Damage, digest: Digest) -> None:
        with Lease(self._root, self._store.disk, purpose=_PURPOSE) as lease:
            try:
                try:
                    shown = read_set(self._root, digest.hex)
                except (OSError, ValueError):
                    shown = _guessed(self._root, digest.hex)
                show(self._store, shown, lease)
            except (ValueError, TreeMissing):
                self._left.append(damage)
            else:
                self._repaired.add(digest)


def _guessed(root: str, name: str) -> tuple[Shown, ...]:
    """Return what the set shows, worked out from its links; its digest proves the guess.

    A link says name and tree, and the shelf it leads to says which versions there are.

    Raises:
        ValueError: no listing of these links has the digest.

    """
    choices: list[list[Shown]] = []
    guesses = 1
    for skill in sorted(_names_in(f"{root}/{SETS}/{name}")):
        shelf = os.path.basename(link_of(f"{root}/{SETS}/{name}/{skill}") or "")
        if digits := digits_of(shelf):
            tree = Digest(bytes.fromhex(digits))
            versions = sorted(_names_in(f"{root}/{SHELVES}/{shelf}"))
            choices.append([Shown(skill, version, tree) for version in versions])
            guesses *= len(versions)
    if guesses <= _MOST_GUESSES:
        for shown in product(*choices):
            if set_digest(listing_of(shown)) == name:
                return shown
    raise ValueError("no listing of its links has the digest of its name")


def _names_in(folder: str) -> set[str]:
    """Return the names in ``folder`` that a listing could hold."""
    try:
        return {name for name in os.listdir(folder) if name.isprintable() and name[0] != "."}
    except OSError:
        return set()


def _order(damage: Damage) -> tuple[bool, bool, str]:
    parts = damage.path.parts
    return "sets" in parts, "trees" not in parts, os.fspath(damage.path)


def _place_in(root: str, damage: Damage) -> tuple[str, str]:
    """Return the folder of the store a damage is in, and the rest; twice "" if elsewhere."""
    path = os.fspath(damage.path)
    if not path.startswith(f"{root}/"):
        return "", ""
    part, _, rest = path.removeprefix(f"{root}/").partition("/")
    return part, rest
