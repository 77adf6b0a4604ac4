"""What stands in a store beside its trees and is needed by none: found, and removed.

Sets no root names, shelves and blobs no row needs, and trees without a row, which
killed processes leave. Sets and trees are kept for the grace period by their
``ctime``: whoever may yet come for them, or rebuild the index, shall find them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import DIGEST_BYTES
from spm_store.contents import needed_blobs
from spm_store.filesystems import may_remove
from spm_store.leases import discard, random_name
from spm_store.sets import SETS, is_set_name, read_set
from spm_store.shelves import SHELVES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from spm_store.catalogue import Catalogue
    from spm_store.marking import Marks

_DIGITS = 2 * DIGEST_BYTES


class Leftover(NamedTuple):
    """Something that nothing needs."""

    kind: str
    """A folder of the store."""
    name: str


class Leftovers:
    """What is left over once the rows in ``without`` are removed, or will be."""

    def __init__(
        self,
        store: Catalogue,
        marks: Marks,
        *,
        max_age: float,
        without: Collection[bytes] = (),
        may_remove: Callable[[str], bool] = may_remove,
    ) -> None:
        """Know the store; ``marks`` says what is needed."""
        self._store, self._marks = store, marks
        self._root = os.fspath(store.root)
        self._before = store.now() - max_age
        self._at_once = max_age <= 0
        self._without = frozenset(without)
        self._may_remove = may_remove
        self._rows = frozenset[bytes]()
        self._blobs = set[str]()

    def folders(self) -> list[Leftover]:
        """Return the sets, shelves and trees that are left over."""
        self._learn_rows()
        sets = [name for name in self._names(SETS) if is_set_name(name) and self._is_idle_set(name)]
        shown = self._shown(set(self._names(SETS)) - set(sets))
        found = [Leftover(SETS, name) for name in sets]
        for kind in ("trees", SHELVES):
            for name in self._names(kind):
                digest = _digest_in(name)
                if digest is None or digest in self._rows or self._marks.needs(digest):
                    continue
                if self._is_old(kind, name) if kind == "trees" else digest not in shown:
                    found.append(Leftover(kind, name))
        return [one for one in found if self._may_remove(f"{self._root}/{one.kind}/{one.name}")]

    def discard_folders(self, found: Sequence[Leftover]) -> int:
        """Move those to the trash that are still left over; hold the lock. Return how many."""
        self._learn_rows()
        removed = 0
        for kind, name in found:
            if kind == SETS:
                needed = not self._is_idle_set(name)
            else:
                digest = bytes.fromhex(name[:_DIGITS])
                needed = digest in self._rows or self._marks.needs(digest)
            if not needed:
                discard(self._root, self._store.disk, f"{self._root}/{kind}/{name}")
                removed += 1
        return removed

    def blobs(self) -> list[str]:
        """Return the names of the blobs that no row needs."""
        self._learn_rows()
        rows = [row for row in self._store.index.directories() if row[0] in self._rows]
        self._blobs = needed_blobs(self._store.index.path, rows)
        return [name for name in _blob_names(f"{self._root}/blobs") if name not in self._blobs]

    def remove_blobs(self, names: Sequence[str]) -> tuple[int, int]:
        """Remove those that no row needs yet; hold the lock. Return how many, and bytes."""
        known = self._rows
        self._learn_rows()
        if not self._rows <= known:
            self._blobs |= needed_blobs(self._store.index.path, self._store.index.directories())
        count = size = 0
        for name in names:
            if name not in self._blobs:
                bytes_of_it = self.size_of_blob(name)
                with suppress(FileNotFoundError, PermissionError):
                    self._store.disk.move(f"{self._root}/blobs/{name}", self._in_trash())
                    count, size = count + 1, size + bytes_of_it
        return count, size

    def size_of_blob(self, name: str) -> int:
        """Return its length on the disk, 0 if it is gone."""
        try:
            return os.lstat(f"{self._root}/blobs/{name}").st_size
        except OSError:
            return 0

    def _in_trash(self) -> str:
        return f"{self._root}/trash/{random_name()}"

    def _learn_rows(self) -> None:
        rows = self._store.index.all_rows()
        self._rows = frozenset(row.digest for row in rows) - self._without

    def _is_idle_set(self, name: str) -> bool:
        return not self._marks.needs_set(name) and self._is_old(SETS, name)

    def _is_old(self, kind: str, name: str) -> bool:
        try:
            return self._at_once or os.lstat(f"{self._root}/{kind}/{name}").st_ctime <= self._before
        except FileNotFoundError:
            return False

    def _shown(self, sets: Collection[str]) -> set[bytes]:
        """Return what the sets that stay show."""
        shown = set[bytes]()
        for name in sets:
            with suppress(OSError, ValueError):
                shown |= {skill.tree.raw for skill in read_set(self._root, name)}
        return shown

    def _names(self, kind: str) -> list[str]:
        folder = f"{self._root}/{kind}"
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _digest_in(name: str) -> bytes | None:
    """Return the digest that a tree's or shelf's folder is named for, None if it is foreign."""
    try:
        digest = bytes.fromhex(name[:_DIGITS])
    except ValueError:
        return None
    ours = len(digest) == DIGEST_BYTES and name[_DIGITS : _DIGITS + 1] == "-"
    return digest if ours and name == name.lower() else None


def _blob_names(folder: str) -> Iterator[str]:
    """Yield the names of all blobs, and of nothing else that is there."""
    for above in os.listdir(folder) if os.path.isdir(folder) else ():
        if len(above) != 1 or not os.path.isdir(f"{folder}/{above}"):
            continue
        with os.scandir(f"{folder}/{above}") as entries:
            for entry in entries:
                digits = entry.name.removesuffix("-x")
                regular = entry.is_file(follow_symlinks=False)
                if regular and is_set_name(digits) and digits.startswith(above):
                    yield f"{above}/{entry.name}"
