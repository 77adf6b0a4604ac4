"""How much one address may ask for: a token bucket per address, in this process."""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from spm_registry.server.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ADDRESS_LIMIT = 10_000
"""Addresses remembered; the ones unheard of longest are forgotten first."""
IPV6_NETWORK_BITS = 64
"""One customer usually has a whole /64; it counts as one address."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A steady number of requests a second and how many may come at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server allows; the defaults are meant for one small public registry."""

    reads: Rate = Rate(500, 5_000)
    writes: Rate = Rate(50, 1_000)
    header_bytes: int = 8_190
    """The longest request line and the longest header."""
    header_count: int = 64
    request_seconds: float = 60.0
    """How long a request's body may take to arrive, whatever its size."""
    idle_seconds: float = 30.0
    """How long a connection may be open without a complete request."""
    publishing: int = 4
    """Publishes that are checked at the same time; others wait."""


class Buckets:
    """Token buckets by address; ``clock`` is monotonic seconds."""

    def __init__(self, rate: Rate, clock: Callable[[], float]) -> None:
        """Start with every bucket full."""
        self._rate, self._clock = rate, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Take one token; return 0, or the seconds until there will be one."""
        now = self._clock()
        level, then = self._levels.pop(address, (float(self._rate.burst), now))
        level = min(self._rate.burst, level + (now - then) * self._rate.per_second)
        taken = level >= 1
        self._levels[address] = (level - 1 if taken else level, now)
        if len(self._levels) > ADDRESS_LIMIT:
            self._levels.popitem(last=False)
        return 0.0 if taken else (1 - level) / self._rate.per_second


def address_group(remote: str | None) -> str:
    """Return the address, or the network that counts as one address."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if address.version == 4:  # noqa: PLR2004  # the name of the protocol
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_NETWORK_BITS), strict=False))


def rate_limiter(limits: Limits, clock: Callable[[], float]) -> Middleware:
    """Return a middleware that answers 429 to addresses that ask too often.

    The address is the connection's own; no header can claim another.
    """
    reads, writes = Buckets(limits.reads, clock), Buckets(limits.writes, clock)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        buckets = reads if request.method in {"GET", "HEAD"} else writes
        wait = buckets.wait(address_group(request.remote))
        if wait > 0:
            seconds = math.ceil(wait)
            raise Refusal(
                429,
                "too-many-requests",
                f"too many requests from this address; wait {seconds} s",
                headers={"Retry-After": str(seconds)},
            )
        return await handler(request)

    return limited
