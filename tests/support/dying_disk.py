"""Disks that end or refuse: the process killed at a call, or a system without symlinks."""

from __future__ import annotations

import errno
import os
from typing import Any

from spm_store.durable import Disk

CALLS = (
    "append",
    "clone",
    "link",
    "make_folder",
    "move",
    "remove_file",
    "remove_folder",
    "set_mode",
    "symlink",
    "sync",
    "write_file",
)


class Killed(BaseException):
    """The process is gone; nothing it would still do happens."""


class DyingDisk(Disk):
    """Does ``calls`` calls and none after them."""

    def __init__(self, calls: int) -> None:
        """Live for so long."""
        self.left = calls

    def __getattribute__(self, name: str) -> Any:
        """Count the call that is looked up."""
        if name in CALLS:
            if self.left <= 0:
                return _killed
            self.left -= 1
        return super().__getattribute__(name)


def _killed(*_: object, **__: object) -> None:
    raise Killed


class LinklessDisk(Disk):
    """A file system without symlinks, as FAT is."""

    def symlink(self, target: str, path: str) -> None:
        """Refuse, as the system does."""
        raise OSError(errno.EPERM, os.strerror(errno.EPERM), target, None, path)
