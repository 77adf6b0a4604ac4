"""Showing one lock in one skills folder: what is there, and what a new generation makes of it.

Nothing here needs a network. The order is that of spec/installed.md: the generation is
made beside the one in view, the store is told to keep it, one rename switches to it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spm.linking import Links, listed_skills
from spm.project import LOCK_NAME, PROFILE_MARKER
from spm.shown import index_entries, set_of, shown_skills, version_text
from spm_spec.installed import Installed, render_installed
from spm_store.generations import INDEX, KEPT, Generations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm.project import Project
    from spm_spec.digests import Digest
    from spm_spec.lock import Lock
    from spm_spec.manifest import LinkMode
    from spm_store.generations import Generation
    from spm_store.leases import Lease
    from spm_store.roots import RootKind
    from spm_store.store import Store


_MOST_KEPT = 2 * KEPT
"""Generations that the store is told of; a root holds so many, with room."""


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
        try:
            return self._show(lease, present, texts, now)
        except BaseException:
            with suppress(OSError):  # what cannot be removed now is removed by the next change
                self.generations.clear()
            raise

    def _show(
        self, lease: Lease, present: Mapping[Digest, Path], texts: Mapping[str, bytes], now: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
        """Tell the store what the generations of the folder show, as far as it has their sets."""
        # Those beyond are pruned as soon as an install is not interrupted before that.
        every = {*self.generations.all()[-_MOST_KEPT:], *generations, self.generations.current()}
        shown = {each.number: each.set for each in every if each is not None and each.set}
        sets = {number: name for number, name in shown.items() if self.store.has_set(name)}
        self.store.keep(self.target.place, sets, kind=self.target.kind)

    def _index(self, now: str) -> bytes:
        before = {
            (skill.name, skill.version, skill.checksum): skill.installed_at
            for skill in listed_skills(self.target.folder)
        }
        return render_installed(Installed(index_entries(self.lock, before, now), now)).encode()
