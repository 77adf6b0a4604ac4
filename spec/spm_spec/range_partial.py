"""A version with perhaps its last numbers left open, as comparators are written with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.cuts import LOWEST, successor
from spm_spec.quoting import quote
from spm_spec.versions import LARGEST_NUMBER, Version

if TYPE_CHECKING:
    from spm_spec.versions import Key


class RangeSyntaxError(ValueError):
    """The text is not a range; ``ranges`` turns this into ``InvalidRange``."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        """Keep the hint beside the message."""
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Partial:
    """A version with perhaps its last numbers left open (``None``)."""

    major: int | None
    minor: int | None
    patch: int | None
    prerelease: tuple[int | str, ...]
    text: str

    @property
    def is_full(self) -> bool:
        """Whether all three numbers are given."""
        return self.patch is not None

    @property
    def floor(self) -> Key:
        """The least release it can mean, or the pre-release it names."""
        return Version(self.major or 0, self.minor or 0, self.patch or 0, self.prerelease).key

    @property
    def ceiling(self) -> Key:
        """The least key above everything it can mean."""
        if self.is_full:
            return successor(self.floor)
        return self.next_minor if self.minor is not None else self.next_major

    @property
    def next_major(self) -> Key:
        """The lowest pre-release of the next major version."""
        return lowest_prerelease(self._next(self.major), 0, 0)

    @property
    def next_minor(self) -> Key:
        """The lowest pre-release of the next minor version."""
        return lowest_prerelease(self.major or 0, self._next(self.minor), 0)

    @property
    def next_patch(self) -> Key:
        """The lowest pre-release of the next patch version."""
        return lowest_prerelease(self.major or 0, self.minor or 0, self._next(self.patch))

    def _next(self, number: int | None) -> int:
        following = (number or 0) + 1
        if following > LARGEST_NUMBER:
            raise RangeSyntaxError(f"{quote(self.text)} has no next version within the limits")
        return following


def lowest_prerelease(major: int, minor: int, patch: int) -> Key:
    """Return the key of ``major.minor.patch-0``."""
    return (major, minor, patch, 0, LOWEST[4])
