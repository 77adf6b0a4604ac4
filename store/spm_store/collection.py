"""Removing what nothing needs, while any number of others use the store.

The order makes it safe (spec/collection.md): mark; then, in short turns under the
exclusive ``gc.lock``, look again at who needs what, delete rows, and move what they
spoke of to the trash; at last empty the trash without the lock. Killed between any
two steps, it leaves garbage and nothing else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from spm_spec.digests import Digest
from spm_store.collected import Collection, RemovedTree
from spm_store.durable import remove_tree
from spm_store.errors import IndexDamaged, storing
from spm_store.filesystems import may_remove
from spm_store.leases import discard, sweep
from spm_store.leftovers import Leftovers
from spm_store.locks import gc_lock
from spm_store.marking import Marks
from spm_store.plan import plan
from spm_store.roots import ROOTS, unfinished_files
from spm_store.sets import SETS
from spm_store.shelves import shelf_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from spm_store.catalogue import Catalogue
    from spm_store.collected import Terms
    from spm_store.index import Row
    from spm_store.leftovers import Leftover
    from spm_store.marking import GoneRoot
    from spm_store.plan import Plan
    from spm_store.presence import Lookout

_T = TypeVar("_T")

TURN = 500
"""How many trees are removed before others may have the lock."""
_BLOBS_A_TURN = 5000
_PART, _THREADS = 64, 4


class Collector:
    """One collection."""

    def __init__(
        self,
        store: Catalogue,
        terms: Terms,
        *,
        progress: Callable[[int, int], None] | None = None,
        lookout: Lookout | None = None,
        clock: Callable[[], float] = monotonic,
        may_remove: Callable[[str], bool] = may_remove,
    ) -> None:
        """Know what to do; ``clock`` is what the deadline is measured by."""
        self._store, self._terms = store, terms
        self._root = os.fspath(store.root)
        self._progress: Callable[[int, int], None] = progress or _say_nothing
        self._clock, self._may_remove = clock, may_remove
        self._marks = Marks(store, lookout)
        self._removed: list[RemovedTree] = []
        self._gone: list[Path] = []
        self._stuck: list[Path] = []
        self._leftovers = self._blobs = self._freed = self._all = 0
        self._deadline = terms.deadline
        self._skipped = self._stopped = False

    def run(self) -> Collection:
        """Collect, and say what was removed and what was not.

        Raises:
            LeaseUnreadable, RootUnreadable, SetDamaged, IndexDamaged: nobody can say what
                is needed; nothing was removed.
            StoreFailure: the system refused.

        """
        if not os.path.isdir(f"{self._root}/trees"):
            return Collection()
        with storing(self._root):
            self._refuse_without_index()
            # The projects are looked at without the lock: reading their locks takes time.
            self._marks.look_at_roots()
            with gc_lock(self._root, exclusive=True, wait=self._terms.wait) as held:
                if not held:
                    return Collection(skipped=True)
                self._marks.refresh()
            planned = self._plan()
            if self._terms.dry_run:
                self._foresee(planned)
            else:
                self._collect(planned)
        return replace(
            self._report(planned),
            removed=tuple(self._removed),
            freed=self._freed,
            blobs=self._blobs,
            leftovers=self._leftovers,
            stuck=tuple(self._stuck),
            skipped=self._skipped,
            stopped=self._stopped,
        )

    def _refuse_without_index(self) -> None:
        """Trees without any index are a store that lost it, not garbage."""
        index = self._store.index.path
        if not os.path.lexists(index) and os.listdir(f"{self._root}/trees"):
            hint = "`spm store rebuild` makes it again"
            raise IndexDamaged(index, "the index is missing", hint=hint)

    def _plan(self) -> Plan:
        """Drop the roots of projects that are gone, and decide; a dry run only decides."""
        gone = list(self._marks.gone)
        aged = frozenset[bytes]().union(*(root.trees for root in gone))
        if not self._terms.dry_run:
            if aged:
                self._mark_used(sorted(aged))
            self._in_turns(gone, TURN, self._drop_roots)
        else:
            self._gone = [root.root.place for root in gone]
        planned = plan(
            self._store, self._terms, self._marks, aged=aged, may_remove=self._may_remove
        )
        if planned.write_used and not self._terms.dry_run:
            self._mark_used(planned.write_used)
        return planned

    def _mark_used(self, digests: Sequence[bytes]) -> None:
        self._store.index.mark_used(digests, int(self._store.now()), self._store.disk)

    def _report(self, planned: Plan) -> Collection:
        return Collection(
            needed=planned.needed,
            young=planned.young,
            young_until=planned.young_until,
            gone=tuple(self._gone),
            out_of_reach=tuple(self._marks.out_of_reach),
            others=planned.others,
        )

    def _foresee(self, planned: Plan) -> None:
        """Say what would be removed."""
        self._removed = list(map(_removed, planned.remove))
        leftovers = self._left({row.digest for row in planned.remove})
        shelves_and_trees = {f"{row.digest.hex()}-{row.name}" for row in planned.remove}
        self._leftovers = sum(one.name not in shelves_and_trees for one in leftovers.folders())
        blobs = leftovers.blobs()
        self._blobs, self._freed = len(blobs), sum(map(leftovers.size_of_blob, blobs))

    def _collect(self, planned: Plan) -> None:
        # Trees have half of the time: only when their blobs and the trash are gone
        # as well is there more space.
        started, deadline = self._clock(), self._terms.deadline
        self._deadline = None if deadline is None else (started + deadline) / 2
        self._all = len(planned.remove)
        self._in_turns(planned.remove, TURN, self._remove_trees)
        self._deadline = deadline
        leftovers = self._left()

        def remove_blobs(names: Sequence[str]) -> None:
            count, size = leftovers.remove_blobs(names)
            self._blobs, self._freed = self._blobs + count, self._freed + size

        def discard_folders(found: Sequence[Leftover]) -> None:
            self._leftovers += leftovers.discard_folders(found)

        self._in_turns(leftovers.blobs(), _BLOBS_A_TURN, remove_blobs)
        self._in_turns(leftovers.folders(), TURN, discard_folders)
        self._in_turns(unfinished_files(self._root), TURN, self._remove_files)
        self._empty_trash()

    def _left(self, without: frozenset[bytes] | set[bytes] = frozenset()) -> Leftovers:
        return Leftovers(
            self._store,
            self._marks,
            max_age=self._terms.max_age,
            without=without,
            may_remove=self._may_remove,
        )

    def _in_turns(
        self, items: Sequence[_T], size: int, act: Callable[[Sequence[_T]], None]
    ) -> None:
        """Let ``act`` have a few items at a time, the lock held and the marks fresh."""
        for start in range(0, len(items), size):
            if self._is_late():
                return
            with gc_lock(self._root, exclusive=True, wait=self._terms.wait) as held:
                if not held:
                    self._stopped = True
                    return
                self._marks.refresh()
                act(items[start : start + size])

    def _is_late(self) -> bool:
        late = self._deadline is not None and self._clock() >= self._deadline
        self._stopped = self._stopped or late
        return late

    def _drop_roots(self, gone: Sequence[GoneRoot]) -> None:
        disk = self._store.disk
        for root in gone:
            if not self._marks.is_still_gone(root):
                continue
            for name in root.root.generations.values():
                with suppress(OSError):  # changes its ctime: it stays as long as its trees
                    disk.set_mode(f"{self._root}/{SETS}/{name}", 0o555)
            self._remove_files([root.path])
            self._gone.append(root.root.place)
        if self._store.durability != "none":
            disk.sync(f"{self._root}/{ROOTS}")

    def _remove_files(self, paths: Sequence[str]) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                self._store.disk.remove_file(path)

    def _remove_trees(self, rows: Sequence[Row]) -> None:
        """Remove those rows that nothing needs yet, then what they spoke of."""
        now = self._store.now()
        fresh = {row.digest: row for row in self._store.index.rows([row.digest for row in rows])}
        doomed = [
            row
            for row in (fresh[row.digest] for row in rows if row.digest in fresh)
            if not self._marks.needs(row.digest) and now - min(row.used, now) >= self._terms.max_age
        ]
        self._store.index.remove([row.digest for row in doomed], self._store.disk)
        for row in doomed:
            tree = self._store.tree_path(Digest(row.digest), row.name)
            for path in (shelf_path(tree), tree):
                try:
                    discard(self._root, self._store.disk, os.fspath(path))
                except PermissionError:
                    self._stuck.append(path)
        self._removed += map(_removed, doomed)
        self._progress(len(self._removed), self._all)

    def _empty_trash(self) -> None:
        """Remove what is in the trash, whoever put it there, and the leases of the dead.

        Removing files is waiting for the disk: several threads wait together.
        """
        trash = f"{self._root}/trash"
        names = os.listdir(trash) if os.path.isdir(trash) else []
        places = [f"{trash}/{name}" for name in names]
        parts = [places[start : start + _PART] for start in range(0, len(places), _PART)]
        self._all = len(self._removed) + len(places)
        if len(parts) <= 1:
            self._note_emptied(map(self._remove_places, parts))
        else:
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(_THREADS) as pool:
                self._note_emptied(pool.map(self._remove_places, parts))
        if not self._is_late():
            sweep(self._root, self._store.disk)

    def _remove_places(self, places: Sequence[str]) -> int:
        for done, place in enumerate(places):
            if self._is_late():
                return done
            with suppress(OSError):
                if self._may_remove(place):
                    remove_tree(self._store.disk, place)
        return len(places)

    def _note_emptied(self, counts: Iterable[int]) -> None:
        done = len(self._removed)
        for count in counts:
            done += count
            self._progress(done, self._all)


def _say_nothing(_done: int, _all: int) -> None:
    pass


def _removed(row: Row) -> RemovedTree:
    return RemovedTree(row.name, Digest(row.digest), row.size, float(row.used))
