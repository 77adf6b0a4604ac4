"""Whether a project is still where it was, is gone, or cannot be seen at the moment.

A folder that is missing says little: its disk may be unmounted, its machine may be
another. A project is gone only if nothing is at its place although the file system it
was on is there, with the same identity; in any other case it is kept.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spm_store.roots import Root

Presence: TypeAlias = Literal["there", "gone", "out-of-reach"]
UNKNOWN_SYSTEM = "unknown"
MOUNT_TABLE = "/proc/self/mountinfo"
_MOUNT_POINT_FIELD = 4
_SHARED_IDENTITY = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})
"""File systems that give the identity of another one, below them, as theirs."""


class Seat(NamedTuple):
    """What a folder is on."""

    mount: str
    """The mount point, absolute."""
    system: str
    """Which file system it is, in hex digits and points; ``unknown`` if nobody can say."""


class Mount(NamedTuple):
    """One line of the mount table."""

    point: str
    kind: str


def read_mounts(table: str = MOUNT_TABLE) -> tuple[Mount, ...]:
    """Return what is mounted, as this process sees it, the newest last; empty if unknown."""
    try:
        with open(table, "rb") as lines:
            return tuple(mount for line in lines if (mount := _mount(line)))
    except OSError:
        return ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The calls that find out where folders are; tests give their own."""

    status: Callable[[str], os.stat_result] = os.lstat
    system: Callable[[str], os.statvfs_result] = os.statvfs
    mounts: Callable[[], tuple[Mount, ...]] = read_mounts

    def seat_of(self, place: str) -> Seat:
        """Return what ``place`` is on, or would be if it were there."""
        found = Mount("", "")
        for mount in self.mounts():
            if _is_in(place, mount.point) and len(mount.point) >= len(found.point):
                found = mount
        if not found.point:
            return Seat("/", UNKNOWN_SYSTEM)
        try:
            identity = self.system(found.point).f_fsid
            device = self.status(found.point).st_dev
        except OSError:
            return Seat(found.point, UNKNOWN_SYSTEM)
        if not identity or found.kind in _SHARED_IDENTITY:
            return Seat(found.point, f"{identity:x}.{device:x}")
        return Seat(found.point, f"{identity:x}")

    def presence(self, root: Root) -> tuple[Presence, str]:
        """Return where the project of ``root`` is, and why it is believed, for people."""
        place = os.fspath(root.place)
        try:
            missing = self._is_missing(place)
        except OSError as error:
            return "out-of-reach", os.strerror(error.errno or 0).lower()
        if missing is None:
            return "out-of-reach", "a symlink stands on the way to it"
        if not missing:
            return "there", ""
        doubt = self._doubt(root)
        return ("out-of-reach", doubt) if doubt else ("gone", "")

    def _doubt(self, root: Root) -> str:
        """Return why the file system of ``root`` may not be the one that is there."""
        now = self.seat_of(os.fspath(root.place))
        if now.mount != os.fspath(root.mount):
            return f"`{root.mount}` is not mounted"
        if UNKNOWN_SYSTEM in {now.system, root.system}:
            return f"nobody can say which file system is at `{root.mount}`"
        if now.system != root.system:
            return f"another file system is mounted at `{root.mount}`"
        return ""

    def _is_missing(self, place: str) -> bool | None:
        """Whether nothing can be at ``place``; None if a symlink on the way hides it."""
        with suppress(FileNotFoundError, NotADirectoryError):
            mode = self.status(place).st_mode
            if stat.S_ISDIR(mode):
                return False
        for folder in _folders_to(place):
            try:
                mode = self.status(folder).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return True
            if stat.S_ISLNK(mode):
                return None
            if not stat.S_ISDIR(mode):
                return True
        return False


def seat_of(place: str) -> Seat:
    """Return what ``place`` is on, on this machine."""
    return Surroundings().seat_of(place)


def _folders_to(place: str) -> Iterator[str]:
    """Yield the folders above ``place``, the topmost first, and ``place``."""
    position = 0
    while (position := place.find("/", position + 1)) > 0:
        yield place[:position]
    yield place


def _is_in(place: str, point: str) -> bool:
    return place == point or place.startswith(point if point.endswith("/") else f"{point}/")


def _mount(line: bytes) -> Mount | None:
    """Read one line of ``/proc/self/mountinfo``, in which spaces are octal escapes."""
    before, _, after = line.partition(b" - ")
    fields = before.split()
    if len(fields) <= _MOUNT_POINT_FIELD or not after:
        return None
    point = fields[_MOUNT_POINT_FIELD]
    for escaped, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n")):
        point = point.replace(escaped, plain)
    return Mount(os.fsdecode(point.replace(b"\\134", b"\\")), os.fsdecode(after.split()[0]))
