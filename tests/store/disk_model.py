"""A folder as a file system keeps it: inodes, the names they have, bytes and modes.

It is read from a real folder, changed one step at a time, and made into a real folder again:
hard links stay hard links, modes stay modes. Times are not kept.
"""

# Paths are strings here, as in the calls they are arguments of.
# ruff: noqa: PTH101, PTH102, PTH115, PTH123, PTH211

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind: TypeAlias = Literal["file", "folder", "link"]


@dataclass(eq=False, slots=True)
class Inode:
    """What names stand for; its bytes and names are the state's."""

    kind: Kind
    number: int = 0
    """Of the real file it was read from."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder now stands for ``inode``, or for nothing."""

    folder: Inode
    name: str
    inode: Inode | None


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a file holds, or where a link points."""

    inode: Inode
    data: bytes


@dataclass(frozen=True, slots=True)
class Mode:
    """The permissions of a file or folder."""

    inode: Inode
    mode: int


Effect: TypeAlias = Entry | Bytes | Mode


@dataclass(slots=True)
class State:
    """All names, bytes and modes at one moment."""

    root: Inode
    entries: dict[Inode, dict[str, Inode]] = field(default_factory=dict[Inode, dict[str, Inode]])
    data: dict[Inode, bytes] = field(default_factory=dict[Inode, bytes])
    modes: dict[Inode, int] = field(default_factory=dict[Inode, int])

    @classmethod
    def of(cls, folder: str) -> State:
        """Read the folder at ``folder``."""
        state = cls(Inode("folder"))
        known: dict[int, Inode] = {}
        for effect in read_inode(folder, state.root, known):
            state.apply(effect)
        return state

    def copy(self) -> State:
        """Return the same state, which changes on its own."""
        entries = {folder: dict(names) for folder, names in self.entries.items()}
        return State(self.root, entries, dict(self.data), dict(self.modes))

    def apply(self, effect: Effect) -> None:
        """Change one thing. A folder has one name: its new name takes away the old one."""
        if isinstance(effect, Bytes):
            self.data[effect.inode] = effect.data
        elif isinstance(effect, Mode):
            self.modes[effect.inode] = effect.mode
        elif effect.inode is None:
            self.entries.setdefault(effect.folder, {}).pop(effect.name, None)
        else:
            if effect.inode.kind == "folder":
                for names in self.entries.values():
                    for name in [name for name, inode in names.items() if inode is effect.inode]:
                        del names[name]
            self.entries.setdefault(effect.folder, {})[effect.name] = effect.inode

    def find(self, path: str) -> Inode | None:
        """Return what stands at ``path`` below the root; links are not followed."""
        inode = self.root
        for name in filter(None, path.split("/")):
            found = self.entries.get(inode, {}).get(name)
            if found is None:
                return None
            inode = found
        return inode

    def walk(self) -> Iterator[tuple[str, Inode]]:
        """Yield path and inode of everything the root leads to, folders before what is in them."""
        pending = [("", self.root)]
        while pending:
            path, inode = pending.pop()
            yield path, inode
            if inode.kind == "folder":
                for name, below in self.entries.get(inode, {}).items():
                    pending.append((f"{path}/{name}" if path else name, below))

    def listing(self) -> dict[str, tuple[str, int, bytes]]:
        """Return kind, mode and bytes by path, to compare two states."""
        return {
            path: (inode.kind, self.modes.get(inode, 0), self.data.get(inode, b""))
            for path, inode in self.walk()
        }

    def build(self, folder: str) -> None:
        """Make the folder ``folder``, which must not exist."""
        made: dict[Inode, str] = {}
        folders: list[tuple[str, Inode]] = []
        for path, inode in self.walk():
            place = f"{folder}/{path}" if path else folder
            if inode.kind == "folder":
                os.mkdir(place, 0o700)
                folders.append((place, inode))
            elif inode.kind == "link":
                os.symlink(os.fsdecode(self.data.get(inode, b"?")), place)
            elif inode in made:
                os.link(made[inode], place)
            else:
                made[inode] = place
                self._make_file(place, inode)
        for place, inode in reversed(folders):
            os.chmod(place, self.modes.get(inode, 0o700))

    def _make_file(self, place: str, inode: Inode) -> None:
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, self.data.get(inode, b""))
            os.fchmod(descriptor, self.modes.get(inode, 0o600))
        finally:
            os.close(descriptor)


def read_inode(place: str, inode: Inode, known: dict[int, Inode]) -> Iterator[Effect]:
    """Yield what makes ``inode`` the file, folder or link at ``place``, with all below it."""
    status = os.lstat(place)
    inode.number = status.st_ino
    if inode.kind == "link":
        yield Bytes(inode, os.fsencode(os.readlink(place)))
        return
    yield Mode(inode, stat.S_IMODE(status.st_mode))
    if inode.kind == "file":
        with open(place, "rb") as stream:
            yield Bytes(inode, stream.read())
        return
    with os.scandir(place) as entries:
        for entry in entries:
            number = entry.inode()
            below = known.get(number)
            if below is None or below.kind == "folder":
                below = known[number] = Inode(kind_of(entry.path))
                yield Entry(inode, entry.name, below)
                yield from read_inode(entry.path, below, known)
            else:
                yield Entry(inode, entry.name, below)


def kind_of(place: str) -> Kind:
    """Return what stands at a real place."""
    mode = os.lstat(place).st_mode
    return "link" if stat.S_ISLNK(mode) else "folder" if stat.S_ISDIR(mode) else "file"
