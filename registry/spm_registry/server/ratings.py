"""``PUT /api/v1/skills/{name}/rating``: one rating an account, the last one counts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from spm_registry.server.errors import Refusal
from spm_registry.server.responses import document_response
from spm_registry.server.services import DATABASE, DOCUMENTS, LIMITS
from spm_registry.server.tokens import account_of
from spm_registry.wire import STARS_LIMIT, InvalidDocument, Rating, RatingRequest, parse_document
from spm_spec.names import is_skill_name

if TYPE_CHECKING:
    from aiohttp import web

BODY_BYTES = 1024


async def rate(request: web.Request) -> web.Response:
    """Set the account's stars and return the new average."""
    account = await account_of(request)
    name = request.match_info["name"]
    asked = await _asked(request)
    stored = None
    if is_skill_name(name):
        stored = await request.app[DATABASE].rate(name, account, asked.stars)
        request.app[DOCUMENTS].forget(name)
    if stored is None:
        raise Refusal(404, "not-found", f"there is no skill `{name[:80]}`")
    average = round(stored.rating_total / stored.rating_count, 2)
    rating = Rating(rating=average, ratings=stored.rating_count)
    return document_response(request, rating.to_json().decode())


async def _asked(request: web.Request) -> RatingRequest:
    if request.content_type != "application/json":
        raise Refusal(415, "unsupported-media-type", "the body must be application/json")
    body = bytearray()
    try:
        async with asyncio.timeout(request.app[LIMITS].request_seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise Refusal(413, "too-large", f"the body is larger than {BODY_BYTES} bytes")
    except TimeoutError as error:
        raise Refusal(408, "too-slow", "the body did not arrive in time") from error
    try:
        return parse_document(RatingRequest, bytes(body), origin="the body")
    except InvalidDocument as error:
        raise Refusal(
            422,
            "bad-rating",
            error.message,
            hint=f'send {{"stars": 1}} to {{"stars": {STARS_LIMIT}}}',
            problems=error.problems,
        ) from error
