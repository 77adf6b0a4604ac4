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

from spm.linking import Links, listed_skills, version_text
from spm.matching import check_names
from spm.project import remove_leftovers, replace_text, staged_text
from spm_spec.errors import AnswerIsNo, SpmError
from spm_spec.installed import Installed, InstalledSkill, render_installed
from spm_spec.sources import PathSource
from spm_store.shelves import SHELVES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from spm.locking import Change
    from spm.project import Project
    from spm.reach import Reach
    from spm_spec.digests import Digest
    from spm_spec.lock import Lock, LockEntry
    from spm_spec.manifest import Manifest
    from spm_store.store import Store


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


def in_place(project: Project, manifest: Manifest, lock: Lock, store: Path) -> bool:
    """Whether every skill of ``lock`` is linked to ``store`` and nothing else is.

    The no-op answer: one ``stat`` and one ``readlink`` a skill; no store is opened.
    """
    wanted = {(entry.name, version_text(entry), str(entry.tree)) for entry in lock.entries}
    listed = listed_skills(project)
    if {(skill.name, skill.version, skill.checksum) for skill in listed} != wanted:
        return False
    linked = manifest.link_mode == "symlink"
    for entry in lock.entries:
        place = project.skill_path(entry.name, version_text(entry))
        try:
            if linked and place.parent.readlink() != shelf_of(entry, store):
                return False
            os.stat(f"{place}/.")  # noqa: PTH116  # a Path loses the dot, which follows the link
        except OSError:
            return False
    return True


def shelf_of(entry: LockEntry, store: Path) -> Path:
    """What the project's link to a skill says."""
    return store / SHELVES / f"{entry.tree.hex}-{entry.name}"


async def install_lock(
    project: Project, manifest: Manifest, lock: Lock, reach: Reach, *, force: bool = False
) -> InstallReport:
    """Bring every skill of ``lock`` into the store and link it into ``project``.

    The caller holds `Project.exclusively`.

    Raises:
        DigestMismatch: what a source sent is not what the lock pins; nothing is linked.
        NotOurs: something of the user's stands where a link goes; ``force`` replaces it.
    """
    links = Links.of(project, lock, manifest.link_mode, force=force)
    store = reach.store()
    present = dict(store.paths_of([entry.tree for entry in lock.entries]))
    check_names(lock, present)
    missing = [
        entry
        for entry in lock.entries
        if entry.tree not in present or (force and _is_damaged(store, entry.tree))
    ]
    if missing:
        from spm.fetching import fetch_all

        await fetch_all(missing, project=project, reach=reach, store=store)
        present |= store.paths_of([entry.tree for entry in missing])
    index = _index_text(project, lock, reach.now().strftime("%Y-%m-%dT%H:%M:%SZ"))
    with staged_text(project.index_path, index) as put_index:
        unlinked = links.remove_strays()
        linked = links.make(present)
        put_index()
    store.sweep()
    return InstallReport(
        total=len(lock.entries),
        linked=linked,
        unlinked=unlinked,
        downloaded=len(missing),
        reused=len(linked) - len({entry.name for entry in missing} & set(linked)),
    )


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
        (entry.name, version_text(entry), shelf_of(entry, reach.places.store).name)
        for entry in lock.entries
    ]
    index = render_installed(Installed(_listed(lock, {}, PENDING), PENDING))
    with suppress(OSError, SpmError):
        texts = project.manifest_path.read_bytes(), project.lock_path.read_bytes()
        path = reach.places.compiled / key_of(*texts)
        if not path.exists():
            remove_leftovers(path)
            replace_text(path, CompiledLock(links, index).text())


def _is_damaged(store: Store, tree: Digest) -> bool:
    from spm_store.errors import TreeDamaged, TreeMissing

    try:
        store.verified(tree)
    except (TreeDamaged, TreeMissing):
        return True
    return False


def _index_text(project: Project, lock: Lock, now: str) -> str:
    before = {
        (skill.name, skill.version, skill.checksum): skill.installed_at
        for skill in listed_skills(project)
    }
    skills = _listed(lock, before, now)
    return render_installed(Installed(skills, now))


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
        LockOutOfDate: there is no lock, or it was made from another manifest, or a
            folder that it pins holds something else now.
    """
    from spm.sources.path import fetch_path
    from spm_spec.tree import build_tree

    lock = project.lock()
    if lock is None:
        raise LockOutOfDate(["there is no skills.lock"])
    differences = list(lock.differences(manifest))
    for entry in lock.entries:
        if isinstance(entry.source, PathSource):
            files = fetch_path(entry.source, root=project.root)
            if build_tree(files).digest != entry.tree:
                differences.append(f"the files of `{entry.name}` in `{entry.source.path}` changed")
    if differences:
        raise LockOutOfDate(differences)
    return lock
