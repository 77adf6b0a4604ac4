"""Taking things out of the store: the row first, then the files, by way of the trash.

Every function holds ``gc.lock`` exclusively, so nobody publishes meanwhile. A process
that dies half way leaves files without a row, which is what no row means.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.digests import Digest
from spm_store.blobs import blob_name
from spm_store.errors import IndexDamaged, storing
from spm_store.leases import discard, empty_trash, gc_lock, sweep
from spm_store.shelves import SHELVES, shelf_path
from spm_store.trees import decode_directories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from spm_store.catalogue import Catalogue

_DIGEST_DIGITS = 64


def remove_tree_of(store: Catalogue, digest: Digest) -> bool:
    """Remove one tree and the blobs only it needs; False if it is not in the store."""
    root = os.fspath(store.root)
    rows = store.index.rows([digest.raw])
    if not rows:
        return False
    with storing(root), gc_lock(root, exclusive=True):
        encoded = dict(store.index.directories()).get(digest.raw)
        store.index.remove([digest.raw], store.disk)
        tree = store.tree_path(digest, rows[0].name)
        _discard_shelf(store, tree)
        discard(root, store.disk, os.fspath(tree))
        if encoded is not None:
            blobs = set(_blobs_of(store, encoded, digest.raw))
            _remove_blobs(store, blobs)
        empty_trash(root, store.disk)
    return True


def remove_everything(store: Catalogue) -> int:
    """Remove all trees and blobs, valid or left over; return how many trees were valid."""
    root = os.fspath(store.root)
    if not os.path.lexists(store.index.path):
        return 0
    with storing(root), gc_lock(root, exclusive=True):
        sweep(root, store.disk)
        rows = store.index.all_rows()
        store.index.remove([row.digest for row in rows], store.disk)
        for kind in (SHELVES, "trees", "blobs"):
            for name in _names_in(f"{root}/{kind}"):
                discard(root, store.disk, f"{root}/{kind}/{name}")
        empty_trash(root, store.disk)
    return len(rows)


def remove_unlisted(store: Catalogue, *, trees: Collection[str], blobs: Collection[str]) -> None:
    """Remove those of ``trees`` (paths) and ``blobs`` (names) that no row needs."""
    root = os.fspath(store.root)
    with gc_lock(root, exclusive=True):
        valid = {os.fspath(tree.path) for tree in store.trees()}
        for path in trees:
            if path not in valid:
                _discard_shelf(store, Path(path))
                discard(root, store.disk, path)
        _remove_blobs(store, set(blobs))
        empty_trash(root, store.disk)


def unlisted_trees(store: Catalogue) -> Iterator[str]:
    """Yield the paths in ``trees/`` that no row speaks of."""
    folder = f"{os.fspath(store.root)}/trees"
    valid = {os.fspath(tree.path) for tree in store.trees()}
    yield from (path for name in _names_in(folder) if (path := f"{folder}/{name}") not in valid)


def _names_in(folder: str) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _discard_shelf(store: Catalogue, tree: Path) -> None:
    shelf = shelf_path(tree)
    if os.path.lexists(shelf):
        discard(os.fspath(store.root), store.disk, os.fspath(shelf))


def _remove_blobs(store: Catalogue, candidates: set[str]) -> None:
    """Remove the candidates that no tree in the index needs."""
    if not candidates:
        return
    for digest, encoded in store.index.directories():
        candidates.difference_update(_blobs_of(store, encoded, digest))
    for name in sorted(candidates):
        path = f"{os.fspath(store.root)}/blobs/{name}"
        if os.path.lexists(path):
            discard(os.fspath(store.root), store.disk, path)


def _blobs_of(store: Catalogue, encoded: bytes, digest: bytes) -> Iterator[str]:
    """Yield the blobs of a tree; removing stops where the index cannot be believed."""
    try:
        files = decode_directories(encoded, Digest(digest))
    except ValueError as error:
        raise IndexDamaged(store.index.path, f"tree {Digest(digest)}: {error}") from error
    yield from (blob_name(file) for file in files if file.size)
