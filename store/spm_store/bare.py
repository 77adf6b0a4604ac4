"""What the hot commands ask of the system and do to the disk, importing nothing for it.

`Disk` of ``durable`` and the mount table of ``filesystems`` do the same with more care,
and import what costs more than the work here.
"""

from __future__ import annotations

import os

_MOUNT_TABLE = "/proc/self/mountinfo"
_POINT, _LEAST_FIELDS = 4, 6
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Calls:
    """The calls of ``durable.Disk`` that are needed to show a set."""

    make_folder = staticmethod(os.mkdir)
    symlink = staticmethod(os.symlink)
    move = staticmethod(os.rename)
    set_mode = staticmethod(os.chmod)
    remove_file = staticmethod(os.unlink)
    remove_folder = staticmethod(os.rmdir)

    @staticmethod
    def link(source: str, target: str) -> None:
        """Give a file or a symlink a second name."""
        os.link(source, target, follow_symlinks=False)

    @staticmethod
    def write_file(path: str, data: bytes, mode: int) -> None:
        """Create a file that does not exist."""
        descriptor = os.open(path, _NEW_FILE, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    @staticmethod
    def sync(path: str) -> None:
        """Wait until a file or folder is on the disk."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_text(path: str) -> str:
    """The text of a small file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def mount_of(place: str) -> tuple[str, str]:
    """The mount point that the real path ``place`` is on and its kind, empty if unknown."""
    point, kind = "", ""
    for line in read_text(_MOUNT_TABLE).splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < _LEAST_FIELDS:
            continue
        found = fields[_POINT]
        inside = place == found or place.startswith(found.rstrip("/") + "/")
        if inside and len(found) >= len(point):
            point, kind = found, after.partition(" ")[0]
    return point, kind
