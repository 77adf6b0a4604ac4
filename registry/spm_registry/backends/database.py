"""What the server asks of a database, whichever it is.

A database decides alone who owns a name and which versions exist: two workers that
publish the same version at the same moment are told apart by its constraints, never by
a check the server made before. It stores each skill's document ready to send, without
``downloads`` and ``rating``, which change by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, Self

from spm_spec.errors import EnvironmentFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from spm_registry.wire import ReleaseDocument, Sort

Verdict = Literal["published", "already-published", "version-taken", "name-taken"]


class DatabaseUnavailable(EnvironmentFailure):
    """The database is locked, full or gone; the same request may succeed later."""

    kind = "database-unavailable"


@dataclass(frozen=True, slots=True)
class About:
    """What one version of a skill says about itself, for people."""

    name: str
    description: str
    author: str | None
    homepage: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A checked release on its way into the database."""

    about: About
    release: ReleaseDocument


@dataclass(frozen=True, slots=True)
class StoredSkill:
    """A skill's document as stored, and the numbers that complete it."""

    body: str
    """The JSON object of a `SkillDocument` without ``downloads`` and ``rating``."""
    downloads: int
    rating_total: int
    rating_count: int


@dataclass(frozen=True, slots=True)
class Query:
    """One page of skills: ``words`` all of them, or else any; ``tags`` all of them."""

    words: tuple[str, ...]
    tags: tuple[str, ...]
    sort: Sort
    limit: int
    offset: int


@dataclass(frozen=True, slots=True)
class Found:
    """One page of stored summaries and how many skills matched on all pages."""

    skills: tuple[StoredSkill, ...]
    total: int


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token as it may be shown: who it speaks for, never the token itself."""

    identifier: str
    account: str
    created_at: str
    revoked_at: str | None

    def as_document(self) -> dict[str, str | None]:
        """Return the row as plain JSON values."""
        return {
            "identifier": self.identifier,
            "account": self.account,
            "createdAt": self.created_at,
            "revokedAt": self.revoked_at,
        }


class Database(Protocol):
    """The rows of a registry. Every method is one transaction."""

    async def __aenter__(self) -> Self:
        """Connect, and make or check the tables."""
        ...

    async def __aexit__(self, *failure: object) -> None:
        """Disconnect."""
        ...

    async def standing(self, submission: Submission, account: str) -> Verdict | None:
        """Say what `publish` would refuse, or ``None``; a hint, `publish` decides."""
        ...

    async def publish(self, submission: Submission, account: str, now: datetime) -> Verdict:
        """Record a release whose object is already durable; only ``published`` changes rows."""
        ...

    async def skill(self, name: str) -> StoredSkill | None:
        """Return the document of a skill with all its versions."""
        ...

    async def release(self, name: str, version: str) -> StoredSkill | None:
        """Return a skill as seen at one version; build metadata does not tell versions apart."""
        ...

    async def find(self, query: Query) -> Found:
        """Return one page of summaries."""
        ...

    async def tags(self) -> Sequence[tuple[str, int]]:
        """Return tags and their number of skills, the most used first."""
        ...

    async def count(self) -> tuple[int, int]:
        """Return how many skills and releases there are."""
        ...

    async def add_downloads(self, by_archive: Mapping[str, int]) -> None:
        """Add to the counters of releases, named by the sha256 of their archives."""
        ...

    async def rate(self, name: str, account: str, stars: int) -> StoredSkill | None:
        """Set the account's one rating of a skill; ``None`` if there is no such skill."""
        ...

    async def add_token(self, row: TokenRow, secret_hash: str) -> None:
        """Record a token."""
        ...

    async def account_of(self, secret_hash: str) -> str | None:
        """Return whose token it is; ``None`` for unknown and revoked ones."""
        ...

    async def tokens(self) -> Sequence[TokenRow]:
        """Return all tokens, the oldest first."""
        ...

    async def revoke_token(self, identifier: str, now: str) -> bool:
        """Revoke a token; ``False`` if there is none with this identifier."""
        ...
