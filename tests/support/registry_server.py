"""A real registry on a free loopback port, for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_registry.client import RegistryClient
from spm_registry.server import run, tokens
from spm_registry.server.limits import Limits, Rate
from spm_registry.transport import Patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path
    from typing import TypeVar

    from aiohttp import web

    Result = TypeVar("Result")

# Loopback tests are one address that asks for a lot.
TEST_LIMITS = Limits(reads=Rate(100_000, 100_000), writes=Rate(100_000, 100_000))
# Long enough for a slow machine, short enough for a failing test to end.
TEST_PATIENCE = Patience(connect=5, stall=5, total=10, attempts=3, first_pause=0.001)


@dataclass(frozen=True, slots=True)
class RunningRegistry:
    """A registry that serves, and a token that may publish on it."""

    url: str
    token: str
    data: Path

    def ask(self, question: Callable[[RegistryClient], Awaitable[Result]]) -> Result:
        """Put one question with the token: ``registry.ask(lambda client: client.tags())``."""

        async def run_it() -> Result:
            async with RegistryClient(self.url, token=self.token, patience=TEST_PATIENCE) as client:
                return await question(client)

        return asyncio.run(run_it())

    def publish(self, archive: bytes) -> None:
        """Publish one archive with the token."""
        self.ask(lambda client: client.publish(archive))

    def token_of(self, account: str) -> str:
        """Make a token of another account."""
        return tokens.create(self.data, account)


@contextmanager
def running_registry(
    folder: Path, *, limits: Limits = TEST_LIMITS, public_url: str | None = None
) -> Generator[RunningRegistry]:
    """Serve a registry whose data is in ``folder / "registry"`` until the block ends."""
    data = folder / "registry"
    token = tokens.create(data, "tester")
    with serving(lambda: run.start(data, "127.0.0.1", 0, public_url=public_url, limits=limits)) as (
        url
    ):
        yield RunningRegistry(url, token, data)


@contextmanager
def serving(start: Callable[[], Awaitable[web.AppRunner]]) -> Generator[str]:
    """Run an aiohttp server in a thread with its own loop; give its address."""
    ready = threading.Event()
    state: dict[str, object] = {}

    async def serve() -> None:
        stop = asyncio.Event()
        try:
            runner = await start()
        except BaseException as error:
            state["error"] = error
            ready.set()
            raise
        state.update(
            url=run.address_of(runner, "127.0.0.1"), loop=asyncio.get_running_loop(), stop=stop
        )
        ready.set()
        await stop.wait()
        await runner.cleanup()

    complaints = _Complaints(logging.ERROR)
    logging.getLogger("aiohttp.server").addHandler(complaints)
    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="registry")
    thread.start()
    try:
        if not ready.wait(20) or "url" not in state:
            raise AssertionError(f"the server did not start: {state.get('error')}")
        yield str(state["url"])
    finally:
        loop, stop = state.get("loop"), state.get("stop")
        if isinstance(loop, asyncio.AbstractEventLoop) and isinstance(stop, asyncio.Event):
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        logging.getLogger("aiohttp.server").removeHandler(complaints)
    assert complaints.texts == []


class _Complaints(logging.Handler):
    """What aiohttp says only to its log: failures after our last handler."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "Unhandled" in record.getMessage():
            self.texts.append(f"{record.getMessage()} {record.exc_info}")
