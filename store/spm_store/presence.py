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

from spm_store.filesystems import read_mounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from spm_store.filesystems import Mount
    from spm_store.roots import Root

Presence: TypeAlias = Literal["there", "gone", "out-of-reach"]
UNKNOWN_SYSTEM = "unknown"
_SHARED_IDENTITY = frozenset({"overlay", "aufs", "fuse.fuse-overlayfs"})
"""File systems that give the identity of another one, below them, as theirs."""


class Seat(NamedTuple):
    """What a folder is on."""

    mount: str
    """The mount point, absolute."""
    system: str
    """Which file system it is, in hex digits and points; ``unknown`` if nobody can say."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """The calls that find out where folders are; tests give their own."""

    status: Callable[[str], os.stat_result] = os.lstat
    system: Callable[[str], os.statvfs_result] = os.statvfs
    mounts: Callable[[], tuple[Mount, ...]] = read_mounts

    def seat_of(self, place: str) -> Seat:
        """Return what ``place`` is on, or would be if it were there."""
        around = [mount for mount in self.mounts() if _is_in(place, mount.place)]
        if not around:
            return Seat("/", UNKNOWN_SYSTEM)
        # The longest, and of those the last, which hides the others.
        found = max(reversed(around), key=lambda mount: len(mount.place))
        try:
            identity = self.system(found.place).f_fsid
            device = self.status(found.place).st_dev
        except OSError:
            return Seat(found.place, UNKNOWN_SYSTEM)
        if not identity or found.kind in _SHARED_IDENTITY:
            return Seat(found.place, f"{identity:x}.{device:x}")
        return Seat(found.place, f"{identity:x}")

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
    return Lookout().seat_of(place)


def _folders_to(place: str) -> Iterator[str]:
    """Yield the folders above ``place``, the topmost first, and ``place``."""
    position = 0
    while (position := place.find("/", position + 1)) > 0:
        yield place[:position]
    yield place


def _is_in(place: str, point: str) -> bool:
    return place == point or place.startswith(point if point.endswith("/") else f"{point}/")
