"""What the store refuses, and whose fault it is."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spm_spec.errors import EnvironmentFailure, HostileDataError, UserMistake

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from spm_spec.digests import Digest

_MOVE_THE_STORE = "or choose another folder for the store with `SPM_DATA`"
_NO_SPACE_HINT = f"free some space there, {_MOVE_THE_STORE}"
_NO_PERMISSION_HINT = f"make it writable for you, {_MOVE_THE_STORE}"

_HINTS = {
    errno.ENOSPC: _NO_SPACE_HINT,
    errno.EDQUOT: _NO_SPACE_HINT,
    errno.EACCES: _NO_PERMISSION_HINT,
    errno.EPERM: _NO_PERMISSION_HINT,
    errno.EROFS: f"mount it for writing, {_MOVE_THE_STORE}",
    errno.EFBIG: "raise the limit on file size, `ulimit -f`",
    errno.EMFILE: "raise the limit on open files, `ulimit -n`",
}


class StoreFailure(EnvironmentFailure):
    """The disk or the system refused what the store asked of it; nothing was added."""

    def __init__(
        self, path: str | Path, reason: str, *, number: int = 0, hint: str | None = None
    ) -> None:
        """Say where and why; ``number`` is the errno, 0 if there is none."""
        super().__init__(f"{path}: {reason}", hint=hint or _HINTS.get(number))
        self.path = str(path)
        self.reason = reason
        self.number = number


class StoreTooNew(StoreFailure):
    """A newer spm wrote this store; this one does not know its layout."""


class IndexDamaged(StoreFailure):
    """The store's index is not what the store wrote; the files may well be whole."""


class NetworkRefused(StoreFailure):
    """The store is on a file system whose locks may not hold between machines."""

    def __init__(self, root: str | Path, kind: str) -> None:
        """Name the store and the kind of its file system."""
        super().__init__(
            root,
            f"the store is on a file system of kind `{kind}`, where locks may not hold",
            hint="choose a folder on a local disk with `SPM_DATA`;"
            " this store can still be read, as a lower one in `SPM_STORE_PATH`",
        )
        self.kind_of_disk = kind


class LeaseUnreadable(StoreFailure):
    """What a running spm needs cannot be read, so nothing may be removed."""

    def __init__(self, path: str | Path, reason: str, *, number: int = 0) -> None:
        """Name the lease and what is wrong with it."""
        super().__init__(
            path, reason, number=number, hint="end the spm that holds it, then try again"
        )


class LayerUnusable(StoreFailure):
    """A lower store cannot be read; what it holds is not guessed."""

    def __init__(self, root: str | Path, reason: str, *, number: int = 0) -> None:
        """Name the lower store and what is wrong with it."""
        super().__init__(
            root,
            f"this lower store cannot be read: {reason}",
            number=number,
            hint="make it readable, or take it out of `SPM_STORE_PATH`",
        )


class RootUnreadable(StoreFailure):
    """What a project keeps in the store cannot be read, so nothing may be removed."""

    def __init__(self, path: str | Path, reason: str, *, number: int = 0) -> None:
        """Name the root's file and what is wrong with it."""
        super().__init__(
            path,
            reason,
            number=number,
            hint="make it readable, or remove it and run `spm install` in the project it spoke of",
        )


class SetDamaged(StoreFailure):
    """What a project shows cannot be read, so nothing may be removed."""

    def __init__(self, path: str | Path, reason: str, *, project: str | Path) -> None:
        """Name the set, what is wrong with it and the project that shows it."""
        super().__init__(
            path, reason, hint=f"`spm install --force` in `{project}` makes it again, or drops it"
        )
        self.project = str(project)


class DigestMismatch(HostileDataError):
    """The files received are not the tree that was promised."""

    def __init__(self, expected: Digest, actual: Digest, origin: str) -> None:
        """Name both digests; ``origin`` is what the files were said to be."""
        super().__init__(f"{origin}: expected {expected}, got {actual}")
        self.expected, self.actual, self.origin = expected, actual, origin


class TreeDamaged(HostileDataError):
    """A tree in the store no longer holds the bytes its name says."""

    def __init__(self, digest: Digest, path: str | Path, reason: str) -> None:
        """Name the tree, where it stands and what is wrong first."""
        super().__init__(
            f"{path}: the tree is damaged: {reason}",
            hint="`spm install --force` stores it again",
        )
        self.digest, self.path, self.reason = digest, str(path), reason


class TreeMissing(EnvironmentFailure):
    """The store does not hold a tree that was asked for."""

    def __init__(self, digest: Digest, root: str | Path) -> None:
        """Name the tree and the store."""
        super().__init__(f"{root}: the store has no tree {digest}", hint="`spm install` brings it")
        self.digest = digest


class NotOurs(UserMistake):
    """Something spm did not put there, or that was changed since, stands in the way."""

    def __init__(self, path: str | Path, reason: str) -> None:
        """Say what stands at ``path``."""
        super().__init__(
            f"{path}: {reason}",
            hint="move it away, or replace it with `--force`",
        )
        self.path = str(path)


@contextmanager
def storing(path: str | Path) -> Generator[None]:
    """Turn what the system refuses inside the block into a ``StoreFailure``.

    The failure names the path the system named, or ``path`` if it named none.
    """
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number).lower() if number else str(error)
        # Of a link or a rename, the second path is the one that is made.
        where = error.filename2 or error.filename or path
        raise StoreFailure(str(where), reason, number=number) from error
