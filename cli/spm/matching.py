"""Whether what a digest leads to is the skill that the lock says it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm.shown import version_text
from spm_spec.errors import HostileDataError
from spm_spec.ranges import VersionRange
from spm_spec.sources import RegistrySource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from spm_spec.digests import Digest
    from spm_spec.lock import Lock, LockEntry
    from spm_spec.skill import Skill


class NotTheLockedSkill(HostileDataError):
    """What a digest leads to is not the skill that a registry or a lock said it is."""

    kind = "not-the-locked-skill"

    def __init__(self, entry: LockEntry, difference: str) -> None:
        """Name the skill, where it is said to come from, and the ``difference``."""
        super().__init__(
            f"`{entry.name}` {version_text(entry)} from {entry.source.text}: {difference}",
            hint="if skills.lock was edited, delete it and run `spm lock`;"
            " otherwise do not trust that source",
        )
        self.entry, self.difference = entry, difference


def check_names(lock: Lock, present: Mapping[Digest, Path]) -> None:
    """Refuse a lock that gives a tree of the store to another skill.

    Raises:
        NotTheLockedSkill: the tree is in the store, as another skill.
    """
    for entry in lock.entries:
        path = present.get(entry.tree)
        if path is not None and path.name.partition("-")[2] != entry.name:
            raise NotTheLockedSkill(entry, f"it is `{path.name.partition('-')[2]}` in the store")


def registries_of(entries: Iterable[LockEntry]) -> dict[str, list[LockEntry]]:
    """The entries that come from registries, by registry."""
    grouped: dict[str, list[LockEntry]] = {}
    for entry in entries:
        if isinstance(entry.source, RegistrySource):
            grouped.setdefault(entry.source.url, []).append(entry)
    return grouped


def check_same_skill(entry: LockEntry, skill: Skill | None) -> None:
    """Refuse a skill that is not the one the lock describes.

    The digest already proves the bytes; this refuses a registry that lied about them
    when the lock was made, and a lock whose name or asked policy was edited since.

    Raises:
        NotTheLockedSkill: name, version, policy or needs differ, or it does not load.
    """
    if skill is None:
        raise NotTheLockedSkill(entry, "it does not load")
    if skill.name != entry.name:
        raise NotTheLockedSkill(entry, f"it is `{skill.name}` in its own SKILL.md")
    if skill.version is not None and skill.version != entry.version:
        raise NotTheLockedSkill(entry, f"it is {skill.version} in its own files")
    if skill.permissions != entry.policy:
        raise NotTheLockedSkill(entry, "it asks for other rights than were stated for it")
    stated = {name: VersionRange.parse(text) for name, text in entry.dependencies}
    if stated != dict(skill.dependencies):
        raise NotTheLockedSkill(entry, "it needs other skills than were stated for it")
