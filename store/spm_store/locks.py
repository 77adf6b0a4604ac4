"""The lock of those who remove, and files that a group shares.

A file is made under the umask of this process and given its group's rights after that.
Who of the group opens it in between is refused, or, as SQLite, can only read it. So in
a shared store such files are made while the store's folder itself is locked.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spm_store.filesystems import is_shared

if TYPE_CHECKING:
    from collections.abc import Generator

_SHARED_FILE = 0o664
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LOCK_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def making_shared(root: str) -> Generator[None]:
    """Keep others of a shared store from making files meanwhile; in other stores do nothing.

    Nothing else is locked while it is held but the index, by SQLite, for one query.
    """
    if not is_shared(root):
        yield
        return
    import fcntl

    descriptor = os.open(root, _FOLDER_FLAGS)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def gc_lock(root: str, *, exclusive: bool, wait: bool = True) -> Generator[bool]:
    """Hold ``gc.lock``: shared to publish, exclusive to remove; yield whether it is held.

    It is, if the caller waits; with ``wait=False`` it is not if another holds it.
    """
    import fcntl

    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    descriptor = open_lock(root)
    try:
        try:
            fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def open_lock(root: str) -> int:
    """Return a descriptor of the store's ``gc.lock``, making the file if there is none."""
    path = f"{root}/gc.lock"
    try:
        return _shared(os.open(path, _LOCK_FLAGS), root)
    except (FileNotFoundError, PermissionError):  # or another user is making it
        with making_shared(root):
            return _shared(os.open(path, _LOCK_FLAGS | os.O_CREAT, 0o666), root)


def _shared(descriptor: int, root: str) -> int:
    """Let the group of a shared store hold a lock file that is ours, and return it."""
    try:
        status = os.fstat(descriptor)
        ours = status.st_uid == os.geteuid()
        if ours and stat.S_IMODE(status.st_mode) != _SHARED_FILE and is_shared(root):
            os.fchmod(descriptor, _SHARED_FILE)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
