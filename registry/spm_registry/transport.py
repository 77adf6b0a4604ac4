"""HTTP as a suspicious client speaks it: caps, deadlines, few retries, no borrowed trust.

An answer is read up to a cap and never decompressed. A total deadline that grows with
the size promised cuts off a server that drips. Redirects are followed by hand, and the
token goes to the registry's own origin alone. Only GET is tried again, and only after
failures that pass by themselves.
"""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from spm_registry.addresses import origin, redirected
from spm_registry.errors import RegistryUnreachable
from spm_registry.wire import RegistryLied, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

CONNECTIONS = 16
REDIRECT_LIMIT = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PASSING = frozenset({429, 502, 503, 504})
_HEADER_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a client waits, in seconds, and how often it tries."""

    connect: float = 15.0
    stall: float = 30.0
    """Between two pieces of an answer."""
    total: float = 60.0
    """For a whole answer, before anything is added for its size."""
    bytes_per_second: int = 16 * 1024
    """The slowest download that is still waited for."""
    attempts: int = 4
    first_pause: float = 0.2
    longest_pause: float = 10.0
    """Also the longest ``Retry-After`` that is honoured."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question; ``limit`` is the most bytes its answer may have."""

    method: str
    url: str
    limit: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    expected: int = 0
    """Bytes to be moved, for the deadline."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, whole."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """A pool of connections to one registry; an async context manager."""

    def __init__(
        self,
        registry: str,
        *,
        token: str | None,
        patience: Patience,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """Connect to nothing yet; ``spread`` returns the jitter of pauses, from 0 to 1."""
        self._origin, self._token = origin(registry), token
        self._patience, self._spread = patience, spread
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make the session."""
        import aiohttp

        patience = self._patience
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            timeout=aiohttp.ClientTimeout(
                total=None, connect=None, sock_connect=patience.connect, sock_read=patience.stall
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "spm"},
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request) -> Answer:
        """Return the first answer that is final.

        Raises:
            RegistryUnreachable: no final answer came within the attempts and deadlines.
            RegistryLied: the answer is larger than its limit, encoded, or redirects wrongly.
        """
        attempts = self._patience.attempts if request.method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                answer = await self._follow(request)
            except RegistryUnreachable:
                if attempt == attempts:
                    raise
                await asyncio.sleep(self._pause(attempt, None))
                continue
            if answer.status not in _PASSING or attempt == attempts:
                return answer
            await asyncio.sleep(self._pause(attempt, answer.headers.get("Retry-After")))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, retry_after: str | None) -> float:
        longest = self._patience.longest_pause
        if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
            return min(float(retry_after[:6]), longest)
        return min(self._patience.first_pause * 2.0 ** (attempt - 1), longest) * self._spread()

    async def _follow(self, request: Request) -> Answer:
        seconds = self._patience.total + request.expected / self._patience.bytes_per_second
        url = request.url
        try:
            async with asyncio.timeout(seconds):
                for _ in range(REDIRECT_LIMIT + 1):
                    answer = await self._once(request, url)
                    if answer.status not in _REDIRECTS or request.method != "GET":
                        return answer
                    url = redirected(url, answer.headers.get("Location", ""))
        except TimeoutError as error:
            raise RegistryUnreachable(url, f"no whole answer within {seconds:.0f} s") from error
        raise RegistryLied(request.url, f"redirects more than {REDIRECT_LIMIT} times")

    async def _once(self, request: Request, url: str) -> Answer:
        from io import BytesIO

        import aiohttp
        from yarl import URL

        if self._session is None:
            raise AssertionError("the transport is used outside its `async with`")
        headers = dict(request.headers)
        if self._token is not None and origin(url) == self._origin:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                # As a stream, so that large archives do not hold up the event loop.
                data=BytesIO(request.body) if request.body is not None else None,
                allow_redirects=False,
            ) as response:
                body = await _read(response, url, request.limit)
                return Answer(response.status, url, response.headers, body)
        except aiohttp.ClientResponseError as error:
            raise RegistryLied(url, f"no HTTP answer: {printable(str(error), 200)}") from error
        except (aiohttp.ClientError, OSError) as error:
            reason = printable(_reason(error), 200)
            raise RegistryUnreachable(url, reason) from error


async def _read(response: aiohttp.ClientResponse, url: str, limit: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise RegistryLied(url, "the answer is encoded, which was not asked for")
    if (response.content_length or 0) > limit:
        raise RegistryLied(url, f"the answer has {response.content_length} bytes, limit {limit}")
    received = bytearray()
    async for chunk in response.content.iter_any():
        received += chunk
        if len(received) > limit:
            raise RegistryLied(url, f"the answer has more than {limit} bytes")
    return bytes(received)


def _reason(error: aiohttp.ClientError | OSError) -> str:
    """What the system said of a failed connection, without the library's wrapping."""
    system = getattr(error, "os_error", error)
    text = getattr(system, "strerror", None)
    if not text or text.startswith(("Connect call failed", "Multiple exceptions")):
        number = getattr(system, "errno", None)
        text = os.strerror(number) if number else str(error) or type(error).__name__
    return text.lower() if text.isascii() else text
