"""Which rows a collection removes: needed by nothing, old enough, unused longest first."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from spm_spec.digests import Digest
from spm_store.contents import blobs_of_row

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from spm_store.catalogue import Catalogue
    from spm_store.collected import Terms
    from spm_store.index import Row
    from spm_store.marking import Marks

_LATELY = 3600


class Plan(NamedTuple):
    """What to do with every row there is."""

    remove: list[Row]
    """In this order."""
    needed: int
    """How many rows something needs."""
    young: int
    """How many rows nothing needs that are kept for their age."""
    young_until: float | None
    """When the first of them is old enough."""
    others: tuple[Path, ...]
    """Trees that would be removed if we were another user."""
    write_used: list[bytes]
    """Rows whose time of use is to be set to now: needed, or used in the future."""


def plan(
    store: Catalogue,
    terms: Terms,
    marks: Marks,
    *,
    aged: Collection[bytes],
    may_remove: Callable[[str], bool],
) -> Plan:
    """Return what to do; ``aged`` are trees that were needed until now."""
    now, rows = store.now(), store.index.all_rows()
    idle = [row for row in rows if not marks.needs(row.digest)]
    used = {row.digest: now if row.digest in aged else min(row.used, now) for row in idle}
    kept = [moment for moment in used.values() if now - moment < terms.max_age]
    removable: list[Row] = []
    others: list[Path] = []
    for row in sorted(idle, key=lambda row: (used[row.digest], row.digest)):
        if now - used[row.digest] >= terms.max_age:
            path = store.tree_path(Digest(row.digest), row.name)
            if may_remove(os.fspath(path)):
                removable.append(row)
            else:
                others.append(path)
    if terms.keep_bytes is not None:
        removable = _until_small(store, removable, terms.keep_bytes)
    lately = now - _LATELY
    return Plan(
        remove=removable,
        needed=len(rows) - len(idle),
        young=len(kept),
        young_until=min(kept) + terms.max_age if kept else None,
        others=tuple(others),
        write_used=[
            row.digest
            for row in rows
            if row.used > now + _LATELY or (row.used < lately and row.digest not in used)
        ],
    )


def _until_small(store: Catalogue, removable: Sequence[Row], keep_bytes: int) -> list[Row]:
    """Return the first rows without which the blobs of the rest are no more than so many bytes."""
    blobs = {
        digest: blobs_of_row(store.index.path, digest, encoded)
        for digest, encoded in store.index.directories()
    }
    users = Counter(blob for row in blobs.values() for blob in set(row))
    total = sum(blob.size for blob in users)
    chosen: list[Row] = []
    for row in removable:
        if total <= keep_bytes:
            break
        chosen.append(row)
        for blob in set(blobs.get(row.digest, ())):
            users[blob] -= 1
            total -= 0 if users[blob] else blob.size
    return chosen
