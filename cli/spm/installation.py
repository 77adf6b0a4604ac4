"""From a lock to folders an agent can read.

The order is the promise: bytes come into the store and are committed there, then
the project's links change, then its index. A crash between two steps leaves links
that are right or missing, and the next install finishes the work; nothing that a
link names is ever incomplete.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm.project import replace_text
from spm_spec.errors import AnswerIsNo, SpmError
from spm_spec.installed import Installed, InstalledSkill, render_installed
from spm_spec.sources import PathSource, RegistrySource

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from spm.locking import Change
    from spm.project import Project
    from spm.reach import Reach
    from spm_spec.digests import Digest
    from spm_spec.lock import Lock, LockEntry
    from spm_spec.manifest import Manifest
    from spm_spec.tree import FileEntry


class LockOutOfDate(AnswerIsNo):
    """A frozen install found that the lock is not the one of this manifest."""

    kind = "lock-out-of-date"

    def __init__(self, differences: Sequence[str]) -> None:
        """Name every difference."""
        shown = "; ".join(differences)
        super().__init__(
            f"skills.lock does not fit skills.toml: {shown}",
            hint="run `spm lock`, review the change, and commit skills.lock",
        )
        self.differences = tuple(differences)


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What an install did."""

    total: int
    linked: tuple[str, ...]
    unlinked: tuple[str, ...]
    downloaded: int
    reused: int
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm install --json` prints."""
        return {
            "total": self.total,
            "linked": list(self.linked),
            "unlinked": list(self.unlinked),
            "downloaded": self.downloaded,
            "reused": self.reused,
            "changes": [change.as_document() for change in self.changes],
            "warnings": list(self.warnings),
        }


def version_text(entry: LockEntry) -> str:
    """The version folder of a lock entry."""
    return str(entry.version) if entry.version is not None else "0.0.0"


def in_place(project: Project, manifest: Manifest, lock: Lock, store: Path) -> bool:
    """Whether every skill of ``lock`` is linked to ``store`` and nothing else is.

    The no-op answer: one ``stat`` and one ``readlink`` a skill; no store is opened.
    """
    wanted = {(entry.name, version_text(entry), str(entry.tree)) for entry in lock.entries}
    listed = project.installed().skills
    if {(skill.name, skill.version, skill.checksum) for skill in listed} != wanted:
        return False
    linked = manifest.link_mode == "symlink"
    root, trees = str(project.skills_folder), f"{store}/trees/"
    for entry in lock.entries:
        link = f"{root}/{entry.name}/{version_text(entry)}"
        try:
            if linked and os.readlink(link) != f"{trees}{entry.tree.hex}-{entry.name}":  # noqa: PTH115  # hot
                return False
            os.stat(f"{link}/.")  # noqa: PTH116  # hot
        except OSError:
            return False
    return True


async def install_lock(
    project: Project, manifest: Manifest, lock: Lock, reach: Reach, *, force: bool = False
) -> InstallReport:
    """Bring every skill of ``lock`` into the store and link it into ``project``.

    The caller holds `Project.exclusively`.

    Raises:
        DigestMismatch: what a source sent is not what the lock pins; nothing is linked.
        NotOurs: something of the user's stands where a link goes; ``force`` replaces it.
    """
    store = reach.store()
    present = dict(store.paths_of([entry.tree for entry in lock.entries]))
    missing = [entry for entry in lock.entries if entry.tree not in present]
    if missing:
        from spm.fetching import fetch_all

        await fetch_all(missing, project=project, reach=reach, store=store)
        present |= store.paths_of([entry.tree for entry in missing])
    linked = _link(project, manifest, lock, present, force=force)
    unlinked = _unlink_others(project, lock)
    _write_index(project, lock, reach.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    return InstallReport(
        total=len(lock.entries),
        linked=linked,
        unlinked=unlinked,
        downloaded=len(missing),
        reused=len(linked) - len({entry.name for entry in missing} & set(linked)),
    )


def _link(
    project: Project,
    manifest: Manifest,
    lock: Lock,
    trees: Mapping[Digest, Path],
    *,
    force: bool,
) -> tuple[str, ...]:
    from spm_store.layout import copy_skill, link_skill

    lay = copy_skill if manifest.link_mode == "copy" else link_skill
    changed: list[str] = []
    for entry in lock.entries:
        destination = project.skill_path(entry.name, version_text(entry))
        if lay(trees[entry.tree], destination, force=force):
            changed.append(entry.name)
    return tuple(changed)


def _unlink_others(project: Project, lock: Lock) -> tuple[str, ...]:
    """Remove links of skills that are no longer in the lock, as the index lists them."""
    from spm_store.layout import unlink_skill

    kept = {(entry.name, version_text(entry)) for entry in lock.entries}
    removed: list[str] = []
    for skill in project.installed().skills:
        if (skill.name, skill.version) in kept:
            continue
        path = project.skill_path(skill.name, skill.version)
        unlink_skill(path)
        with suppress(OSError):  # another version, or something of the user's, is in there
            path.parent.rmdir()
        removed.append(skill.name)
    return tuple(removed)


def remember(project: Project, manifest: Manifest, lock: Lock, reach: Reach) -> None:
    """Compile an installed lock for the hot commands; a cache, so failing is no failure.

    Not for folders, which may change under the same lock, nor for private copies.
    """
    from spm.compiled import PENDING, CompiledLock, key_of

    if manifest.link_mode != "symlink" or reach.registry is not None:
        return
    if any(isinstance(entry.source, PathSource) for entry in lock.entries):
        return
    links = [
        (f"{entry.name}/{version_text(entry)}", f"{entry.tree.hex}-{entry.name}")
        for entry in lock.entries
    ]
    index = render_installed(Installed(_listed(lock, {}, PENDING), PENDING))
    with suppress(OSError, SpmError):
        texts = project.manifest_path.read_bytes(), project.lock_path.read_bytes()
        path = reach.places.compiled / key_of(*texts)
        if not path.exists():
            replace_text(path, CompiledLock(links, index).text())


def _write_index(project: Project, lock: Lock, now: str) -> None:
    before = {
        (skill.name, skill.version, skill.checksum): skill.installed_at
        for skill in project.installed().skills
    }
    skills = _listed(lock, before, now)
    replace_text(project.index_path, render_installed(Installed(skills, now)))


def _listed(
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


def frozen_lock(project: Project, manifest: Manifest) -> Lock:
    """The lock as it is, for an install that may not resolve.

    Raises:
        LockOutOfDate: there is no lock, or it was made from another manifest.
    """
    lock = project.lock()
    if lock is None:
        raise LockOutOfDate(["there is no skills.lock"])
    differences = lock.differences(manifest)
    if differences:
        raise LockOutOfDate(differences)
    return lock


def registries_of(entries: Iterable[LockEntry]) -> dict[str, list[LockEntry]]:
    """The entries that come from registries, by registry."""
    grouped: dict[str, list[LockEntry]] = {}
    for entry in entries:
        if isinstance(entry.source, RegistrySource):
            grouped.setdefault(entry.source.url, []).append(entry)
    return grouped


def check_same_skill(entry: LockEntry, files: Sequence[FileEntry]) -> None:
    """Refuse files whose skill is not the one the lock describes.

    The digest already proves the bytes; this refuses a lock whose name or asked
    policy was edited to differ from what those bytes say.

    Raises:
        LockOutOfDate: name, version or policy differ.
    """
    from spm_spec.skill import read_skill

    reading = read_skill({file.path: file.data for file in files}, folder=entry.name)
    skill = reading.skill
    if skill is None:
        raise LockOutOfDate([f"`{entry.name}` does not load"])
    if skill.name != entry.name:
        raise LockOutOfDate([f"`{entry.name}` is `{skill.name}` in its own SKILL.md"])
    if skill.version is not None and skill.version != entry.version:
        raise LockOutOfDate([f"`{entry.name}` {entry.version} is {skill.version} in its own files"])
    if skill.permissions != entry.policy:
        raise LockOutOfDate([f"`{entry.name}` asks for other rights than the lock records"])
