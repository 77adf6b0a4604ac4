"""Garbage as the commands see it: what is removed, what is kept and who keeps it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from spm import console
from spm.quantities import bytes_of, seconds_of, shown_bytes
from spm.reach import Reach
from spm_spec.errors import SpmError, UserMistake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_store.collected import Collection
    from spm_store.reasons import Reason

MIN_FREE_BYTES = 1 << 30
"""Free space below which an install that stored something collects garbage."""
AUTOMATIC_SECONDS = 2.0
"""After this long, a collection that nobody asked for begins nothing more."""


def collect_garbage(
    environment: Mapping[str, str], *, dry_run: bool, max_age: str, keep_bytes: str
) -> Collection:
    """Remove from the store what nobody needs, with progress on a terminal.

    Raises:
        UserMistake: ``max_age`` or ``keep_bytes`` is no span or size.
        StoreFailure: nobody can say what is needed; nothing was removed.
    """
    age = seconds_of(max_age, what="--max-age")
    limit = bytes_of(keep_bytes, what="--keep-bytes") if keep_bytes else None
    store = Reach.of(environment).store()
    with console.Progress("collecting", 1) as progress:
        return store.collect(
            max_age=age, keep_bytes=limit, dry_run=dry_run, progress=progress.reach
        )


def report(found: Collection, *, dry_run: bool) -> None:
    """Say what a collection did, on stderr; what it removed, on stdout."""
    for tree in found.removed:
        console.put(f"{tree.name}  {tree.digest}  {shown_bytes(tree.size)}")
    for place in found.gone:
        console.talk(f"`{place}` is gone; what it kept is kept for its age alone")
    for unseen in found.out_of_reach:
        console.talk(f"`{unseen.place}`: {unseen.reason}; what was recorded of it is kept")
    for place in found.others:
        console.talk(f"`{place}` belongs to another user, who can remove it")
    for place in found.stuck:
        console.warn(f"`{place}` could not be removed; the next collection tries again")
    removed = console.counted(len(found.removed), "tree")
    verb = "would remove" if dry_run else "removed"
    console.talk(f"{verb} {removed} and {shown_bytes(found.freed)}; {found.needed} needed")
    if found.young and found.young_until is not None:
        until = datetime.fromtimestamp(found.young_until, tz=UTC)
        console.talk(
            f"{console.counted(found.young, 'tree')} that nobody needs kept for a while,"
            f" the first until {until:%Y-%m-%d %H:%M} UTC; `--max-age 0` removes them now"
        )
    if found.stopped:
        console.talk("it stopped before the end; the next collection goes on")


def as_document(found: Collection, *, dry_run: bool) -> dict[str, object]:
    """The JSON form that `spm store gc --json` prints."""
    return {
        "dryRun": dry_run,
        "removed": [
            {"name": tree.name, "tree": str(tree.digest), "size": tree.size, "used": int(tree.used)}
            for tree in found.removed
        ],
        "freedBytes": found.freed,
        "blobs": found.blobs,
        "leftovers": found.leftovers,
        "needed": found.needed,
        "young": found.young,
        "youngUntil": int(found.young_until) if found.young_until is not None else None,
        "gone": [str(place) for place in found.gone],
        "outOfReach": [
            {"place": str(unseen.place), "reason": unseen.reason} for unseen in found.out_of_reach
        ],
        "ofOtherUsers": [str(place) for place in found.others],
        "stuck": [str(place) for place in found.stuck],
    }


def reasons_for(environment: Mapping[str, str], what: str) -> Sequence[Reason]:
    """Who keeps the tree that a digest or a path means.

    Raises:
        UserMistake: ``what`` is neither, or no tree of the store.
    """
    from spm_spec.digests import DIGEST_PREFIX, Digest

    store = Reach.of(environment).store()
    if what.startswith(DIGEST_PREFIX):
        return store.why(Digest.parse(what))
    path = Path(what).absolute()
    if not os.path.lexists(path):
        raise UserMistake(
            f"{what}: nothing is there", hint="name a path, or a digest such as blake3:0123…"
        )
    return store.why(path)


def reason_document(reason: Reason) -> dict[str, object]:
    """The JSON form of one line of `spm store why --json`."""
    return {
        "kind": reason.kind,
        "place": str(reason.place),
        "root": reason.root,
        "generation": reason.generation,
        "current": reason.current,
        "name": reason.name,
        "version": reason.version,
        "purpose": reason.purpose,
        "until": int(reason.until) if reason.until is not None else None,
    }


def collect_when_low(reach: Reach) -> tuple[str, ...]:
    """Collect garbage if the disk is nearly full; what a person should know of it.

    Never waits, fails or takes long. Nothing is removed offline, when what somebody
    misses could not be fetched again, nor where `SPM_MIN_FREE` is 0.
    """
    import shutil
    from time import monotonic

    limit, store = _min_free(reach.environment), reach.store()
    if reach.offline or not limit or shutil.disk_usage(store.root).free >= limit:
        return ()
    try:
        found = store.collect(wait=False, deadline=monotonic() + AUTOMATIC_SECONDS)
    except SpmError as error:
        return (f"the disk is nearly full, and garbage cannot be collected: {error.message}",)
    if not found.freed:
        return ()
    return (f"the disk is nearly full; {shown_bytes(found.freed)} of garbage was removed",)


def _min_free(environment: Mapping[str, str]) -> int:
    text = environment.get("SPM_MIN_FREE")
    return bytes_of(text, what="SPM_MIN_FREE") if text else MIN_FREE_BYTES
