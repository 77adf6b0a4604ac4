"""Refusals of the server and the one JSON shape they are sent in."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aiohttp import web

from spm_registry.backends.database import DatabaseUnavailable
from spm_registry.backends.objects import ObjectsUnavailable
from spm_registry.wire import ErrorDetail, ErrorDocument, printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("spm_registry")

MESSAGE_CHARACTERS = 1000
PROBLEM_LIMIT = 100
RETRY_SECONDS = 1

_KIND_OF_STATUS = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
}


class Refusal(Exception):  # an answer, not a failure of ours
    """A request is answered with an error document."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        hint: str | None = None,
        problems: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep what the error document will say."""
        super().__init__(message)
        self.status, self.kind, self.message, self.hint = status, kind, message, hint
        self.problems, self.headers = problems[:PROBLEM_LIMIT], dict(headers or {})

    def response(self) -> web.Response:
        """Return the answer; text of the request in it is made printable."""
        detail = ErrorDetail(
            kind=self.kind,
            message=printable(self.message, MESSAGE_CHARACTERS),
            hint=None if self.hint is None else printable(self.hint, MESSAGE_CHARACTERS),
            problems=tuple(printable(text, MESSAGE_CHARACTERS) for text in self.problems),
        )
        return web.Response(
            body=ErrorDocument(error=detail).to_json(),
            status=self.status,
            content_type="application/json",
            headers={"Cache-Control": "no-store"} | self.headers,
        )


@web.middleware
async def errors_as_documents(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every refusal and every failure with an error document."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return _finished(request, refusal)
    except web.HTTPException as error:
        return _finished(request, _refusal_of(error))
    except (DatabaseUnavailable, ObjectsUnavailable) as error:
        log.exception("%s %s", request.method, request.path)
        return _finished(request, _unavailable(error.kind))
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        failure = Refusal(500, "internal-error", "the registry made a mistake; it is in its log")
        return _finished(request, failure)


def _finished(request: web.Request, refusal: Refusal) -> web.Response:
    response = refusal.response()
    if request.can_read_body:
        # The rest of the body is not worth reading.
        response.force_close()
    return response


def _refusal_of(error: web.HTTPException) -> Refusal:
    kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    kind = _KIND_OF_STATUS.get(error.status, "bad-request")
    return Refusal(error.status, kind, error.reason.lower(), headers=kept)


def _unavailable(kind: str) -> Refusal:
    return Refusal(
        503,
        kind,
        "the registry cannot reach its storage",
        hint="try again in a moment",
        headers={"Retry-After": str(RETRY_SECONDS)},
    )
