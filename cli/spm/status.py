"""Whether a project is as its lock says: what was changed, replaced, lost or left over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from spm.linking import Links
from spm.placing import Target
from spm.shown import version_text
from spm_store.copies import Drift, copied_digest, digest_in_name, drift_of, is_changed
from spm_store.generations import CURRENT, Generations
from spm_store.layout import VIEW, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from spm.project import Project
    from spm.reach import Reach
    from spm_spec.digests import Digest
    from spm_spec.lock import LockEntry

State: TypeAlias = Literal[
    "in-place", "changed", "replaced", "missing", "another-version", "not-in-lock"
]

MOST_FILES = 20
"""Of one skill, that are named; the others are counted."""

_UNCHANGED = Drift((), (), ())


@dataclass(frozen=True, slots=True)
class SkillStatus:
    """One skill of the lock, or one that is left over."""

    name: str
    version: str
    """The version that the lock pins; "" if it pins none."""
    state: State
    installed: str = ""
    """The version that is there, if it is another."""
    drift: Drift = _UNCHANGED

    def files(self) -> tuple[list[tuple[str, str]], int]:
        """The first files that differ as (how, path), and how many more there are."""
        drift = self.drift
        every = [
            *(("changed", path) for path in drift.changed),
            *(("added", path) for path in drift.added),
            *(("missing", path) for path in drift.missing),
        ]
        return every[:MOST_FILES], max(0, len(every) - MOST_FILES)

    def as_document(self) -> dict[str, object]:
        """The JSON form."""
        files, more = self.files()
        return {
            "name": self.name,
            "version": self.version or None,
            "state": self.state,
            "installed": self.installed or None,
            "files": [{"path": path, "state": how} for how, path in files],
            "moreFiles": more,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """A project beside its lock."""

    generation: int | None
    skills: tuple[SkillStatus, ...]
    differences: tuple[str, ...]
    """Between manifest and lock, or in how skills are shown."""

    @property
    def is_clean(self) -> bool:
        """Whether everything is as the lock says."""
        return not self.differences and all(each.state == "in-place" for each in self.skills)

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm status --json` prints."""
        return {
            "generation": self.generation,
            "clean": self.is_clean,
            "differences": list(self.differences),
            "skills": [skill.as_document() for skill in self.skills],
        }

    def lines(self) -> Iterator[str]:
        """What is not as it should be, for people."""
        yield from self.differences
        for skill in self.skills:
            if skill.state == "in-place":
                continue
            there = f" (there is {skill.installed})" if skill.installed else ""
            words = skill.state.replace("-", " ")
            yield f"{skill.name} {skill.version}".rstrip() + f": {words}{there}"
            files, more = skill.files()
            yield from (f"  {how}: {path}" for how, path in files)
            if more:
                yield f"  and {more} more"


def status_of(project: Project, reach: Reach) -> Status:
    """Compare what a project shows with its lock; nothing is changed."""
    manifest, lock = project.manifest(), project.lock()
    folder = Target.of(project).folder
    generations = Generations(folder)
    current = generations.current()
    number = current.number if current is not None else None
    if lock is None:
        return Status(number, (), ("there is no skills.lock",))
    links = Links.of(
        folder,
        lock,
        manifest.link_mode,
        generations=generations,
        disk=generations.disk,
        force=True,
        plain=current is not None and not (folder / CURRENT).is_symlink(),
    )
    differences = list(lock.differences(manifest))
    if (
        current is not None
        and links.way != "plain"
        and current.is_linked != (links.way == "linked")
    ):
        shown = "symlink" if current.is_linked else "copy"
        differences.append(f"skills are shown by {shown}, not by {manifest.link_mode}")
    look = _Look(links, {} if links.way == "linked" else _trees(links, reach))
    skills = [look.at(entry) for entry in lock.entries]
    skills += [SkillStatus(name, "", "not-in-lock") for name in links.gone_names()]
    return Status(number, tuple(sorted(skills, key=lambda each: each.name)), tuple(differences))


def _trees(links: Links, reach: Reach) -> Mapping[Digest, Path]:
    return reach.store().paths_of([entry.tree for entry in links.lock.entries])


@dataclass(frozen=True, slots=True)
class _Look:
    links: Links
    trees: Mapping[Digest, Path]
    """Of the store, to compare copies with."""

    def at(self, entry: LockEntry) -> SkillStatus:
        """Look at one skill of the lock."""
        name, version, place = str(entry.name), version_text(entry), self.links.place(entry)
        if not os.path.lexists(place.parent):
            return SkillStatus(name, version, "missing")
        if self._is_replaced(place.parent):
            return SkillStatus(name, version, "replaced")
        there = {skill.name: skill for skill in self.links.listed}.get(name)
        if there is not None and there.checksum != str(entry.tree):
            return SkillStatus(name, version, "another-version", installed=there.version)
        if not place.is_dir():
            return SkillStatus(name, version, "missing")
        state, drift = self._contents(os.path.realpath(place), entry)
        return SkillStatus(name, version, state, drift=drift)

    def _is_replaced(self, top: Path) -> bool:
        """Whether a person put something else where spm puts a skill."""
        if self.links.way == "plain":
            return top.is_symlink() or not top.is_dir()
        return target_of(os.fspath(top)) != f"{VIEW}/{top.name}"

    def _contents(self, place: str, entry: LockEntry) -> tuple[State, Drift]:
        """Compare a private copy; of a stored tree the name is enough, as `verify` hashes it."""
        if digest_in_name(place) == entry.tree.hex:
            return "in-place", _UNCHANGED
        if copied_digest(place) != entry.tree.hex:
            return "replaced", _UNCHANGED
        tree = self.trees.get(entry.tree)
        if tree is None:
            return ("changed" if is_changed(place) else "in-place"), _UNCHANGED
        drift = drift_of(place, os.fspath(tree))
        return ("changed" if drift else "in-place"), drift
