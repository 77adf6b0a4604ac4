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
    from collections.abc import Collection, Mapping, Sequence
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


def place_of(project: Project, entry: LockEntry, mode: LinkMode) -> Path:
    """What spm puts into the project for one skill: a link to its shelf, or a copy.

    Either way the skill is then found at `Project.skill_path`.
    """
    if mode == "copy":
        return project.skill_path(entry.name, version_text(entry))
    return project.skills_folder / entry.name


@dataclass(frozen=True, slots=True)
class Links:
    """The change of a project's links that a lock asks for."""

    project: Project
    lock: Lock
    mode: LinkMode
    strays: tuple[Path, ...]
    """What spm put there and this lock does not want."""
    force: bool

    @staticmethod
    def of(project: Project, lock: Lock, mode: LinkMode, *, force: bool) -> Links:
        """Look at what is there.

        Raises:
            NotOurs: something that spm did not put there is in the way.
        """
        wanted = [place_of(project, entry, mode) for entry in lock.entries]
        links = Links(project, lock, mode, _strays(project, set(wanted)), force)
        if not force:
            links._refuse_foreign(wanted)
        return links

    def _refuse_foreign(self, wanted: Sequence[Path]) -> None:
        from spm_store.errors import NotOurs
        from spm_store.layout import refuse_if_not_ours

        strays = set(self.strays)
        for place in (*wanted, *self.strays):
            above = place.parent
            if above != self.project.skills_folder and above not in strays and _is_no_folder(above):
                raise NotOurs(above, "a file or link that spm did not put there")
            if not os.path.lexists(place):
                continue
            if place in strays or _is_no_folder(place) or self.mode == "copy":
                refuse_if_not_ours(place)
            elif not strays.issuperset(place.iterdir()):
                raise NotOurs(place, "a folder with files that spm did not put there")

    def make(self, trees: Mapping[Digest, Path]) -> tuple[str, ...]:
        """Link, or copy, every skill of the lock; the names that were not right already."""
        changed = [entry.name for entry in self.lock.entries if self._lay(entry, trees[entry.tree])]
        return tuple(changed)

    def _lay(self, entry: LockEntry, tree: Path) -> bool:
        from spm_store.layout import copy_skill, link_skill
        from spm_store.shelves import shelve

        place = place_of(self.project, entry, self.mode)
        if self.mode != "copy":
            return link_skill(shelve(tree, version_text(entry)), place, force=self.force)
        if self.force and _is_no_folder(place.parent):
            place.parent.unlink()
        return copy_skill(tree, place, force=self.force)

    def remove_strays(self) -> tuple[str, ...]:
        """Remove the strays; the names of skills that are gone with them.

        Comes before `make`: a stray may stand where a link or a folder goes.
        """
        from spm_store.layout import unlink_skill

        kept = {entry.name for entry in self.lock.entries}
        removed: set[str] = set()
        for place in self.strays:
            unlink_skill(place, force=self.force)
            name = place.name
            if place.parent != self.project.skills_folder:
                name = place.parent.name
                with suppress(OSError):  # another version, or something of the user's, is in there
                    place.parent.rmdir()
            if name not in kept:
                removed.add(name)
        return tuple(sorted(removed))


def _strays(project: Project, wanted: Collection[Path]) -> tuple[Path, ...]:
    """What the index lists, and what an interrupted spm put there before it could list it.

    Whatever else a person keeps in the folder is left alone.
    """
    from spm_store.layout import is_ours

    listed = {project.skill_path(skill.name, skill.version) for skill in listed_skills(project)}
    strays: list[Path] = []
    for top in project.skills_folder.glob("[!.]*"):
        candidates = [top] if _is_no_folder(top) else list(top.glob("[!.]*"))
        strays += [
            place
            for place in candidates
            if place not in wanted and (place in listed or is_ours(place))
        ]
    return tuple(sorted(strays))


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())
