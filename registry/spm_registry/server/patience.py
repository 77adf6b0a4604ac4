"""Cuts off connections that are open and ask nothing whole.

A client that sends its headers a byte a minute holds a connection and no handler; no
timeout in a handler can see it. This looks at the connections themselves.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware
    from aiohttp.web_protocol import RequestHandler

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Connection = RequestHandler

LOOKS_A_SPAN = 4
"""How often connections are looked at while one of them could become too old."""


class IdleConnections:
    """Knows which connections have a request in hand, and hangs up on the others in time."""

    def __init__(self, seconds: float) -> None:
        """Allow ``seconds`` without a whole request."""
        self._seconds = seconds
        self._busy: set[Connection] = set()
        self._idle_since: dict[Connection, float] = {}
        self._task: asyncio.Task[None] | None = None

    def middleware(self) -> Middleware:
        """Return the outermost middleware: it sends the answer itself, to know when it is sent."""

        @web.middleware
        async def in_hand(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._busy.add(request.protocol)
            try:
                response = await handler(request)
                await response.prepare(request)
                await response.write_eof()
                return response
            finally:
                self._busy.discard(request.protocol)
                self._idle_since.pop(request.protocol, None)

        return in_hand

    def start(self, server: web.Server) -> None:
        """Look at the server's connections from now on."""
        self._task = asyncio.create_task(self._look_forever(server))

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look_forever(self, server: web.Server) -> None:
        while True:
            await asyncio.sleep(self._seconds / LOOKS_A_SPAN)
            self._look(server.connections, asyncio.get_running_loop().time())

    def _look(self, connections: list[Connection], now: float) -> None:
        idle = [connection for connection in connections if connection not in self._busy]
        self._idle_since = {item: self._idle_since.get(item, now) for item in idle}
        for connection, since in self._idle_since.items():
            if now - since >= self._seconds:
                connection.force_close()
