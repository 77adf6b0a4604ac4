"""What a project shows, generation by generation, switched by one ``rename``.

In a skills folder stand::

    .generations/7/skills -> <store>/sets/<hex>     what generation 7 shows; or a folder
    .generations/7/skills/NAME -> ../../../.copies/<digest>-NAME      of links to copies
    .generations/7/index.json, skills.toml, skills.lock, …            its documents
    .current -> .generations/7
    .next -> .generations/8                         only while generation 8 is made
    index.json -> .current/index.json
    NAME -> .current/skills/NAME

``.next`` is made before the folder it names and is renamed to ``.current`` to switch, so
that a folder which was never shown is known for what it is and goes with the next
command. Links of new skills are made before the switch, those that replace or remove
something after it. Where the file system has no symlinks, ``.current`` and ``.next``
are files that hold the same text, and the folders of skills are the caller's to make.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from spm_store.copies import write_file
from spm_store.durable import Disk, remove_tree
from spm_store.layout import VIEW, link_skill, target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

KEPT = 10
"""Generations that stay; the one in view always does."""

FOLDER, CURRENT, NEXT, COPIES = ".generations", ".current", ".next", ".copies"
_BACK = ".back"  # becomes `.current` when an older generation comes into view again
INDEX = "index.json"
_INDEX_LINK = f"{CURRENT}/{INDEX}"
_SET = "set"  # the document that names the set where no link does
NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES})
_DOCUMENT_MODE = 0o644
_DIGITS = 9  # of a number, so that no name is one that int() or a listing chokes on


class Generation(NamedTuple):
    """One installed set of skills, whole."""

    number: int
    path: str
    set: str
    """The digest of what it shows in hex, "" if its set is in no store."""

    def document(self, name: str) -> bytes | None:
        """Return the bytes of one of its documents, None if it has none."""
        from spm_store.blobs import read_file

        try:
            return read_file(f"{self.path}/{name}")[0]
        except OSError:
            return None

    def copy_of(self, name: str) -> str | None:
        """Return the name in ``.copies`` of the private copy it shows, None if it is a link."""
        target = target_of(f"{self.path}/skills/{name}") if not self.is_linked else None
        return target.rpartition("/")[2] if target else None

    @property
    def is_linked(self) -> bool:
        """Whether it shows a set of the store, rather than private copies."""
        return os.path.islink(f"{self.path}/skills")


class Generations:
    """The generations of one skills folder. Whoever changes them holds its lock."""

    def __init__(self, folder: Path | str, disk: Disk | None = None, *, sync: bool = True) -> None:
        """Know the skills folder; without ``sync`` nothing waits for the disk."""
        self.folder = os.fspath(folder)
        self.disk = disk or Disk()
        self.sync = sync

    def current(self) -> Generation | None:
        """Return the generation in view; None before the first."""
        return self._named_by(CURRENT)

    def all(self) -> tuple[Generation, ...]:
        """Return every generation that was shown, the oldest first."""
        unfinished = self._number_in(NEXT)
        try:
            names = os.listdir(f"{self.folder}/{FOLDER}")
        except OSError:
            return ()
        numbers = sorted(int(name) for name in names if _is_number(name))
        return tuple(self._generation(each) for each in numbers if each != unfinished)

    def links_work(self) -> bool:
        """Whether the file system has symlinks; one is made and removed to find out."""
        if os.path.islink(f"{self.folder}/{CURRENT}"):
            return True
        probe = f"{self.folder}/{NEXT}"
        try:
            self.disk.symlink(".", probe)
        except FileExistsError:
            return os.path.islink(probe)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return False
        self.disk.remove_file(probe)
        return True

    def prepare(
        self,
        skills: str | Mapping[str, str],
        documents: Mapping[str, bytes],
        *,
        set_digest: str = "",
        linked: bool = True,
    ) -> Generation:
        """Make the next generation, whole but not in view; clear what was left before.

        ``skills`` is the path of a set of the store, or the name in ``.copies`` of each skill's
        private copy. Without ``linked`` it is not looked at: there are no symlinks.
        """
        self.clear()
        # A generation in view that was removed behind our back has had its number all the same.
        numbers = [self._number_in(CURRENT) or 0, *(each.number for each in self.all())]
        number = max(numbers) + 1
        path = f"{self.folder}/{FOLDER}/{number}"
        if not os.path.isdir(f"{self.folder}/{FOLDER}"):
            self.disk.make_folder(f"{self.folder}/{FOLDER}")
        self._point(NEXT, number, linked=linked)
        self.disk.make_folder(path)
        if linked and isinstance(skills, str):
            self.disk.symlink(skills, f"{path}/skills")
        elif linked and not isinstance(skills, str):
            self.disk.make_folder(f"{path}/skills")
            for name, copy in skills.items():
                self.disk.symlink(f"../../../{COPIES}/{copy}", f"{path}/skills/{name}")
        if set_digest and not os.path.islink(f"{path}/skills"):
            documents = {**documents, _SET: f"{set_digest}\n".encode()}
        for name, data in documents.items():
            write_file(self.disk, f"{path}/{name}", data, _DOCUMENT_MODE)
        if self.sync:
            folders = [path, os.path.dirname(path)]
            if os.path.isdir(f"{path}/skills") and not os.path.islink(f"{path}/skills"):
                folders.insert(0, f"{path}/skills")
            for place in (*(f"{path}/{name}" for name in documents), *folders):
                self.disk.sync(place)
        return self._generation(number)

    def relink(self, generation: Generation, skills: str) -> None:
        """Make a generation show the set at the path ``skills``, as when the store moved."""
        place, new = f"{generation.path}/skills", f"{generation.path}/.skills.spm-new"
        if target_of(place) != skills:
            remove_tree(self.disk, new)
            self.disk.symlink(skills, new)
            self.disk.move(new, place)

    def switch(self, generation: Generation, names: Collection[str]) -> None:
        """Bring ``generation``, which shows the skills ``names``, into view.

        Whatever stands in the way of a link is replaced; the caller refused what may
        not be. If the system refuses before the switch, nothing has changed.
        """
        if not os.path.islink(f"{self.folder}/{NEXT}") and not self.links_work():
            self._switch_without_links(generation)
            return
        wanted = {INDEX: _INDEX_LINK} | {name: f"{VIEW}/{name}" for name in names}
        present = set(os.listdir(self.folder))
        in_the_way = [
            name
            for name in wanted.keys() & present
            if target_of(f"{self.folder}/{name}") != wanted[name]
        ]
        made: list[str] = []
        try:
            for name in wanted.keys() - present:
                made.append(name)
                self.disk.symlink(wanted[name], f"{self.folder}/{name}")
            if made and self.sync:
                self.disk.sync(self.folder)  # the links are there when the switch is
            self._go_to(generation)
        except BaseException:
            for name in made:
                with suppress(OSError):
                    self.disk.remove_file(f"{self.folder}/{name}")
            raise
        for name in in_the_way:
            link_skill(wanted[name], f"{self.folder}/{name}", force=True, disk=self.disk)
        for name in self.strays(names):
            self.disk.remove_file(f"{self.folder}/{name}")

    def strays(self, names: Collection[str]) -> tuple[str, ...]:
        """Return the links by way of the current generation that are none of ``names``."""
        try:
            found = os.listdir(self.folder)
        except OSError:
            return ()
        return tuple(
            name
            for name in found
            if name not in names and target_of(f"{self.folder}/{name}") == f"{VIEW}/{name}"
        )

    def prune(self, keep: int = KEPT) -> tuple[Generation, ...]:
        """Remove all but the newest ``keep`` generations, and copies none shows; return the rest.

        The generation in view stays, however old.
        """
        current, every = self.current(), self.all()
        kept = [each for each in every if each in every[-keep:] or each == current]
        for generation in every:
            if generation not in kept:
                # In one step, so that half a generation is never taken for a whole one.
                aside = f"{self.folder}/{FOLDER}/.{generation.number}"
                self.disk.move(generation.path, aside)
                remove_tree(self.disk, aside)
        shown = {copy for each in kept for copy in self._copies_of(each)}
        for copy in _names_in(f"{self.folder}/{COPIES}"):
            if copy not in shown:
                remove_tree(self.disk, f"{self.folder}/{COPIES}/{copy}")
        return tuple(kept)

    def clear(self) -> None:
        """Remove what a killed process left half made; nothing that is in view."""
        current, unfinished = self._number_in(CURRENT), self._number_in(NEXT)
        if unfinished is not None and unfinished != current:
            remove_tree(self.disk, f"{self.folder}/{FOLDER}/{unfinished}")
        for name in (NEXT, _BACK):
            remove_tree(self.disk, f"{self.folder}/{name}")
        for folder in (
            FOLDER,
            "",
            *(f"{COPIES}/{name}" for name in self._copies()),
            *self._plain(),
        ):
            for name in _names_in(f"{self.folder}/{folder}"):
                aside = name.startswith(".") and name.endswith((".spm-new", ".spm-old"))
                if aside or (folder == FOLDER and name.startswith(".")):
                    remove_tree(self.disk, f"{self.folder}/{folder}/{name}")

    def _copies(self) -> list[str]:
        return _names_in(f"{self.folder}/{COPIES}")

    def _plain(self) -> list[str]:
        """Return the folders of skills where there are no symlinks."""
        if os.path.islink(f"{self.folder}/{CURRENT}"):
            return []
        places = ((name, f"{self.folder}/{name}") for name in _names_in(self.folder))
        return [
            name
            for name, place in places
            if not name.startswith(".") and os.path.isdir(place) and not os.path.islink(place)
        ]

    def _copies_of(self, generation: Generation) -> list[str]:
        if generation.is_linked:
            return []
        names = _names_in(f"{generation.path}/skills")
        return [copy for name in names if (copy := generation.copy_of(name)) is not None]

    def _go_to(self, generation: Generation) -> None:
        """Rename `.next`, or a new link beside it for a generation that was shown before."""
        if self._number_in(CURRENT) == generation.number:
            return
        name = NEXT
        if self._number_in(NEXT) != generation.number:
            name = _BACK
            remove_tree(self.disk, f"{self.folder}/{_BACK}")
            self._point(_BACK, generation.number, linked=self.links_work())
        if os.path.isdir(f"{self.folder}/{CURRENT}") and not os.path.islink(
            f"{self.folder}/{CURRENT}"
        ):
            remove_tree(self.disk, f"{self.folder}/{CURRENT}")  # as of a copy that followed links
        self.disk.move(f"{self.folder}/{name}", f"{self.folder}/{CURRENT}")
        if self.sync:
            self.disk.sync(self.folder)

    def _switch_without_links(self, generation: Generation) -> None:
        """Put the index in place, then `.current`; the folders are there already."""
        index, new = generation.document(INDEX), f"{self.folder}/.{INDEX}.spm-new"
        remove_tree(self.disk, new)
        write_file(self.disk, new, index or b"", _DOCUMENT_MODE)
        self.disk.move(new, f"{self.folder}/{INDEX}")
        self._go_to(generation)

    def _point(self, name: str, number: int, *, linked: bool) -> None:
        text = f"{FOLDER}/{number}"
        if linked:
            self.disk.symlink(text, f"{self.folder}/{name}")
        else:
            write_file(self.disk, f"{self.folder}/{name}", f"{text}\n".encode(), _DOCUMENT_MODE)

    def _named_by(self, name: str) -> Generation | None:
        number = self._number_in(name)
        if number is None or not os.path.isdir(f"{self.folder}/{FOLDER}/{number}"):
            return None
        return self._generation(number)

    def _number_in(self, name: str) -> int | None:
        """Return the number that a link, or the file in its stead, names."""
        text = target_of(f"{self.folder}/{name}")
        if text is None:
            from spm_store.blobs import read_file

            try:
                text = read_file(f"{self.folder}/{name}")[0].decode().removesuffix("\n")
            except (OSError, UnicodeDecodeError):
                return None
        folder, _, number = text.rpartition("/")
        return int(number) if folder == FOLDER and _is_number(number) else None

    def _generation(self, number: int) -> Generation:
        path = f"{self.folder}/{FOLDER}/{number}"
        shown = target_of(f"{path}/skills")
        if shown is not None:
            return Generation(number, path, shown.rpartition("/")[2])
        digest = Generation(number, path, "").document(_SET) or b""
        return Generation(number, path, digest.decode(errors="replace").strip())


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) <= _DIGITS and not name.startswith("0")


def _names_in(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
