"""Where archives lie: named by their sha256, durable before they are announced, never changed.

A crash can leave an object nobody refers to, never a reference without its object.
"""

from __future__ import annotations

import errno
import os
import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from spm_spec.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_OBJECT_NAME = re.compile(r"[0-9a-f]{64}")
_OBJECT_MODE = 0o444
ABANDONED_SECONDS = 24 * 3600
"""No write takes this long; an older staged file belongs to a process that is gone."""


class ObjectsUnavailable(EnvironmentFailure):
    """The object store cannot be read or written now."""

    kind = "objects-unavailable"


class Objects(Protocol):
    """Immutable objects by the sha256 of their bytes. Calls block; run them in a thread."""

    def put(self, sha256: str, data: bytes) -> None:
        """Keep ``data``, durably, before returning; once there, an object stays as it is."""
        ...

    def path(self, sha256: str) -> Path | None:
        """Return a file to send, or ``None`` if there is no such object."""
        ...

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes, or ``None`` if there is no such object."""
        ...


class FolderObjects:
    """`Objects` as files ``<root>/<first two digits>/<sha256>``."""

    def __init__(self, root: Path) -> None:
        """Make the folders if they are missing; clear away what crashed writes left long ago."""
        self._root, self._staging = root, root / "tmp"
        with _unavailable(root):
            self._staging.mkdir(parents=True, exist_ok=True)
            for left in self._staging.iterdir():
                with suppress(FileNotFoundError):
                    if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                        left.unlink()

    def put(self, sha256: str, data: bytes) -> None:
        """Write aside, sync the bytes, link into place without replacing, sync the folder."""
        target = self._place(sha256)
        staged = self._staging / f"{sha256}.{os.urandom(8).hex()}"
        with _unavailable(self._root):
            try:
                _write_durably(staged, data)
                target.parent.mkdir(exist_ok=True)
                with suppress(FileExistsError):
                    os.link(staged, target)
                _sync_folder(target.parent)
                _sync_folder(self._root)
            finally:
                staged.unlink(missing_ok=True)

    def path(self, sha256: str) -> Path | None:
        """Return the object's own file; it may be sent, never written."""
        place = self._place(sha256)
        with _unavailable(self._root):
            return place if place.is_file() else None

    def get(self, sha256: str) -> bytes | None:
        """Read the whole file."""
        with _unavailable(self._root):
            try:
                return self._place(sha256).read_bytes()
            except FileNotFoundError:
                return None

    def _place(self, sha256: str) -> Path:
        if _OBJECT_NAME.fullmatch(sha256) is None:
            raise ValueError(f"`{sha256[:80]}` is no sha256 of 64 lower-case hexadecimal digits")
        return self._root / sha256[:2] / sha256


def _write_durably(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OBJECT_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _unavailable(root: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        hint = "free some space" if error.errno in {errno.ENOSPC, errno.EDQUOT} else None
        raise ObjectsUnavailable(f"{root}: {error.strerror or error}", hint=hint) from error
