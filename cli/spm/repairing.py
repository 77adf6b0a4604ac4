"""Repairing the store: from its own whole copies, else from where the locks say it came."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from spm import console
from spm.project import NoProject, Project
from spm.reach import Reach
from spm_spec.errors import SpmError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from spm_spec.digests import Digest
    from spm_spec.lock import LockEntry
    from spm_store.damage import Damage
    from spm_store.store import Store


def repair_store(environment: Mapping[str, str], damages: Sequence[Damage]) -> None:
    """Put right what ``verify`` found, as far as it can be; what cannot is said on stderr.

    What the store cannot make whole by itself is fetched from the sources that the
    locks of registered projects, and of the project around, pin; checked byte for byte
    against the same digest. Others may use the store meanwhile.
    """
    reach = Reach.of(environment)
    store = reach.store()
    missing = set(store.repair(damages).missing)
    for project, entries in _who_pins(store, missing):
        wanted = [entry for entry in entries if entry.tree in missing]
        if wanted:
            missing -= _fetched(project, wanted, reach, store)
    for digest in sorted(missing, key=str):
        console.warn(f"{digest} is in no lock of this machine's projects that can be fetched now")


def _who_pins(
    store: Store, missing: Collection[Digest]
) -> Iterator[tuple[Project, Sequence[LockEntry]]]:
    """The projects whose locks pin some of ``missing``; one that cannot be read is passed over."""
    places = [root.place for root in store.roots() if root.kind == "project"]
    projects = {Project(place) for place in places}
    with suppress(NoProject):
        projects.add(Project.here())
    for project in sorted(projects, key=lambda project: project.root):
        try:
            lock = project.lock()
        except (SpmError, OSError) as error:
            console.warn(f"`{project.root}`: its lock cannot be read: {error}")
            continue
        if lock is not None and any(entry.tree in missing for entry in lock.entries):
            yield project, lock.entries


def _fetched(
    project: Project, entries: Sequence[LockEntry], reach: Reach, store: Store
) -> set[Digest]:
    """Fetch ``entries`` again; the digests that came, or none where a source failed."""
    from asyncio import run

    from spm.fetching import fetch_all

    try:
        damaged = [entry.tree for entry in entries]
        run(fetch_all(entries, project=project, reach=reach, store=store, damaged=damaged))
    except SpmError as error:
        console.warn(f"`{project.root}`: {error.message}")
        return set()
    return {entry.tree for entry in entries}
