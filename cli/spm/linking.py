"""The links of a project's skills: which are wanted, which are strays, what is in the way.

Everything that a person put there is refused before anything is changed, unless a
person says ``force``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.installed import DamagedIndex

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from spm.project import Project
    from spm_spec.digests import Digest
    from spm_spec.installed import InstalledSkill
    from spm_spec.lock import Lock, LockEntry
    from spm_spec.manifest import LinkMode


def version_text(entry: LockEntry) -> str:
    """The version folder of a lock entry."""
    return str(entry.version) if entry.version is not None else "0.0.0"


def listed_skills(project: Project) -> tuple[InstalledSkill, ...]:
    """What the index lists; a damaged index lists nothing and is written again."""
    try:
        return project.installed().skills
    except DamagedIndex:
        return ()


@dataclass(frozen=True, slots=True)
class Links:
    """The change of a project's links that a lock asks for."""

    project: Project
    lock: Lock
    strays: tuple[tuple[str, str], ...]
    """Names and versions that are linked and not in the lock."""
    force: bool

    @staticmethod
    def of(project: Project, lock: Lock, *, force: bool) -> Links:
        """Look at what is there.

        Raises:
            NotOurs: something that spm did not put there is in the way.
        """
        links = Links(project, lock, _strays(project, lock), force)
        if not force:
            links._refuse_foreign()
        return links

    def _refuse_foreign(self) -> None:
        from spm_store.errors import NotOurs
        from spm_store.layout import refuse_if_not_ours

        wanted = [(entry.name, version_text(entry)) for entry in self.lock.entries]
        for name, version in (*wanted, *self.strays):
            path = self.project.skill_path(name, version)
            if _is_no_folder(path.parent):
                raise NotOurs(path.parent, "a file or link that spm did not put there")
            if os.path.lexists(path):
                refuse_if_not_ours(path)

    def make(self, trees: Mapping[Digest, Path], mode: LinkMode) -> tuple[str, ...]:
        """Link, or copy, every skill of the lock; the names that were not right already."""
        from spm_store.layout import copy_skill, link_skill

        lay = copy_skill if mode == "copy" else link_skill
        changed: list[str] = []
        for entry in self.lock.entries:
            destination = self.project.skill_path(entry.name, version_text(entry))
            if self.force and _is_no_folder(destination.parent):
                destination.parent.unlink()
            if lay(trees[entry.tree], destination, force=self.force):
                changed.append(entry.name)
        return tuple(changed)

    def remove_strays(self) -> tuple[str, ...]:
        """Remove what is linked and not in the lock; the names."""
        from spm_store.layout import unlink_skill

        removed: list[str] = []
        for name, version in self.strays:
            path = self.project.skill_path(name, version)
            unlink_skill(path, force=self.force)
            with suppress(OSError):  # another version, or something of the user's, is in there
                path.parent.rmdir()
            removed.append(name)
        return tuple(removed)


def _strays(project: Project, lock: Lock) -> tuple[tuple[str, str], ...]:
    """What the index lists, and what an interrupted spm linked before it could list it.

    Whatever else a person keeps in the folder is left alone.
    """
    from spm_store.layout import is_ours

    kept = {(entry.name, version_text(entry)) for entry in lock.entries}
    listed = {(skill.name, skill.version) for skill in listed_skills(project)} - kept
    found = {(path.parent.name, path.name) for path in project.skills_folder.glob("[!.]*/[!.]*")}
    linked = {pair for pair in found - kept - listed if is_ours(project.skill_path(*pair))}
    return tuple(sorted(listed | linked))


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())
