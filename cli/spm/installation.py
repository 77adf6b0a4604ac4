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

from spm.linking import Links, listed_skills, version_text
from spm.matching import check_names
from spm.project import (
    LOCK_NAME,
    MANIFEST_NAME,
    PROFILE_MARKER,
    remove_leftovers,
    replace_text,
    writing,
)
from spm_spec.errors import AnswerIsNo, SpmError, UserMistake
from spm_spec.installed import Installed, InstalledSkill, render_installed
from spm_spec.sources import PathSource
from spm_store.generations import INDEX, Generations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm.locking import Change
    from spm.project import Project
    from spm.reach import Reach
    from spm_spec.digests import Digest
    from spm_spec.lock import Lock
    from spm_spec.manifest import LinkMode, Manifest
    from spm_store.generations import Generation
    from spm_store.leases import Lease
    from spm_store.roots import RootKind
    from spm_store.sets import Shown
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


@dataclass(frozen=True, slots=True)
class Target:
    """The skills folder that an install changes, and who keeps what it shows."""

    folder: Path
    place: Path
    """What the store knows it by: the project's folder, or the profile's."""
    kind: RootKind = "project"

    @staticmethod
    def of(project: Project) -> Target:
        """The skills folder of a project, or of a profile."""
        kind: RootKind = "profile" if (project.root / PROFILE_MARKER).exists() else "project"
        return Target(project.skills_folder, project.root, kind)


def shown_skills(lock: Lock) -> list[Shown]:
    """What a generation of ``lock`` shows."""
    from spm_store.sets import Shown

    return [Shown(str(e.name), version_text(e), e.tree) for e in lock.entries]


def set_of(lock: Lock) -> str:
    """The digest of the set that shows ``lock``."""
    from spm_store.sets import listing_of, set_digest

    return set_digest(listing_of(shown_skills(lock)))


def in_place(target: Target, lock: Lock, mode: LinkMode, store: Path, lock_text: bytes) -> bool:
    """Whether the generation in view shows ``lock`` from ``store``, and nothing is left to do.

    The no-op answer: a ``stat`` and a ``readlink`` a skill; no store is opened.
    """
    from spm_store.sets import SETS

    generations = Generations(target.folder)
    current = generations.current()
    if current is None or current.document(LOCK_NAME) != lock_text:
        return False
    links = Links.of(
        target.folder, lock, mode, generations=generations, disk=generations.disk, force=True
    )
    wanted = {(entry.name, version_text(entry), str(entry.tree)) for entry in lock.entries}
    if {(skill.name, skill.version, skill.checksum) for skill in links.listed} != wanted:
        return False
    digest = set_of(lock)
    return (
        links.is_shown(current, digest, f"{store}/{SETS}/{digest}")
        and links.is_in_view()
        and _is_kept(store, target, current)
    )


def _is_kept(store: Path, target: Target, current: Generation) -> bool:
    """Whether the store knows that this place shows this generation."""
    from spm_store.roots import root_path

    if not current.set:
        return True
    try:
        text = Path(root_path(os.fspath(store), os.fspath(target.place))).read_bytes()
    except OSError:
        return False
    return f"\ngeneration {current.number} {current.set}\n".encode() in text


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
    refuse_nested(project.root, reach.places.store)
    for entry in lock.entries:
        if isinstance(entry.source, PathSource):
            refuse_nested(project.root / entry.source.path, reach.places.store, "skill")
    store = reach.store()
    placing = Placing.of(target, lock, manifest.link_mode, store, force=force)
    digests = [entry.tree for entry in lock.entries]
    with store.lease(f"installing into {target.place}") as lease:
        lease.want(digests)
        present = dict(store.paths_of(digests))
        check_names(lock, present)
        damaged = {e.tree for e in lock.entries if force and _is_damaged(store, e.tree, present)}
        missing = [e for e in lock.entries if e.tree not in present or e.tree in damaged]
        if missing:
            from spm.fetching import fetch_all

            await fetch_all(missing, project=project, reach=reach, store=store, damaged=damaged)
            present |= store.paths_of([entry.tree for entry in missing])
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


def texts_of(project: Project) -> Mapping[str, bytes]:
    """Manifest and lock of a project as they are."""
    paths = {MANIFEST_NAME: project.manifest_path, LOCK_NAME: project.lock_path}
    return {name: path.read_bytes() for name, path in paths.items() if path.exists()}


def refuse_nested(root: Path, store: Path, what: str = "project") -> None:
    """Refuse a store inside the project, or a skill's folder, and either inside the store.

    Raises:
        StoreInProject: it is so.
    """
    one, other = os.path.realpath(root), os.path.realpath(store)
    if f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"):
        raise StoreInProject(store, Path(one), what)


@dataclass(frozen=True, slots=True)
class Placing:
    """Showing one lock in one skills folder, from a store that has all its trees.

    Needs no network; every change of the disk goes through the store's `Disk`.
    """

    target: Target
    lock: Lock
    store: Store
    generations: Generations
    links: Links

    @staticmethod
    def of(target: Target, lock: Lock, mode: LinkMode, store: Store, *, force: bool) -> Placing:
        """Look at the folder.

        Raises:
            NotOurs: something of the user's is in the way.
        """
        placing = Placing.looked_at(target, lock, mode, store, force=force)
        if not force:
            placing.links.refuse()
        return placing

    @staticmethod
    def looked_at(
        target: Target, lock: Lock, mode: LinkMode, store: Store, *, force: bool
    ) -> Placing:
        """Look at the folder and refuse nothing yet."""
        durable = store.durability != "none"
        generations = Generations(target.folder, store.disk, sync=durable)
        links = Links.of(
            target.folder, lock, mode, generations=generations, disk=store.disk, force=force
        )
        return Placing(target, lock, store, generations, links)

    def show(
        self, lease: Lease, present: Mapping[Digest, Path], texts: Mapping[str, bytes], now: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Bring the lock into view; the names that were not right, and those that went."""
        wrong, gone = self.links.wrong_names(), self.links.gone_names()
        digest, path = self.kept_set(lease)
        skills: str | Mapping[str, str] = path
        if self.links.way == "copied":
            skills = self.links.lay_copies(present)
        elif self.links.way == "plain":
            self.links.lay_folders(present)
        shown = self.generations.current()
        if shown is None or not self._is_same(shown, digest, path, texts):
            documents = {**texts, INDEX: self._index(now)}
            linked = self.links.way != "plain"
            shown = self.generations.prepare(skills, documents, set_digest=digest, linked=linked)
        self.keep(shown)
        self.generations.switch(shown, self.links.names)
        self.links.remove_old_strays()
        self.generations.prune()
        self.keep()  # after the pruning: rather too much is kept than too little
        return wrong, gone

    def show_again(
        self, generation: Generation, lease: Lease, trees: Mapping[Digest, Path]
    ) -> None:
        """Bring a generation into view that was made before."""
        if self.links.way == "linked":
            _, path = self.kept_set(lease)
            self.generations.relink(generation, path)
        elif self.links.way == "copied":
            self.links.lay_lacking(trees)
        else:
            self.links.lay_folders(trees)
        self.keep(generation)
        self.generations.switch(generation, self.links.names)
        self.links.remove_old_strays()

    def _is_same(
        self, shown: Generation, digest: str, path: str, texts: Mapping[str, bytes]
    ) -> bool:
        """Whether a generation is of the same lock, shown in the same way, and whole."""
        known = {(skill.name, skill.version, skill.checksum) for skill in self.links.listed}
        return (
            shown.document(LOCK_NAME) == texts.get(LOCK_NAME)
            and self.links.is_shown(shown, digest, path)
            and known == {(e.name, version_text(e), str(e.tree)) for e in self.lock.entries}
        )

    def kept_set(self, lease: Lease) -> tuple[str, str]:
        """The set that shows the lock, and its path; nothing where a store has no symlinks."""
        from spm_store.errors import StoreFailure
        from spm_store.generations import NO_LINKS

        try:
            shown = self.store.show(shown_skills(self.lock), lease)
        except StoreFailure as failure:
            if self.links.way == "linked" or failure.number not in NO_LINKS:
                raise
            return "", ""
        return shown.digest, os.fspath(shown.path)

    def keep(self, *generations: Generation) -> None:
        """Tell the store what the generations of the folder show."""
        every = {*self.generations.all(), *generations}
        sets = {each.number: each.set for each in every if each.set}
        self.store.keep(self.target.place, sets, kind=self.target.kind)

    def _index(self, now: str) -> bytes:
        before = {
            (skill.name, skill.version, skill.checksum): skill.installed_at
            for skill in listed_skills(self.target.folder)
        }
        return render_installed(Installed(_listed(self.lock, before, now), now)).encode()


def remember(project: Project, manifest: Manifest, lock: Lock, reach: Reach) -> None:
    """Compile an installed lock for the hot commands; a cache, so failing is no failure.

    Not for folders, which may change under the same lock, nor for private copies.
    """
    from spm.compiled import PENDING, CompiledLock, key_of

    if manifest.link_mode != "symlink" or reach.registry is not None:
        return
    if any(isinstance(entry.source, PathSource) for entry in lock.entries):
        return
    links = [(str(entry.name), version_text(entry)) for entry in lock.entries]
    index = render_installed(Installed(_listed(lock, {}, PENDING), PENDING))
    with suppress(OSError, SpmError):
        texts = project.manifest_path.read_bytes(), project.lock_path.read_bytes()
        path = reach.places.compiled / key_of(*texts)
        if not path.exists():
            remove_leftovers(path)
            replace_text(path, CompiledLock(set_of(lock), links, index).text())


def _is_damaged(store: Store, tree: Digest, present: Mapping[Digest, Path]) -> bool:
    from spm_store.errors import TreeDamaged, TreeMissing

    if tree not in present:
        return False
    try:
        store.verified(tree)
    except (TreeDamaged, TreeMissing):
        return True
    return False


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
