"""Who is at work in the store: leases, and the lock of those who remove.

A lease is a folder ``tmp/<lease>/`` whose owner holds a flock on it. The kernel
releases the flock when the owner dies, however it dies, so a folder whose flock can
be taken is abandoned and is swept by whoever comes next. Process numbers are never
looked at: two containers may share a volume and a number.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spm_store.durable import Disk, remove_tree

if TYPE_CHECKING:
    from collections.abc import Generator

WORK_FOLDER = "tmp"
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def random_name() -> str:
    """Return 32 hex digits nobody else has."""
    return os.urandom(16).hex()


class Lease:
    """A private folder for unfinished work, held until ``close`` or death."""

    def __init__(self, root: str, disk: Disk) -> None:
        """Take a new lease in the store at ``root``."""
        self._disk = disk
        while True:
            self.path = f"{root}/{WORK_FOLDER}/{random_name()}"
            disk.make_folder(self.path, 0o700)
            # A sweeper may find the folder before its flock is held, and remove it;
            # then the flock is refused, or held on a folder without a name.
            descriptor = _locked(self.path)
            if descriptor is None:
                continue
            if os.path.lexists(self.path):
                self._descriptor = descriptor
                return
            os.close(descriptor)

    def close(self) -> None:
        """Remove what is left of the work, then let go."""
        try:
            remove_tree(self._disk, self.path)
        finally:
            os.close(self._descriptor)


def _locked(folder: str) -> int | None:
    """Return a descriptor that holds the flock of ``folder``, or None if another does."""
    import fcntl

    try:
        descriptor = os.open(folder, _FOLDER_FLAGS)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def sweep(root: str, disk: Disk) -> None:
    """Remove the leases of the dead, and the trash. What cannot be removed stays."""
    for folder in _entries(f"{root}/{WORK_FOLDER}"):
        with suppress(OSError):
            _sweep_one(folder, disk)
    empty_trash(root, disk)


def _sweep_one(folder: str, disk: Disk) -> None:
    descriptor = _locked(folder)
    if descriptor is None:
        return
    try:
        remove_tree(disk, folder)
    finally:
        os.close(descriptor)


def empty_trash(root: str, disk: Disk) -> None:
    """Remove what was moved to the trash. What cannot be removed stays."""
    for path in _entries(f"{root}/trash"):
        with suppress(OSError):
            remove_tree(disk, path)


def discard(root: str, disk: Disk, path: str) -> None:
    """Move ``path`` to the trash in one step; nobody sees it half removed."""
    with suppress(FileNotFoundError):
        if os.path.isdir(path) and not os.path.islink(path):
            disk.set_mode(path, 0o700)  # a read-only directory cannot change its parent
        disk.move(path, f"{root}/trash/{random_name()}")


@contextmanager
def gc_lock(root: str, *, exclusive: bool) -> Generator[None]:
    """Hold ``gc.lock``: shared to publish, exclusive to remove. Waits."""
    import fcntl

    descriptor = os.open(f"{root}/gc.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def _entries(folder: str) -> list[str]:
    try:
        return [f"{folder}/{name}" for name in os.listdir(folder)]
    except OSError:
        return []
