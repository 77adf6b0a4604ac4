"""``POST /api/v1/skills``: the archive in, a release out, in an order a crash cannot spoil.

Received → examined → object durable → one database transaction. A crash before the
transaction leaves an object that nothing refers to; the same publish, sent again, ends well.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from spm_registry.backends.documents import complete
from spm_registry.server.errors import Refusal
from spm_registry.server.intake import examine
from spm_registry.server.responses import document_response, with_origin
from spm_registry.server.services import DATABASE, DOCUMENTS, LIMITS, NOW, OBJECTS, PUBLISHING
from spm_registry.server.tokens import account_of
from spm_registry.wire import API, ARCHIVE_BYTES

if TYPE_CHECKING:
    from spm_registry.backends.database import Submission, Verdict

CONTENT_TYPE = "application/octet-stream"


async def publish(request: web.Request) -> web.StreamResponse:
    """Publish one release: 201, or 200 when exactly this was published before."""
    account = await account_of(request)
    _check_headers(request)
    async with request.app[PUBLISHING]:
        archive = await _receive(request)
        submission = await asyncio.to_thread(examine, archive, now=request.app[NOW]())
        verdict = await _record(request, submission, archive, account)
    if verdict not in {"published", "already-published"}:
        raise _refusal(verdict, submission)
    return await _answer(request, submission, verdict)


def _check_headers(request: web.Request) -> None:
    if request.content_type != CONTENT_TYPE or request.headers.get("Content-Encoding"):
        raise Refusal(
            415,
            "unsupported-media-type",
            f"the body must be the archive itself, sent as {CONTENT_TYPE} without an encoding",
            headers={"Accept": CONTENT_TYPE},
        )
    if (request.content_length or 0) > ARCHIVE_BYTES:
        raise _too_large()


async def _receive(request: web.Request) -> bytes:
    received = bytearray()
    try:
        async with asyncio.timeout(request.app[LIMITS].request_seconds):
            async for chunk in request.content.iter_any():
                received += chunk
                if len(received) > ARCHIVE_BYTES:
                    raise _too_large()
    except TimeoutError as error:
        seconds = request.app[LIMITS].request_seconds
        message = f"the body did not arrive within {seconds:g} s"
        raise Refusal(408, "too-slow", message) from error
    except web.RequestPayloadError as error:
        raise Refusal(400, "bad-request", "the body is not what its headers say") from error
    if not received:
        raise Refusal(400, "bad-request", "the body is empty", hint="send the bytes of an archive")
    return bytes(received)


async def _record(
    request: web.Request, submission: Submission, archive: bytes, account: str
) -> Verdict:
    database, objects = request.app[DATABASE], request.app[OBJECTS]
    # Looking first saves storing what will be refused; the transaction decides all the same.
    verdict = await database.standing(submission, account)
    if verdict is not None:
        return verdict
    await asyncio.to_thread(objects.put, submission.release.archive_sha256, archive)
    return await asyncio.shield(_commit(request, submission, account))


async def _commit(request: web.Request, submission: Submission, account: str) -> Verdict:
    """Finish what was begun, even if the publisher has hung up."""
    try:
        return await request.app[DATABASE].publish(submission, account, request.app[NOW]())
    finally:
        request.app[DOCUMENTS].forget(submission.about.name)


async def _answer(
    request: web.Request, submission: Submission, verdict: Verdict
) -> web.StreamResponse:
    name, version = submission.about.name, str(submission.release.version)
    stored = await request.app[DATABASE].release(name, version)
    if stored is None:
        raise AssertionError(f"{name} {version} was recorded and is not there")
    status = 201 if verdict == "published" else 200
    response = document_response(request, with_origin(request, complete(stored)), status=status)
    response.headers["Location"] = f"{API}/skills/{name}/{version}"
    return response


def _refusal(verdict: Verdict, submission: Submission) -> Refusal:
    name, version = submission.about.name, submission.release.version
    if verdict == "name-taken":
        return Refusal(
            403,
            "name-taken",
            f"`{name}` belongs to another account",
            hint="choose another name, or ask its owner",
        )
    return Refusal(
        409,
        "version-exists",
        f"{name} {version} is already published with other contents; a version never changes",
        hint="publish it under a new version",
    )


def _too_large() -> Refusal:
    return Refusal(413, "too-large", f"the archive is larger than {ARCHIVE_BYTES} bytes")
