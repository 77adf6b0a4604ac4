"""What each tree takes, and what it would give back: worked out from the index alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_store.blobs import blob_name
from spm_store.errors import IndexDamaged
from spm_store.trees import StoredTree, decode_directories

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spm_store.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """One tree and its bytes; lengths of files, not blocks of the disk."""

    tree: StoredTree
    own_bytes: int
    """Of files no other tree has: what removing it would give back."""


def usage_of(store: Catalogue) -> tuple[TreeUsage, ...]:
    """Return every tree of the store's own layer, the largest first.

    Costs one query and the decoding of each tree's directories; no file is read.

    Raises:
        IndexDamaged: a row does not describe its tree.

    """
    encoded = dict(store.index.directories())
    trees = [tree for tree in store.trees() if tree.digest.raw in encoded]
    users: dict[str, int] = {}
    sizes: dict[bytes, dict[str, int]] = {}
    for tree in trees:
        blobs = dict(_blobs(store, tree, encoded[tree.digest.raw]))
        sizes[tree.digest.raw] = blobs
        for name in blobs:
            users[name] = users.get(name, 0) + 1
    usages = (
        TreeUsage(
            tree,
            sum(size for name, size in sizes[tree.digest.raw].items() if users[name] == 1),
        )
        for tree in trees
    )
    return tuple(sorted(usages, key=lambda usage: (-usage.tree.size, usage.tree.name)))


def _blobs(store: Catalogue, tree: StoredTree, encoded: bytes) -> Iterator[tuple[str, int]]:
    try:
        files = decode_directories(encoded, tree.digest)
    except ValueError as error:
        raise IndexDamaged(store.index.path, f"tree {tree.digest}: {error}") from error
    yield from ((blob_name(file), file.size) for file in files if file.size)
