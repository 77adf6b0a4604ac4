"""Hash the whole store again and name everything that is not as it was stored.

Others add, remove and repair meanwhile. What is not right at first sight is looked at
again, with the index's row read anew and under the lock that keeps collectors out; only
what is wrong both times is damage.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from spm_spec.digests import Digest
from spm_store.blobs import EXECUTABLE_MODE, FILE_MODE
from spm_store.hashing import FOLDER_FLAGS, Hashing, Unhashable
from spm_store.inspection import (
    blob_damage,
    blob_of_name,
    blobs_of,
    name_of_blob,
    tree_damage,
)
from spm_store.lanes import side_by_side
from spm_store.locks import gc_lock
from spm_store.sources import readings_of
from spm_store.surroundings import foreign_entries, unreadable_roots, wrong_links
from spm_store.trees import decode_directories, join_directories

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from spm_store.catalogue import Catalogue
    from spm_store.damage import Damage
    from spm_store.index import Row
    from spm_store.sources import Reading

MOST_JOBS = 8  # threads, unless the caller wants more
LARGE_TREE_BYTES = 64 * 1024  # bytes a file, from which a tree is worth a thread of its own

_TREES_AT_ONCE = 16


def default_jobs() -> int:
    """Return how many threads hash if nobody says."""
    return min(MOST_JOBS, os.cpu_count() or 1)


def verify(
    store: Catalogue, progress: Callable[[int, int], None] | None, jobs: int | None
) -> tuple[Damage, ...]:
    """Return every damage, sorted by place; ``progress`` gets steps done and steps in all.

    It is called in the caller's thread.
    """
    threads = jobs or default_jobs()
    upper, *below = readings_of(store)
    lower = [_Pass(each, threads) for each in below]
    passes = [_Pass(upper, threads, lower), *lower]
    found: set[Damage] = set()
    steps, done = sum(each.steps for each in passes), 0
    for each in passes:
        for looked_at in each.first_sight():
            done += looked_at
            if progress:
                progress(done, steps)
        found.update(each.confirmed())
    return tuple(sorted(found, key=lambda damage: (os.fspath(damage.path), damage.kind)))


class _Pass:
    """One pass over one layer."""

    def __init__(self, layer: Reading, jobs: int, lower: Sequence[_Pass] | None = None) -> None:
        """Read the index of one layer; ``lower`` are the others, None for one of them."""
        self._index = layer.index
        self._root = layer.root
        self._is_upper = lower is not None
        self._lower = [below._root for below in lower or ()]  # noqa: SLF001  # of the same class
        self._jobs = jobs
        self._hashing = Hashing(jobs)
        self._encoded = dict(layer.index.directories())
        # A tree removed between the two readings has no directories, and is left out.
        self._rows = [row for row in layer.index.all_rows() if row.digest in self._encoded]
        self._known = {row.digest for row in self._rows}
        for below in lower or ():
            self._known |= below._known  # noqa: SLF001  # of the same class
        # An older format keeps its blobs elsewhere until the first writer moves them; its
        # trees are hashed all the same.
        self._knows_blobs = not layer.index.is_older()
        self._folders = _listed(f"{self._root}/blobs") if self._knows_blobs else []
        self._suspicious: list[Row] = []
        self._needed: set[bytes] = set()
        self._wrong_blobs: set[bytes] = set()
        self._present: set[bytes] = set()
        self.steps = len(self._rows) + len(self._folders)

    def first_sight(self) -> Iterator[int]:
        """Hash everything; yield how many trees or folders of blobs were looked at."""
        large = deque([row] for row in self._rows if row.size >= LARGE_TREE_BYTES * row.files)
        rows = [row for row in self._rows if row.size < LARGE_TREE_BYTES * row.files]
        size = max(1, min(_TREES_AT_ONCE, len(rows) // (self._jobs * 8)))
        small = deque(rows[start : start + size] for start in range(0, len(rows), size))
        yield from side_by_side(small, large, self._look_at_trees, self._jobs)
        folders = deque(self._folders)
        yield from side_by_side(folders, deque(), self._look_at_blobs, self._jobs)

    def confirmed(self) -> Iterator[Damage]:
        """Yield what was wrong at first sight and still is."""
        for row in self._suspicious:
            yield from self._tree_confirmed(row)
        for blob in sorted(self._wrong_blobs):
            first = set(blob_damage(self._root, blob))
            with self._steady():
                second = list(blob_damage(self._root, blob))
            yield from (found for found in second if found in first and _is_there(found))
        yield from self._missing_confirmed()
        first = set(self._around())
        if first:
            with self._steady():
                yield from first.intersection(self._around())

    def _look_at_trees(self, rows: list[Row]) -> int:
        with self._hashing.at_work():
            for row in rows:
                if not self._is_whole(row):
                    self._suspicious.append(row)
        return len(rows)

    def _is_whole(self, row: Row) -> bool:
        encoded = self._encoded[row.digest]
        try:
            folded = self._hashing.fold(_place(self._root, row))
            if folded.raw == row.digest and join_directories(folded.directories) == encoded:
                self._needed.update(folded.blobs)
                return folded.modes_right
        except (OSError, Unhashable):
            pass
        with suppress(ValueError):
            self._needed.update(blobs_of(decode_directories(encoded, Digest(row.digest))))
        return False

    def _look_at_blobs(self, name: str) -> int:
        with self._hashing.at_work(), suppress(OSError):
            folder = os.open(f"{self._root}/blobs/{name}", FOLDER_FLAGS)
            try:
                device = os.fstat(folder).st_dev
                with os.scandir(folder) as entries:
                    for entry in entries:
                        blob = blob_of_name(f"{name}/{entry.name}")
                        if blob is not None:
                            self._present.add(blob)
                            if not self._is_right(entry, blob, folder, device):
                                self._wrong_blobs.add(blob)
            finally:
                os.close(folder)
        return 1

    def _is_right(self, entry: os.DirEntry[str], blob: bytes, folder: int, device: int) -> bool:
        if not entry.is_file(follow_symlinks=False):
            return False
        try:
            raw, _, mode = self._hashing.content(entry, folder, device)
        except (OSError, Unhashable):
            return False
        if len(blob) == len(raw):
            return mode == FILE_MODE and raw == blob
        return mode == EXECUTABLE_MODE and raw == blob[:-1]

    def _tree_confirmed(self, row: Row) -> Iterator[Damage]:
        first = set(self._tree_damage(row))
        if not first:
            return
        with self._steady():
            again = self._index.rows([row.digest])
            yield from (
                damage for now in again for damage in self._tree_damage(now) if damage in first
            )

    def _tree_damage(self, row: Row) -> Iterator[Damage]:
        place, encoded = _place(self._root, row), self._encoded[row.digest]
        return tree_damage(place, self._index.path, Digest(row.digest), encoded)

    def _missing_confirmed(self) -> Iterator[Damage]:
        """Yield the blobs that trees need and that are not there."""
        missing = {
            blob
            for blob in (self._needed - self._present if self._knows_blobs else ())
            if not os.path.lexists(f"{self._root}/blobs/{name_of_blob(blob)}")
        }
        if not missing:
            return
        with self._steady():
            needed = set[bytes]()
            for digest, encoded in self._index.directories():
                with suppress(ValueError):
                    needed |= missing & blobs_of(decode_directories(encoded, Digest(digest)))
            for blob in sorted(needed):
                yield from blob_damage(self._root, blob)

    def _around(self) -> Iterator[Damage]:
        """Yield what is wrong beside trees and blobs."""
        yield from foreign_entries(self._root, blobs=self._knows_blobs)
        yield from unreadable_roots(self._root)
        yield from wrong_links(self._root, self._lower, self._known)

    @contextmanager
    def _steady(self) -> Generator[None]:
        """Keep collectors out, if this layer is one that may be written."""
        with ExitStack() as held:
            if self._is_upper:
                with suppress(OSError):
                    held.enter_context(gc_lock(self._root, exclusive=False))
            yield


def _place(root: str, row: Row) -> str:
    return f"{root}/trees/{row.digest.hex()}-{row.name}"


def _is_there(damage: Damage) -> bool:
    """Whether it is of something that is there; what is not may have been removed."""
    return damage.kind != "missing-blob"


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
