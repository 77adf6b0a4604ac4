"""``GET /packages/{sha256}.spm``: archives, named by their digest and so cacheable for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import ETag, web

from spm_registry.server.errors import Refusal
from spm_registry.server.responses import names_etag
from spm_registry.server.services import COUNTER, OBJECTS

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.web import BaseRequest

_FOREVER = "public, max-age=31536000, immutable"


class _Archive(web.FileResponse):
    """A file sent by the kernel, with Range, whose ETag is its digest instead of its date."""

    def __init__(self, path: Path, sha256: str) -> None:
        super().__init__(
            path,
            headers={
                "Cache-Control": _FOREVER,
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f'attachment; filename="{sha256}.spm"',
            },
        )
        self._digest = ETag(sha256)

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        """Send the file, once: the application sends it before aiohttp would."""
        return self._payload_writer if self.prepared else await super().prepare(request)

    @property
    def etag(self) -> ETag | None:
        """The digest, whatever the file system says of the file."""
        return self._digest

    @etag.setter
    def etag(self, _value: ETag | str | None) -> None:
        self.headers["ETag"] = f'"{self._digest.value}"'


async def package(request: web.Request) -> web.StreamResponse:
    """Send an archive and count it if it is sent from its first byte."""
    sha256 = request.match_info["sha256"]
    path = await asyncio.to_thread(request.app[OBJECTS].path, sha256)
    if path is None:
        raise Refusal(404, "not-found", f"there is no archive {sha256}")
    if names_etag(request, sha256):
        response = web.Response(status=304, headers={"Cache-Control": _FOREVER})
        response.etag = ETag(sha256)
        return response
    if request.method == "GET" and _from_first_byte(request):
        request.app[COUNTER].count(sha256)
    return _Archive(path, sha256)


def _from_first_byte(request: web.Request) -> bool:
    """Say whether this is a download and not the rest of an interrupted one."""
    wanted = request.headers.get("Range", "bytes=0-").replace(" ", "")
    return wanted.startswith("bytes=0-")
