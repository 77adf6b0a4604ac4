"""From a lock to folders an agent can read.

The order is the promise: what the lock needs is said in a lease, missing bytes come
into the store and are committed there, the next generation is made beside the one in
view, the store is told to keep it, and one rename switches to it. A crash between two
steps leaves the old generation whole and in view; the next command clears the rest.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm.matching import check_names
from spm.placing import Placing, Target
from spm.project import (
    LOCK_NAME,
    MANIFEST_NAME,
    remove_leftovers,
    writing,
)
from spm.shown import compiled_form
from spm_spec.errors import AnswerIsNo, SpmError, UserMistake
from spm_spec.sources import PathSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


class StoreInProject(UserMistake):
    """The store and a project, or a skill's folder, contain each other."""

    def __init__(self, store: Path, folder: Path, what: str = "project") -> None:
        """Name both; ``what`` is the folder."""
        super().__init__(
            f"{store}: the store is in the way of the {what} `{folder}`, one holds the other",
            hint="choose another folder for the store with `SPM_DATA`",
        )


async def install_lock(
    project: Project,
    manifest: Manifest,
    lock: Lock,
    reach: Reach,
    *,
    force: bool = False,
    target: Target | None = None,
    texts: Mapping[str, bytes] | None = None,
) -> InstallReport:
    """Bring every skill of ``lock`` into the store and show it in ``project``.

    The caller holds `Project.exclusively`. ``target`` is another folder than the
    project's; ``texts`` are manifest and lock as they will be, for a rollback.

    Raises:
        DigestMismatch: what a source sent is not what the lock pins; nothing is linked.
        NotOurs: something of the user's stands where a link goes; ``force`` replaces it.
        StoreInProject: one holds the other.
    """
    target = target or Target.of(project)
    refuse_nested(project.root, reach)
    for entry in lock.entries:
        if isinstance(entry.source, PathSource):
            refuse_nested(project.root / entry.source.path, reach, "skill")
    store = reach.store()
    placing = Placing.of(target, lock, manifest.link_mode, store, force=force)
    with store.lease(f"installing into {target.place}") as lease:
        lease.want([entry.tree for entry in lock.entries])
        present, missing = await _brought(project, lock, reach, store, force=force)
        now = reach.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        with writing(target.folder):
            linked, unlinked = placing.show(lease, present, texts or texts_of(project), now)
    store.sweep()
    return InstallReport(
        total=len(lock.entries),
        linked=linked,
        unlinked=unlinked,
        downloaded=len(missing),
        reused=len(linked) - len({entry.name for entry in missing} & set(linked)),
    )


async def _brought(
    project: Project, lock: Lock, reach: Reach, store: Store, *, force: bool
) -> tuple[Mapping[Digest, Path], Sequence[LockEntry]]:
    """Where every tree stands, and the entries that had to be fetched for that."""
    digests = [entry.tree for entry in lock.entries]
    present = dict(store.paths_of(digests))
    check_names(lock, present)
    damaged = {tree for tree in digests if force and _is_damaged(store, tree, present)}
    missing = [e for e in lock.entries if e.tree not in present or e.tree in damaged]
    if missing:
        from spm.fetching import fetch_all

        await fetch_all(missing, project=project, reach=reach, store=store, damaged=damaged)
        present |= store.paths_of([entry.tree for entry in missing])
    return present, missing


def texts_of(project: Project) -> Mapping[str, bytes]:
    """Manifest and lock of a project as they are."""
    paths = {MANIFEST_NAME: project.manifest_path, LOCK_NAME: project.lock_path}
    return {name: path.read_bytes() for name, path in paths.items() if path.exists()}


def refuse_nested(root: Path, reach: Reach, what: str = "project") -> None:
    """Refuse a store inside the project, or a skill's folder, and either inside the store.

    A home folder may be a project: the store's own place in it was nobody's mistake.

    Raises:
        StoreInProject: it is so.
    """
    store = reach.places.store
    one, other = os.path.realpath(root), os.path.realpath(store)
    chosen = not {"SPM_DATA", "SPM_STORE_PATH"}.isdisjoint(reach.environment)
    inside = f"{other}/".startswith(f"{one}/") and (chosen or what != "project")
    if inside or f"{one}/".startswith(f"{other}/"):
        raise StoreInProject(store, Path(one), what)


def remember(project: Project, manifest: Manifest, lock: Lock, reach: Reach) -> None:
    """Compile an installed lock for the hot commands; a cache, so failing is no failure.

    Not for folders, which may change under the same lock, nor for private copies.
    """
    from spm.compiled import key_of, read, write

    if manifest.link_mode != "symlink" or reach.registry is not None:
        return
    if any(isinstance(entry.source, PathSource) for entry in lock.entries):
        return
    with suppress(OSError, SpmError):
        texts = project.manifest_path.read_bytes(), project.lock_path.read_bytes()
        path = reach.places.compiled / key_of(*texts)
        if read(os.fspath(path)) is None:
            remove_leftovers(path)
            write(os.fspath(path), compiled_form(lock))


def _is_damaged(store: Store, tree: Digest, present: Mapping[Digest, Path]) -> bool:
    from spm_store.errors import TreeDamaged, TreeMissing

    if tree not in present:
        return False
    try:
        store.verified(tree)
    except (TreeDamaged, TreeMissing):
        return True
    return False


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
