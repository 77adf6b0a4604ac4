"""What a collection is asked to do, and what it says it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_store.marking import OutOfReach

GRACE = 7 * 24 * 3600.0
"""Seconds for which a tree that nothing needs any longer is kept all the same."""


class RemovedTree(NamedTuple):
    """One tree that was removed, or would be."""

    name: str
    digest: Digest
    size: int
    used: float
    """When it was last known to be needed, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How far a collection may go."""

    max_age: float = GRACE
    """What was needed less than so many seconds ago is kept."""
    keep_bytes: int | None = None
    """Stop removing trees once the store's blobs are no larger than this."""
    dry_run: bool = False
    wait: bool = True
    """Whether to wait for those who are publishing; else do nothing while they do."""
    deadline: float | None = None
    """When to begin nothing more, by the monotonic clock; what was begun is finished."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection removed and what it left, and why."""

    removed: tuple[RemovedTree, ...] = ()
    """Those unused longest first. With ``dry_run``: what would be removed."""
    freed: int = 0
    """Bytes of the blobs that went, or would go."""
    blobs: int = 0
    """How many of them there were."""
    leftovers: int = 0
    """Sets and shelves nobody shows, and trees without a row, that went, or would go."""
    needed: int = 0
    """Trees that something needs."""
    young: int = 0
    """Trees that nothing needs, kept because they were needed not long ago."""
    young_until: float | None = None
    """When the first of them will have been kept long enough, in seconds since 1970."""
    gone: tuple[Path, ...] = ()
    """Projects that are not there any more; they keep nothing from now on."""
    out_of_reach: tuple[OutOfReach, ...] = ()
    """Projects and locks that could not be seen; what was recorded of them is kept."""
    others: tuple[Path, ...] = ()
    """Trees that nothing needs and that only another user can remove."""
    stuck: tuple[Path, ...] = ()
    """What the system refused to remove, though it is not valid any more."""
    skipped: bool = False
    """Somebody was publishing, and the collection was not to wait."""
    stopped: bool = False
    """The deadline came before the end."""
