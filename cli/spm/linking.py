"""A skills folder and the lock it is to show: what is right already, what is in the way.

There are three ways to show a skill: by a set of the store (`symlink`), by a private
copy that a generation links (`copy`, `reflink`), and by a plain folder where the file
system has no symlinks. Everything that a person put there or changed is refused before
anything is changed, unless a person says ``force``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from spm.shown import version_text
from spm_spec.installed import DamagedIndex, InstalledSkill
from spm_store.copies import copied_digest, is_changed
from spm_store.generations import COPIES, INDEX
from spm_store.layout import VIEW, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from spm_spec.digests import Digest
    from spm_spec.lock import Lock, LockEntry
    from spm_spec.manifest import LinkMode
    from spm_store.durable import Disk
from spm_store.generations import Generation, Generations

Way: TypeAlias = Literal["linked", "copied", "plain"]


def listed_skills(folder: Path) -> tuple[InstalledSkill, ...]:
    """What the index of a skills folder lists; a damaged index lists nothing."""
    from spm.project import read_index

    try:
        return read_index(folder / INDEX).skills
    except DamagedIndex:
        return ()


@dataclass(frozen=True, slots=True)
class Links:
    """One skills folder, and the lock that it is to show."""

    folder: Path
    lock: Lock
    mode: LinkMode
    way: Way
    generations: Generations
    disk: Disk
    listed: tuple[InstalledSkill, ...]
    force: bool

    @staticmethod
    def of(
        folder: Path,
        lock: Lock,
        mode: LinkMode,
        *,
        generations: Generations,
        disk: Disk,
        force: bool,
        plain: bool | None = None,
    ) -> Links:
        """Look at what is there; ``plain`` says what is otherwise tried by making a link."""
        way: Way = "linked" if mode == "symlink" else "copied"
        if plain if plain is not None else not generations.links_work():
            way = "plain"
        listed = listed_skills(folder)
        return Links(folder, lock, mode, way, generations, disk, listed, force)

    @property
    def names(self) -> tuple[str, ...]:
        """The skills of the lock."""
        return tuple(str(entry.name) for entry in self.lock.entries)

    def place(self, entry: LockEntry) -> Path:
        """Where the skill is found, however it is shown."""
        return self.folder / entry.name / version_text(entry)

    # Refusing.

    def refuse(self) -> None:
        """Refuse what would be lost.

        Raises:
            NotOurs: something that spm did not put there, or that was changed, is in the way.
        """
        from spm_store.layout import refuse_if_not_ours

        self.refuse_in_view()
        if self.way != "copied":
            return
        in_view = set(self._copies_in_view().values())
        for entry in self.lock.entries:
            if self._copy_of(entry) not in in_view:
                refuse_if_not_ours(self._copy_of(entry))

    def refuse_in_view(self) -> None:
        """Refuse what would leave the view, and be lost with it.

        Raises:
            NotOurs: as `refuse`.
        """
        from spm_store.layout import refuse_if_not_ours

        for place in self._leaving_copies():
            refuse_if_not_ours(place)
        if self.way == "plain":
            self._refuse_folders()
            return
        for name in self.names:
            self._refuse_at(self.folder / name)

    def _leaving_copies(self) -> Iterator[Path]:
        """Private copies in view that the lock does not show."""
        current = self.generations.current()
        if current is not None and current.is_linked:
            return
        wanted = {(str(e.name), version_text(e), str(e.tree)) for e in self.lock.entries}
        for skill in self.listed:
            place = self.folder / skill.name / skill.version
            stays = (skill.name, skill.version, skill.checksum) in wanted and self.way != "linked"
            known = current is not None or copied_digest(os.fspath(place)) is not None
            if not stays and known and place.is_dir():
                yield place

    def _refuse_at(self, place: Path) -> None:
        """Refuse what is no link of ours, but a folder of unchanged copies of an old spm."""
        from spm_store.errors import NotOurs
        from spm_store.layout import is_ours, refuse_if_not_ours

        if place.is_symlink() or not place.is_dir():
            refuse_if_not_ours(place)
            return
        children = list(place.iterdir())
        if not children or not all(map(is_ours, children)):
            raise NotOurs(place, "a folder with files that spm did not put there")
        for child in children:
            refuse_if_not_ours(child)

    def _refuse_folders(self) -> None:
        from spm_store.errors import NotOurs
        from spm_store.layout import refuse_if_not_ours

        wanted = [self.place(entry) for entry in self.lock.entries]
        strays = self._plain_strays()
        for place in (*wanted, *strays):
            if place.parent != self.folder and _is_no_folder(place.parent):
                raise NotOurs(place.parent, "a file or link that spm did not put there")
            refuse_if_not_ours(place)

    # What is there.

    def _copy_of(self, entry: LockEntry) -> Path:
        return self.folder / COPIES / f"{entry.tree.hex}-{entry.name}" / version_text(entry)

    def _copies_in_view(self) -> dict[str, Path]:
        current = self.generations.current()
        if current is None or current.is_linked:
            return {}
        shown = {skill.name: (current.copy_of(skill.name), skill.version) for skill in self.listed}
        return {
            name: self.folder / COPIES / copy / version
            for name, (copy, version) in shown.items()
            if copy is not None
        }

    def lacking(self) -> tuple[LockEntry, ...]:
        """The skills that need their tree from the store to be shown."""
        if self.way == "linked":
            return self.lock.entries
        if self.way == "plain":
            return tuple(e for e in self.lock.entries if not _is_copy(self.place(e), e))
        return tuple(e for e in self.lock.entries if not self._copy_of(e).is_dir())

    def lay_lacking(self, trees: Mapping[Digest, Path]) -> None:
        """Make the private copies that are not there; a changed one stays as it is."""
        self._copy({self._copy_of(entry): trees[entry.tree] for entry in self.lacking()})

    def is_shown(self, generation: Generation, set_digest: str, set_path: str) -> bool:
        """Whether ``generation`` shows the lock in this way already."""
        if self.way == "linked":
            return target_of(f"{generation.path}/skills") == set_path
        if generation.is_linked or generation.set != set_digest:
            return False
        if self.way == "plain":
            return not os.path.lexists(f"{generation.path}/skills")
        return all(
            generation.copy_of(entry.name) == self._copy_of(entry).parent.name
            for entry in self.lock.entries
        )

    def is_in_view(self) -> bool:
        """Whether every skill stands where it is looked for, and no stray beside them."""
        if self.way == "plain":
            return not self._plain_strays() and all(
                _is_copy(self.place(entry), entry) for entry in self.lock.entries
            )
        if target_of(f"{self.folder}/{INDEX}") != f".current/{INDEX}":
            return False
        for entry in self.lock.entries:
            if target_of(f"{self.folder}/{entry.name}") != f"{VIEW}/{entry.name}":
                return False
            if not self.place(entry).is_dir():
                return False
        return not self.generations.strays(self.names) and not self._old_strays()

    def wrong_names(self) -> tuple[str, ...]:
        """The skills that are not in place as the lock wants them, before anything is done."""
        known = {(skill.name, skill.version, skill.checksum) for skill in self.listed}
        current = self.generations.current()
        same_way = current is not None and current.is_linked == (self.way == "linked")
        return tuple(
            str(entry.name)
            for entry in self.lock.entries
            if not same_way
            or (entry.name, version_text(entry), str(entry.tree)) not in known
            or not self.place(entry).is_dir()
            or (self.force and self.way != "linked" and is_changed(os.fspath(self.place(entry))))
            or (
                self.way != "plain"
                and target_of(f"{self.folder}/{entry.name}") != f"{VIEW}/{entry.name}"
            )
        )

    def gone_names(self) -> tuple[str, ...]:
        """The skills that are there and that the lock does not want."""
        kept = set(self.names)
        if self.way == "plain":
            found = {place.parent.name for place in self._plain_strays()}
        else:
            found = {*self.generations.strays(self.names), *(p.name for p in self._old_strays())}
        listed = {s.name for s in self.listed if os.path.lexists(self.folder / s.name)}
        return tuple(sorted((found | listed) - kept))

    # Changing.

    def lay_copies(self, trees: Mapping[Digest, Path]) -> Mapping[str, str]:
        """Make the private copies; a changed one that is in view stays without ``force``."""
        in_view = set(self._copies_in_view().values())
        places = {self._copy_of(entry): trees[entry.tree] for entry in self.lock.entries}
        self._copy(
            {
                place: tree
                for place, tree in places.items()
                if self.force or place not in in_view or not place.is_dir()
            }
        )
        return self.copies()

    def copies(self) -> Mapping[str, str]:
        """The private copy of each skill, by its name among them."""
        return {str(entry.name): self._copy_of(entry).parent.name for entry in self.lock.entries}

    def lay_folders(self, trees: Mapping[Digest, Path]) -> None:
        """Put a plain folder for every skill, and remove those that are not wanted."""
        from spm_store.layout import unlink_skill

        for place in self._plain_strays():
            unlink_skill(place, force=self.force, disk=self.disk)
            with suppress(OSError):  # another version, or something of the user's, is in there
                self.disk.remove_folder(os.fspath(place.parent))
        wanted: dict[Path, Path] = {}
        for entry in self.lock.entries:
            place = self.place(entry)
            if self.force and _is_no_folder(place.parent):
                self.disk.remove_file(os.fspath(place.parent))
            if self.force or not _is_copy(place, entry):
                wanted[place] = trees[entry.tree]
        self._copy(wanted)

    def _copy(self, trees: Mapping[Path, Path]) -> None:
        from spm_store.layout import copy_skills

        copy_skills(
            {os.fspath(place): os.fspath(tree) for place, tree in trees.items()},
            force=self.force,
            clone=self.mode == "reflink",
            sync=self.generations.sync,
            disk=self.disk,
        )

    def remove_old_strays(self) -> None:
        """Remove what an older spm put there and the lock does not want."""
        from spm_store.layout import unlink_skill

        for place in self._old_strays():
            if _is_no_folder(place):
                unlink_skill(place, force=self.force, disk=self.disk)
                continue
            for child in _copies_in(place):
                unlink_skill(child, force=self.force, disk=self.disk)
            with suppress(OSError):  # something of the user's is in there
                self.disk.remove_folder(os.fspath(place))

    def _old_strays(self) -> tuple[Path, ...]:
        """Links to a store, and folders of copies, that are not of a generation."""
        from spm_store.layout import is_ours

        kept, strays = set(self.names), list[Path]()
        for top in _visible(self.folder):
            if top.name in kept or target_of(os.fspath(top)) == f"{VIEW}/{top.name}":
                continue
            if is_ours(top) if _is_no_folder(top) else any(_copies_in(top)):
                strays.append(top)
        return tuple(strays)

    def _plain_strays(self) -> tuple[Path, ...]:
        wanted = {self.place(entry) for entry in self.lock.entries}
        found = [place for top in _visible(self.folder) for place in _copies_in(top)]
        return tuple(place for place in found if place not in wanted)


def _visible(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob("[!.]*"))


def _copies_in(folder: Path) -> Sequence[Path]:
    """The private copies in the folder of one skill."""
    if _is_no_folder(folder):
        return ()
    return [child for child in _visible(folder) if copied_digest(os.fspath(child)) is not None]


def _is_copy(place: Path, entry: LockEntry) -> bool:
    return copied_digest(os.fspath(place)) == entry.tree.hex


def _is_no_folder(path: Path) -> bool:
    return os.path.lexists(path) and (path.is_symlink() or not path.is_dir())
