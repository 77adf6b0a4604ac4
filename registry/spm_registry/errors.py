"""What can go wrong between a client and a registry, by whose fault it is.

A registry that lies is `spm_registry.wire.RegistryLied`. Nothing but a 404 about the
thing itself ever means "there is no such skill".
"""

from __future__ import annotations

from spm_registry.wire import STARS_LIMIT
from spm_spec.errors import EnvironmentFailure, UserMistake


class RegistryUnreachable(EnvironmentFailure):
    """No answer, or only "not now", after all attempts; trying later may help."""

    kind = "registry-unreachable"

    def __init__(self, url: str, what: str, *, hint: str | None = None) -> None:
        """Name the address and what happened."""
        super().__init__(
            f"{url}: {what}", hint=hint or "check the address and the network, then try again"
        )
        self.url, self.what = url, what


class Offline(EnvironmentFailure):
    """The answer would need the network, and the network was forbidden."""

    kind = "offline"

    def __init__(self, url: str) -> None:
        """Name what would have been asked."""
        super().__init__(
            f"{url}: not in the cache, and spm is offline", hint="run again without --offline"
        )
        self.url = url


class InvalidStars(UserMistake):
    """A rating is a whole number of stars in a small range."""

    kind = "invalid-stars"

    def __init__(self, stars: int) -> None:
        """Name the number."""
        super().__init__(f"{stars} stars: a rating has 1 to {STARS_LIMIT}")


class RegistryRefused(UserMistake):
    """The registry understood and said no: not allowed, not valid, already there."""

    kind = "registry-refused"

    def __init__(
        self,
        url: str,
        status: int,
        reason: str,
        message: str,
        *,
        hint: str | None = None,
        problems: tuple[str, ...] = (),
    ) -> None:
        """Keep the status and what the error document says, already made printable."""
        listed = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{url}: {status} {reason}: {message}{listed}", hint=hint)
        self.url, self.status, self.reason, self.problems = url, status, reason, problems
