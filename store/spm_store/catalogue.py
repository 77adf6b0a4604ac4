"""What the store holds, looked up and never hashed: the part everything else stands on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from spm_spec.digests import Digest
from spm_store.durable import Disk
from spm_store.trees import StoredTree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from spm_store.durable import Durability
    from spm_store.index import Index, Row


class Catalogue:
    """One store's place, its index, and the trees the index lists."""

    def __init__(
        self,
        root: Path,
        *,
        durability: Durability = "batch",
        disk: Disk | None = None,
        now: Callable[[], float] = time,
    ) -> None:
        """Know where the store is; ``disk`` and ``now`` are what it does things with."""
        self.root = Path(os.path.abspath(root))
        self.durability: Durability = durability
        self.disk = disk or Disk()
        self.now = now
        self._index: Index | None = None

    def close(self) -> None:
        """Let go of the index; the next use opens it again."""
        if self._index is not None:
            self._index.close()

    @property
    def index(self) -> Index:
        """The rows; for the parts of this package."""
        if self._index is None:
            from spm_store.index import Index

            self._index = Index(os.fspath(self.root), self.durability)
        return self._index

    def get(self, digest: Digest) -> StoredTree | None:
        """Return a tree that was stored, without hashing; None if it is not there."""
        rows = self.index.rows([digest.raw])
        return next(self._present(rows), None)

    def paths_of(self, digests: Collection[Digest]) -> Mapping[Digest, Path]:
        """Return where those of ``digests`` stand that are there; one query, no hashing."""
        rows = self.index.rows([digest.raw for digest in digests])
        return {tree.digest: tree.path for tree in self._present(rows)}

    def trees(self, *, present: bool = True) -> Iterator[StoredTree]:
        """Yield every tree by name, those whose folder is missing only if not ``present``."""
        rows = self.index.all_rows()
        return self._present(rows) if present else map(self._tree, rows)

    def tree_path(self, digest: Digest, name: str) -> Path:
        """Return where the tree ``digest`` stands if it is stored under ``name``."""
        return self.root / "trees" / f"{digest.hex}-{name}"

    def _tree(self, row: Row) -> StoredTree:
        digest = Digest(row.digest)
        return StoredTree(digest, row.name, self.tree_path(digest, row.name), row.size, row.files)

    def _present(self, rows: Iterable[Row]) -> Iterator[StoredTree]:
        """Yield the trees of ``rows`` whose folder is there and is a folder."""
        for tree in map(self._tree, rows):
            try:
                mode = os.lstat(tree.path).st_mode
            except OSError:
                continue
            if stat.S_ISDIR(mode):
                yield tree
