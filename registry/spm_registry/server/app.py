"""The registry as one aiohttp application: routes, middleware, and what it opens."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web

from spm_registry.server import downloads, publish, ratings, skills
from spm_registry.server.counting import DownloadCounter
from spm_registry.server.documents import Documents
from spm_registry.server.errors import errors_as_documents
from spm_registry.server.limits import Limits, rate_limiter
from spm_registry.server.patience import IdleConnections
from spm_registry.server.places import open_database, open_objects
from spm_registry.server.responses import PUBLIC_URL, add_safe_headers
from spm_registry.server.services import (
    COUNTER,
    DATABASE,
    DOCUMENTS,
    IDLE,
    LIMITS,
    NOW,
    OBJECTS,
    PUBLISHING,
)
from spm_registry.wire import API, ARCHIVE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_DEFAULT_LIMITS = Limits()


def _now() -> datetime:
    return datetime.now(tz=UTC)


def create_app(
    data: Path,
    *,
    public_url: str | None = None,
    limits: Limits = _DEFAULT_LIMITS,
    now: Callable[[], datetime] = _now,
) -> web.Application:
    """Return the registry whose database and objects are in the folder ``data``.

    ``public_url`` is how clients reach it, without a slash at its end. Nothing is opened
    before the application starts.
    """
    idle = IdleConnections(limits.idle_seconds)
    middlewares = [idle.middleware(), errors_as_documents, rate_limiter(limits, time.monotonic)]
    app = web.Application(middlewares=middlewares, client_max_size=ARCHIVE_BYTES)
    app[LIMITS], app[PUBLIC_URL], app[NOW] = limits, public_url, now
    app[IDLE] = idle

    async def opened(app: web.Application) -> AsyncIterator[None]:
        async with open_database(data) as database:
            app[DATABASE] = database
            app[DOCUMENTS] = Documents(database, time.monotonic)
            app[OBJECTS] = await asyncio.to_thread(open_objects, data)
            app[PUBLISHING] = asyncio.Semaphore(limits.publishing)
            app[COUNTER] = counter = DownloadCounter(database)
            counter.start()
            yield
            await idle.stop()
            await counter.stop()

    app.cleanup_ctx.append(opened)
    app.on_response_prepare.append(add_safe_headers)
    _add_routes(app)
    return app


def _add_routes(app: web.Application) -> None:
    add_get, router = app.router.add_get, app.router
    add_get(f"{API}/skills", skills.listing)
    router.add_post(f"{API}/skills", publish.publish)
    add_get(f"{API}/skills/{{name}}", skills.skill)
    add_get(f"{API}/skills/{{name}}/{{version}}", skills.release)
    router.add_put(f"{API}/skills/{{name}}/rating", ratings.rate)
    add_get(f"{API}/search", skills.search)
    add_get(f"{API}/tags", skills.tags)
    add_get(f"{API}/health", skills.health)
    add_get("/packages/{sha256:[0-9a-f]{64}}.spm", downloads.package)
