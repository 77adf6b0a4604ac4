"""Taking things out of the store: the row first, then the files, by way of the trash.

Every function holds ``gc.lock`` exclusively, so nobody publishes meanwhile. A process
that dies half way leaves files without a row, which is what no row means.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from spm_store.contents import blobs_of_row, needed_blobs
from spm_store.errors import storing
from spm_store.leases import discard, empty_trash, sweep
from spm_store.locks import gc_lock
from spm_store.roots import empty_roots
from spm_store.sets import SETS
from spm_store.shelves import SHELVES, shelf_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from spm_spec.digests import Digest
    from spm_store.catalogue import Catalogue


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
            blobs = blobs_of_row(store.index.path, digest.raw, encoded)
            _remove_blobs(store, {blob.name for blob in blobs})
        empty_trash(root, store.disk)
    return True


def remove_everything(store: Catalogue) -> int:
    """Remove all sets, trees and blobs, valid or left over; return how many trees were valid.

    What projects keep is emptied first: they are known still, and show nothing.
    """
    root = os.fspath(store.root)
    if not os.path.lexists(store.index.path):
        return 0
    with storing(root), gc_lock(root, exclusive=True):
        sweep(root, store.disk)
        empty_roots(store)
        rows = store.index.all_rows()
        store.index.remove([row.digest for row in rows], store.disk)
        for kind in (SETS, SHELVES, "trees", "blobs"):
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
    candidates -= needed_blobs(store.index.path, store.index.directories())
    for name in sorted(candidates):
        path = f"{os.fspath(store.root)}/blobs/{name}"
        if os.path.lexists(path):
            discard(os.fspath(store.root), store.disk, path)
