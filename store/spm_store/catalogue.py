"""What the store holds, looked up and never hashed: the part everything else stands on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from spm_spec.digests import Digest
from spm_store.filesystems import MOUNT_TABLE, disk_for, reach_of
from spm_store.trees import StoredTree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from spm_store.durable import Disk, Durability
    from spm_store.filesystems import Reach
    from spm_store.index import Index, Row
    from spm_store.layers import Layer


class Catalogue:
    """One store's place, its index, and the trees it and the lower stores list."""

    def __init__(
        self,
        root: Path,
        *,
        lower: Sequence[Path] = (),
        durability: Durability = "batch",
        disk: Disk | None = None,
        now: Callable[[], float] = time,
        boot: str | None = None,
        mount_table: str = MOUNT_TABLE,
    ) -> None:
        """Know where the store is, and the lower ones that are only read, the nearest first.

        ``disk`` and ``now`` are what it does things with; ``boot`` and ``mount_table``
        are read from the machine where they are not given.
        """
        self.root = Path(os.path.abspath(root))
        self.lower = tuple(Path(os.path.abspath(folder)) for folder in lower)
        self.durability: Durability = durability
        self.disk = disk or disk_for(os.fspath(self.root))
        self.now = now
        self.boot = boot
        self.mount_table = mount_table
        self._reach: Reach | None = None
        self._index: Index | None = None
        self._layers: tuple[Layer, ...] | None = None

    def close(self) -> None:
        """Let go of the indexes; the next use opens them again."""
        if self._index is not None:
            self._index.close()
        for layer in self._layers or ():
            layer.close()

    @property
    def index(self) -> Index:
        """The rows of this store alone; for the parts of this package."""
        if self._index is None:
            from spm_store.index import Index

            self._index = Index(
                os.fspath(self.root),
                self.durability,
                disk=self.disk,
                mount_table=self.mount_table,
            )
        return self._index

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The lower stores, the nearest first."""
        if self._layers is None:
            if not self.lower:
                return ()
            from spm_store.layers import Layer

            self._layers = tuple(Layer(folder, self.mount_table) for folder in self.lower)
        return self._layers

    def is_writable(self) -> bool:
        """Whether there is a store that this user may change."""
        root = os.fspath(self.root)
        if not os.access(root, os.W_OK):
            return False
        if self._reach is None:
            self._reach = reach_of(root, self.mount_table)
        return self._reach != "unsafe"

    def get(self, digest: Digest) -> StoredTree | None:
        """Return a tree that was stored, without hashing; None if it is not there.

        The first store that has it wins: this one, then the lower ones.
        """
        return self._find([digest]).get(digest)

    def paths_of(self, digests: Collection[Digest]) -> Mapping[Digest, Path]:
        """Return where those of ``digests`` stand that are there; one query a store, no hashing."""
        return {digest: Path(place) for digest, place in self.places_of(digests).items()}

    def places_of(self, digests: Collection[Digest]) -> Mapping[Digest, str]:
        """Return what ``paths_of`` does, as text: for thousands at once."""
        return {
            digest: f"{root}/trees/{row.digest.hex()}-{row.name}"
            for digest, (root, row) in self._found(digests).items()
        }

    def trees(self, *, present: bool = True, own: bool = False) -> Iterator[StoredTree]:
        """Yield every tree by name, those whose folder is missing only if not ``present``.

        With ``own`` those of this store alone, without the lower ones.
        """
        rows = self.index.all_rows()
        found = self._present(rows) if present else map(self._tree, rows)
        if own or not self.lower:
            return iter(found)
        every = {tree.digest: tree for tree in found}
        for layer in self.layers:
            for tree in self._lower_trees(layer, layer.all_rows()):
                every.setdefault(tree.digest, tree)
        return iter(sorted(every.values(), key=lambda tree: (tree.name, tree.digest)))

    def tree_path(self, digest: Digest, name: str) -> Path:
        """Return where the tree ``digest`` stands if this store has it under ``name``."""
        return self.root / "trees" / f"{digest.hex}-{name}"

    def is_own(self, tree: StoredTree) -> bool:
        """Whether ``tree`` stands in this store, not in a lower one."""
        return tree.path == self.tree_path(tree.digest, tree.name)

    def _find(self, digests: Collection[Digest]) -> dict[Digest, StoredTree]:
        found = self._found(digests)
        return {digest: _stored(Path(root), row) for digest, (root, row) in found.items()}

    def _found(self, digests: Collection[Digest]) -> dict[Digest, tuple[str, Row]]:
        """Return the rows there are whose folder is there, each with its store."""
        root = os.fspath(self.root)
        rows = self.index.rows([digest.raw for digest in digests])
        found = {Digest(row.digest): (root, row) for row in rows if _has_folder(root, row)}
        for layer in self.layers:
            missing = [digest.raw for digest in digests if digest not in found]
            if not missing:
                break
            for row in layer.rows(missing):
                if layer.has_folder(_stored(layer.root, row).path):
                    found[Digest(row.digest)] = os.fspath(layer.root), row
        return found

    def _tree(self, row: Row) -> StoredTree:
        return _stored(self.root, row)

    def _present(self, rows: Iterable[Row]) -> Iterator[StoredTree]:
        """Return the trees of ``rows`` whose folder is there and is a folder."""
        root = os.fspath(self.root)
        return (self._tree(row) for row in rows if _has_folder(root, row))

    @staticmethod
    def _lower_trees(layer: Layer, rows: Iterable[Row]) -> Iterator[StoredTree]:
        for row in rows:
            tree = _stored(layer.root, row)
            if layer.has_folder(tree.path):
                yield tree


def _has_folder(root: str, row: Row) -> bool:
    try:
        mode = os.lstat(f"{root}/trees/{row.digest.hex()}-{row.name}").st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode)


def _stored(root: Path, row: Row) -> StoredTree:
    digest = Digest(row.digest)
    path = root / "trees" / f"{digest.hex}-{row.name}"
    return StoredTree(digest, row.name, path, row.size, row.files)
