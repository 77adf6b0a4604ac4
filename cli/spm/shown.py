"""What a lock shows: version folders, the set of the store, the index of the project.

Nothing here looks at a disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_spec.installed import Installed, InstalledSkill, render_installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm.compiled import CompiledLock
    from spm_spec.lock import Lock, LockEntry
    from spm_store.sets import Shown


def version_text(entry: LockEntry) -> str:
    """The version folder of a lock entry."""
    return str(entry.version) if entry.version is not None else "0.0.0"


def shown_skills(lock: Lock) -> list[Shown]:
    """What a generation of ``lock`` shows."""
    from spm_store.sets import Shown

    return [Shown(str(e.name), version_text(e), e.tree) for e in lock.entries]


def set_of(lock: Lock) -> str:
    """The digest of the set that shows ``lock``."""
    from spm_store.sets import listing_of, set_digest

    return set_digest(listing_of(shown_skills(lock)))


def compiled_form(lock: Lock) -> CompiledLock:
    """What the hot commands need to know of ``lock``."""
    from spm.compiled import PENDING, CompiledLock

    links = [(str(entry.name), version_text(entry)) for entry in lock.entries]
    index = render_installed(Installed(index_entries(lock, {}, PENDING), PENDING))
    return CompiledLock(set_of(lock), links, index)


def index_entries(
    lock: Lock, before: Mapping[tuple[str, str, str], str], now: str
) -> tuple[InstalledSkill, ...]:
    """The index entries of ``lock``; what was installed ``before`` keeps its time."""
    skills: list[InstalledSkill] = []
    for entry in lock.entries:
        key = (entry.name, version_text(entry), str(entry.tree))
        skills.append(
            InstalledSkill(
                name=entry.name,
                version=key[1],
                installed_at=before.get(key, now),
                source=entry.source.text,
                checksum=key[2],
            )
        )
    return tuple(skills)
