"""Serve a registry until told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import web

from spm_registry.server.app import create_app
from spm_registry.server.limits import Limits
from spm_registry.server.services import IDLE
from spm_spec.errors import EnvironmentFailure, UserMistake

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DRAIN_SECONDS = 10.0
"""How long requests may take to finish after a signal."""
_DEFAULT_LIMITS = Limits()


class CannotListen(EnvironmentFailure):
    """The address is taken, not ours, or forbidden."""


class InvalidPublicUrl(UserMistake):
    """The public address is not an http or https address."""


def serve(
    data: Path,
    host: str,
    port: int,
    *,
    public_url: str | None = None,
    ready: Callable[[str], None] | None = None,
    limits: Limits = _DEFAULT_LIMITS,
) -> None:
    """Serve the registry in the folder ``data`` until SIGTERM or SIGINT, then drain and return.

    Port 0 takes a free one. ``ready`` is told the address once connections are accepted.

    Raises:
        CannotListen: the address cannot be listened on.
        InvalidPublicUrl: ``public_url`` is not an address.
        DatabaseUnavailable: the folder or the database in it cannot be used.
        ObjectsUnavailable: the folder of objects cannot be used.
    """
    address = None if public_url is None else checked_public_url(public_url)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        runner = await start(data, host, port, public_url=address, limits=limits)
        try:
            if ready is not None:
                ready(address_of(runner, host))
            await stop.wait()
        finally:
            await runner.cleanup()

    asyncio.run(run())


async def start(
    data: Path, host: str, port: int, *, public_url: str | None, limits: Limits
) -> web.AppRunner:
    """Start listening and return what has to be cleaned up."""
    app = create_app(data, public_url=public_url, limits=limits)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=DRAIN_SECONDS,
        keepalive_timeout=limits.idle_seconds,
        max_line_size=limits.header_bytes,
        max_field_size=limits.header_bytes,
        max_headers=limits.header_count,
        auto_decompress=False,
    )
    await runner.setup()
    if runner.server is not None:
        app[IDLE].start(runner.server)
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise CannotListen(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="choose another --port; 0 takes a free one",
        ) from error
    return runner


def address_of(runner: web.AppRunner, host: str) -> str:
    """Return the URL of the first socket, with the port it really has."""
    port = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def checked_public_url(text: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        InvalidPublicUrl: it is not plain http or https, or has a query, fragment or user.
    """
    allowed = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/[]%")
    parts = urlsplit(text) if set(text) <= allowed else urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidPublicUrl(
            f"`{text[:200]}` is not the address of a registry",
            hint="write it like https://skills.example.org",
        )
    return text.rstrip("/")
