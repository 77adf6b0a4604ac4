"""How documents are sent: one strong ETag, 304 when the client has it, safe headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiohttp import ETag, web

from spm_spec.digests import blob_digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_ETAG_DIGITS = 32
_RELATIVE = '"downloadUrl":"/packages/'
PUBLIC_URL: web.AppKey[str | None] = web.AppKey("public_url", str)

_SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


async def add_safe_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Make sure that a browser never runs or frames what a publisher wrote."""
    for name, value in _SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)


def document_response(request: web.Request, text: str, *, status: int = 200) -> web.Response:
    """Send a document, or 304 if the client names its ETag."""
    body = text.encode()
    tag = blob_digest(body).hex[:_ETAG_DIGITS]
    headers = {"Cache-Control": "no-cache"}
    if request.method in {"GET", "HEAD"} and names_etag(request, tag):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(
            body=body, status=status, content_type="application/json", headers=headers
        )
    response.etag = ETag(tag)
    return response


def names_etag(request: web.Request, tag: str) -> bool:
    """Say whether ``If-None-Match`` has the tag or is ``*`` (weak comparison, RFC 9110 13.1.2)."""
    wanted = request.if_none_match
    return wanted is not None and any(item.value in {tag, "*"} for item in wanted)


def with_origin(request: web.Request, text: str) -> str:
    """Make the download addresses of a stored document absolute.

    They start with the configured public address, else with the scheme and host of the
    request if its Host header is one; otherwise they stay relative. Inside JSON strings
    every quote is escaped, so the text that is replaced occurs in no string.
    """
    public = request.app[PUBLIC_URL]
    if public is None:
        if _HOST.fullmatch(request.host) is None:
            return text
        public = f"{request.scheme}://{request.host}"
    return text.replace(_RELATIVE, f'"downloadUrl":"{public}/packages/')
