"""Versions as Semantic Versioning 2.0.0 defines and orders them.

A ``Version`` compares by ``key``, a tuple of plain integers and strings, so that
sorting many versions costs tuple comparisons only. Build metadata is kept and
shown but is no part of the order, of equality or of the hash (SemVer section 10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from spm_spec.errors import UserMistake
from spm_spec.quoting import quote

VERSION_CHARACTERS = 256
# The largest integer every JSON reader keeps exactly; npm has the same limit.
LARGEST_NUMBER = 2**53 - 1

Key = tuple[int, int, int, int, tuple[tuple[int, int, str], ...]]

_NUMBER = r"0|[1-9][0-9]*"
_PRERELEASE_IDENTIFIER = rf"(?:[0-9]*[a-zA-Z-][0-9a-zA-Z-]*|{_NUMBER})"
PRERELEASE_PATTERN = rf"{_PRERELEASE_IDENTIFIER}(?:\.{_PRERELEASE_IDENTIFIER})*"
BUILD_PATTERN = r"[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*"
_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})"
    rf"(?:-({PRERELEASE_PATTERN}))?(?:\+({BUILD_PATTERN}))?"
)
_FORGIVABLE_PREFIX = re.compile(r"\s*[v=]?\s*")
_TWO_NUMBERS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class InvalidVersion(UserMistake):
    """Text that is not a SemVer 2.0.0 version; ``text`` is what was given."""

    def __init__(self, message: str, *, text: str, hint: str | None = None) -> None:
        """Keep the refused ``text`` beside the message."""
        super().__init__(message, hint=hint)
        self.text = text


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One version; ordered by SemVer section 11, blind to build metadata."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[int | str, ...] = ()
    build: tuple[str, ...] = ()
    key: Key = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the sort key once."""
        object.__setattr__(self, "key", _key(self))

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version written as ``text``, strictly: no ``v``, no blanks, three numbers.

        Raises:
            InvalidVersion: not SemVer 2.0.0, over 256 characters, or a number
                above 2**53 - 1.

        """
        return _parse(text) if len(text) <= VERSION_CHARACTERS else _too_long(text)

    @property
    def is_prerelease(self) -> bool:
        """Whether the version comes before its release."""
        return bool(self.prerelease)

    def __str__(self) -> str:
        """Return the text that parses back to this version."""
        text = f"{self.major}.{self.minor}.{self.patch}"
        if self.prerelease:
            text += "-" + ".".join(map(str, self.prerelease))
        if self.build:
            text += "+" + ".".join(self.build)
        return text

    def __hash__(self) -> int:
        """Equal versions hash alike."""
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        """Whether neither comes before the other."""
        return self.key == other.key if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        """Whether this one comes first."""
        return self.key < other.key

    def __le__(self, other: Version) -> bool:
        """Whether this one comes first or is equal."""
        return self.key <= other.key

    def __gt__(self, other: Version) -> bool:
        """Whether the other comes first."""
        return self.key > other.key

    def __ge__(self, other: Version) -> bool:
        """Whether the other comes first or is equal."""
        return self.key >= other.key


def version_of_key(key: Key) -> Version:
    """Return the version, without build metadata, whose key is ``key``."""
    identifiers = tuple(text if kind else number for kind, number, text in key[4])
    return Version(key[0], key[1], key[2], identifiers)


def _key(version: Version) -> Key:
    # Section 11.4: numbers below words, numbers by value, words by ASCII, and a
    # longer list above its own prefix. A release is above its pre-releases (11.3).
    identifiers = tuple(
        (0, item, "") if isinstance(item, int) else (1, 0, item) for item in version.prerelease
    )
    is_release = 0 if identifiers else 1
    return (version.major, version.minor, version.patch, is_release, identifiers)


@lru_cache(maxsize=8192)
def _parse(text: str) -> Version:
    match = _VERSION.fullmatch(text)
    if match is None:
        message = f"version {quote(text)} is not MAJOR.MINOR.PATCH of SemVer 2.0.0"
        raise InvalidVersion(message, text=text, hint=_suggestion(text))
    major, minor, patch, prerelease, build = match.groups()
    numbers = (int(major), int(minor), int(patch))
    if max(numbers) > LARGEST_NUMBER:
        message = f"version {quote(text)} has a number above {LARGEST_NUMBER}"
        raise InvalidVersion(message, text=text)
    return Version(*numbers, parse_prerelease(prerelease), tuple(build.split(".")) if build else ())


def parse_prerelease(text: str | None) -> tuple[int | str, ...]:
    """Return the identifiers of a pre-release already known to match ``PRERELEASE_PATTERN``."""
    if not text:
        return ()
    return tuple(int(item) if item.isdigit() else item for item in text.split("."))


def _too_long(text: str) -> Version:
    message = (
        f"version {quote(text, limit=24)} has {len(text)} characters, "
        f"the limit is {VERSION_CHARACTERS}"
    )
    raise InvalidVersion(message, text=text)


def _suggestion(text: str) -> str | None:
    bare = text.strip()[_prefix_length(text.strip()) :]
    if bare != text and _VERSION.fullmatch(bare):
        return f"write {quote(bare)}"
    if _TWO_NUMBERS.fullmatch(bare):
        filled = ".".join([*(str(int(part)) for part in bare.split(".")), "0", "0"][:3])
        return f"write {quote(filled)}"
    return None


def _prefix_length(text: str) -> int:
    match = _FORGIVABLE_PREFIX.match(text)
    return match.end() if match else 0
