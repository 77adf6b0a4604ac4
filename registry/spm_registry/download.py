"""Archives from a registry: their size and sha256 are known before the first byte comes."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from spm_registry.wire import ARCHIVE_BYTES, RegistryLied
from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from spm_registry.transport import Answer

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ArchiveMismatch(RegistryLied):
    """The bytes received are not the bytes promised."""

    kind = "archive-mismatch"

    def __init__(self, url: str, expected: str, actual: str) -> None:
        """Keep both digests as evidence."""
        super().__init__(url, f"expected sha256 {expected}, got {actual}")
        self.expected, self.actual = expected, actual


class InvalidArchiveSize(UserMistake):
    """A lock asks for an archive of a size that no archive may have."""


def package_path(sha256: str) -> str:
    """Return the path of an archive below a registry's address."""
    if _SHA256.fullmatch(sha256) is None:
        raise ValueError(f"`{sha256[:80]}` is no sha256 in lower-case hexadecimal digits")
    return f"/packages/{sha256}.spm"


def checked_size(size: int) -> int:
    """Return the size if an archive may have it.

    Raises:
        InvalidArchiveSize: it may not; no registry has such an archive.
    """
    if not 0 < size <= ARCHIVE_BYTES:
        raise InvalidArchiveSize(f"an archive of {size} bytes, limit {ARCHIVE_BYTES}")
    return size


def checked_archive(answer: Answer, *, sha256: str, size: int) -> bytes:
    """Return the body if it is exactly what was promised.

    Raises:
        RegistryLied: it has another size.
        ArchiveMismatch: it has another sha256.
    """
    if len(answer.body) != size:
        raise RegistryLied(answer.url, f"expected {size} bytes, got {len(answer.body)}")
    actual = hashlib.sha256(answer.body).hexdigest()
    if actual != sha256:
        raise ArchiveMismatch(answer.url, sha256, actual)
    return answer.body
