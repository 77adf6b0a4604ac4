"""Version ranges: sets of versions with an exact algebra.

In SemVer's order every version has an immediate successor: after ``1.2.3`` comes
``1.2.4-0`` and after ``1.2.3-a`` comes ``1.2.3-a.0``. So every comparator is a
half-open interval, and a range is a strictly increasing tuple of *cuts* (version
keys) at which membership flips: the first cut enters the range, the second
leaves it, and so on. Two ranges hold the same versions exactly if their cuts
are equal. The grammar of the text lives in ``range_grammar``.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from spm_spec.cuts import ALL, NOTHING, cuts_between, intersect, invert, successor, unite
from spm_spec.errors import UserMistake
from spm_spec.versions import version_of_key

if TYPE_CHECKING:
    from spm_spec.cuts import Cuts
    from spm_spec.versions import Key, Version


class InvalidRange(UserMistake):
    """Text that is not a version range; ``text`` is the whole range as written."""

    def __init__(self, message: str, *, text: str, hint: str | None = None) -> None:
        """Keep the refused ``text`` beside the message."""
        super().__init__(message, hint=hint)
        self.text = text


class VersionRange:
    """An immutable set of versions; equal to another if it holds the same ones.

    ``cuts`` is the set itself. ``opened`` is the part of it whose pre-releases
    were asked for (npm's rule, see ``admits``); it is carried through ``intersect``
    and ``unite`` and is no part of equality.
    """

    __slots__ = ("_written", "cuts", "opened")

    cuts: Cuts
    opened: Cuts
    _written: str | None

    def __init__(self, cuts: Cuts, opened: Cuts = NOTHING, text: str | None = None) -> None:
        """Hold the versions between ``cuts``; ``text`` is how a person wrote it."""
        object.__setattr__(self, "cuts", cuts)
        object.__setattr__(self, "opened", opened)
        object.__setattr__(self, "_written", text)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse: ranges are shared between threads and caches."""
        message = f"cannot assign {name}: a VersionRange is immutable"
        raise AttributeError(message)

    def __reduce__(self) -> tuple[type[VersionRange], tuple[Cuts, Cuts, str | None]]:
        """Copy and pickle by construction."""
        return (VersionRange, (self.cuts, self.opened, self._written))

    @staticmethod
    def parse(text: str) -> VersionRange:
        """Return the range written as ``text`` in npm's grammar and pip's operators.

        Raises:
            InvalidRange: outside the grammar of spec/versions.md, over 1 KiB, or
                over 128 comparators.

        """
        return _parse(text)

    @staticmethod
    def any() -> VersionRange:
        """Every version."""
        return VersionRange(ALL)

    @staticmethod
    def none() -> VersionRange:
        """No version."""
        return VersionRange(NOTHING)

    @staticmethod
    def exactly(version: Version) -> VersionRange:
        """Hold ``version`` alone, whatever its build metadata."""
        cuts = cuts_between(version.key, successor(version.key))
        return VersionRange(cuts, cuts if version.prerelease else NOTHING)

    def contains(self, version: Version) -> bool:
        """Whether ``version`` lies in the set; pre-releases are versions like any other."""
        return bisect_right(self.cuts, version.key) % 2 == 1

    def admits(self, version: Version) -> bool:
        """Whether ``version`` is a candidate: in the set and, if a pre-release, asked for.

        npm's rule: a pre-release is asked for only by a comparator of the same
        comparator set that names the same major.minor.patch with a pre-release.
        """
        cuts = self.opened if version.prerelease else self.cuts
        return bisect_right(cuts, version.key) % 2 == 1

    def intersect(self, other: VersionRange) -> VersionRange:
        """Return what both hold; equal to writing both with a blank between them."""
        opened = unite(intersect(self.opened, other.cuts), intersect(self.cuts, other.opened))
        return VersionRange(intersect(self.cuts, other.cuts), opened)

    def unite(self, other: VersionRange) -> VersionRange:
        """Return what either holds."""
        return VersionRange(unite(self.cuts, other.cuts), unite(self.opened, other.opened))

    def complement(self) -> VersionRange:
        """Return what this one does not hold; its pre-releases are not asked for."""
        return VersionRange(invert(self.cuts))

    @property
    def text(self) -> str:
        """The range as written, or the canonical text of one that was computed."""
        return str(self) if self._written is None else self._written

    @property
    def is_empty(self) -> bool:
        """Whether no version is in it."""
        return not self.cuts

    @property
    def is_any(self) -> bool:
        """Whether every version is in it."""
        return self.cuts == ALL

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same versions."""
        return self.cuts == other.cuts if isinstance(other, VersionRange) else NotImplemented

    def __hash__(self) -> int:
        """Equal ranges hash alike."""
        return hash(self.cuts)

    def __str__(self) -> str:
        """Return the canonical text: equal ranges with equal openings, equal text."""
        return _render(self.cuts, self.opened)

    def __repr__(self) -> str:
        """Show the text as written."""
        return f"VersionRange({self.text!r})"


_ZERO: Key = (0, 0, 0, 1, ())


@lru_cache(maxsize=4096)
def _parse(text: str) -> VersionRange:
    from spm_spec.range_grammar import read_range
    from spm_spec.range_partial import RangeSyntaxError

    try:
        cuts, opened = read_range(text)
    except RangeSyntaxError as error:
        raise InvalidRange(str(error), text=text, hint=error.hint) from error
    return VersionRange(cuts, opened, text)


def _render(cuts: Cuts, opened: Cuts) -> str:
    """Write ``cuts`` so that parsing gives them back: alternatives joined by ``||``."""
    if not cuts:
        return "<0.0.0-0"
    if cuts == ALL:
        return "*"
    ends = [*cuts[1:], None] if len(cuts) % 2 else [*cuts[1:]]
    pairs = zip(cuts[::2], ends[::2], strict=True)
    return " || ".join(_render_interval(start, end, opened) for start, end in pairs)


def _render_interval(start: Key, end: Key | None, opened: Cuts) -> str:
    if end == successor(start):
        return str(version_of_key(start))
    if start == _ZERO:  # `>=0.0.0` would mean `*`
        return f"0.0.0 || {_render_interval(successor(_ZERO), end, opened)}"
    lower = "" if start == ALL[0] else _render_lower(start, opened)
    upper = "" if end is None else _render_upper(end)
    return f"{lower} {upper}".strip()


def _render_lower(key: Key, opened: Cuts) -> str:
    before = _release_before(key)
    if before is None or bisect_right(opened, key) % 2:
        return f">={version_of_key(key)}"
    return f">{before}"


def _render_upper(key: Key) -> str:
    before = _release_before(key)
    return f"<{version_of_key(key)}" if before is None else f"<={before}"


def _release_before(key: Key) -> Version | None:
    """Return the release whose immediate successor is ``key``, if there is one."""
    major, minor, patch, is_release, identifiers = key
    if is_release or patch == 0 or identifiers != ALL[0][4]:
        return None
    return version_of_key((major, minor, patch - 1, 1, ()))
