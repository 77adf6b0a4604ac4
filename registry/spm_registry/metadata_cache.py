"""What a registry last said, kept with its ETag so that it need not say it again.

The cache decides nothing: everything read from it goes through the same checks as an
answer from the network. A file that is damaged, foreign or half-written is not there.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from spm_registry.wire import DOCUMENT_BYTES

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = b"spm-metadata 1"
_ETAG = re.compile(rb'"[\x21\x23-\x7e]{1,128}"')
_HEADER_BYTES = 8192


class MetadataCache(Protocol):
    """Bodies with their ETags, by the exact address they came from."""

    def get(self, url: str) -> tuple[str, bytes] | None:
        """Return the ETag and the body, or ``None``."""
        ...

    def put(self, url: str, etag: str, body: bytes) -> None:
        """Remember a body; failing to is no failure."""
        ...


class FolderMetadataCache:
    """A `MetadataCache` of one file an address, safe for any number of processes.

    A file is a line with the format, one with the address, one with the ETag, one with
    the sha256 of the body, and the body.
    """

    def __init__(self, root: Path) -> None:
        """Remember the folder; it is made when first needed."""
        self._root = root

    def get(self, url: str) -> tuple[str, bytes] | None:
        """Read the file of ``url`` if it is whole and about ``url``."""
        try:
            with self._place(url).open("rb") as file:
                data = file.read(DOCUMENT_BYTES + _HEADER_BYTES)
        except OSError:
            return None
        parts = data.split(b"\n", 4)
        if len(parts) != 5 or parts[:2] != [_FORMAT, url.encode()]:  # noqa: PLR2004
            return None
        etag, checksum, body = parts[2:]
        if _ETAG.fullmatch(etag) is None or checksum != _checksum(body):
            return None
        return etag.decode(), body

    def put(self, url: str, etag: str, body: bytes) -> None:
        """Replace the file of ``url`` at once; what cannot be kept is not kept."""
        if _ETAG.fullmatch(etag.encode()) is None or "\n" in url:
            return
        data = b"\n".join((_FORMAT, url.encode(), etag.encode(), _checksum(body), body))
        place = self._place(url)
        staged = place.with_name(f"{place.name}.{os.getpid()}.{os.urandom(4).hex()}")
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                staged.write_bytes(data)
                staged.replace(place)
            finally:
                staged.unlink(missing_ok=True)

    def _place(self, url: str) -> Path:
        name = hashlib.sha256(url.encode()).hexdigest()
        return self._root / name[:2] / name


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
