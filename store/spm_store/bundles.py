"""Trees of the store as one file, and back. See spec/bundle.md and spec/store.md section 4.

A bundle holds each blob once. On the way in, a blob is written to the first file that
has it, hashed by the reader as it passes; the other files become links or copies of that
one. No tree has a place before the whole bundle was read and checked.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from spm_store.blobs import chunks_of
from spm_store.errors import TreeDamaged, TreeMissing, storing
from spm_store.hashing import Hashing, Unhashable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from spm_spec.bundle import BundledTree
    from spm_spec.digests import Digest
    from spm_spec.tree import TreeFile
    from spm_store.staging import Staging
    from spm_store.store import Store
    from spm_store.transaction import Transaction
    from spm_store.trees import StoredTree


def export(
    store: Store, trees: Mapping[Digest, str | None], write: Callable[[bytes], object]
) -> None:
    """Write ``trees``, each with the version it is shown as, if any, as one bundle.

    Every tree is hashed first. The same trees give the same bytes.

    Raises:
        TreeMissing: a tree is not in the store; nothing was written.
        TreeDamaged: a tree is not what its digest says; nothing was written.
        InvalidTree: the trees are over a cap of bundles; nothing was written. Or a file
            changed since it was hashed.

    """
    from spm_spec.bundle import write_bundle

    places: dict[Digest, str] = {}
    bundled = [_bundled(store, digest, version, places) for digest, version in trees.items()]

    def blob(file: TreeFile) -> Iterable[bytes]:
        return chunks_of(places[file.digest])

    with storing(store.root):
        for piece in write_bundle(bundled, blob):
            write(piece)


def import_bundle(
    store: Store, read: Callable[[int], bytes], *, origin: str
) -> tuple[StoredTree, ...]:
    """Store every tree of a bundle, with its shelf, or none; return them in their order.

    ``read`` gives at most as many bytes as it is asked for, and none only at the end.
    Trees that are there and whole are not written. About 30 MB of memory are used,
    whatever the bundle holds.

    Raises:
        BundleRefused: the bundle is not accepted; nothing was stored.
        StoreFailure: the disk or the system refused; nothing was stored.

    """
    from spm_spec.bundle import read_bundle

    reader = read_bundle(read, origin=origin)
    with store.transaction(purpose=f"importing {origin}") as transaction, storing(store.root):
        incoming = _Incoming(transaction)
        for bundled in reader.trees:
            incoming.expect(bundled)
        for key, chunks in reader.blobs():
            incoming.take(key.digest, chunks)
        return incoming.finish(reader.trees)


def _bundled(
    store: Store, digest: Digest, version: str | None, places: dict[Digest, str]
) -> BundledTree:
    """Hash one tree; note in ``places`` where the bytes of its files are."""
    from spm_spec.bundle import BundledTree

    stored = store.get(digest)
    if stored is None:
        raise TreeMissing(digest, store.root)
    place = os.fspath(stored.path)
    try:
        folded = Hashing().fold(place)
    except OSError as error:
        raise TreeDamaged(digest, place, f"it cannot be read: {error.strerror}") from error
    except Unhashable as error:
        raise TreeDamaged(digest, place, f"it {error}") from error
    if folded.raw != digest.raw:
        raise TreeDamaged(digest, place, "its bytes or names are not those that were stored")
    bundled = BundledTree(stored.name, version, digest, tuple(folded.directories.values()))
    for file in bundled.tree().files:
        places.setdefault(file.digest, f"{place}/{file.path}")
    return bundled


class _Incoming:
    """The trees of one bundle while its blobs arrive."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._stagings: dict[Digest, tuple[Staging, BundledTree]] = {}
        self._waiting: dict[Digest, list[tuple[Staging, TreeFile]]] = {}
        self._known: dict[Digest, StoredTree] = {}

    def expect(self, bundled: BundledTree) -> None:
        """Prepare one tree, unless the store has it."""
        digest = bundled.digest
        if digest in self._stagings or digest in self._known:
            return
        known = self._transaction.whole(digest)
        if known is not None:
            self._known[digest] = known
            return
        tree = bundled.tree()
        staging = self._transaction.staging()
        staging.make_folders(tree)
        self._stagings[digest] = staging, bundled
        for file in tree.files:
            if file.size:
                self._waiting.setdefault(file.digest, []).append((staging, file))
            else:
                staging.write(file, b"")

    def take(self, digest: Digest, chunks: Iterator[bytes]) -> None:
        """Write one blob to every file that waits for it, each mode from the stream or a copy."""
        first: str | None = None
        placed: dict[bool, str] = {}
        for staging, file in self._waiting.pop(digest, ()):
            target = f"{staging.folder}/{file.path}"
            if first is None:
                first = target
                staging.write_chunks(file, chunks)
            elif file.executable in placed:
                staging.write_from(file, placed[file.executable])
            else:
                staging.write_chunks(file, chunks_of(first))
            placed.setdefault(file.executable, target)

    def finish(self, trees: tuple[BundledTree, ...]) -> tuple[StoredTree, ...]:
        """Hand the trees over, now that all their files stand in the lease."""
        for digest, (staging, bundled) in self._stagings.items():
            tree = bundled.tree()
            self._known[digest] = self._transaction.add_staged(staging, tree, bundled.name)
        for bundled in trees:
            if bundled.version is not None:
                self._transaction.shelve(self._known[bundled.digest], bundled.version)
        return tuple(dict.fromkeys(self._known[bundled.digest] for bundled in trees))
