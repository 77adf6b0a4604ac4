"""Sets of versions as increasing cuts: the algebra behind ``VersionRange``.

A set is a strictly increasing tuple of version keys. Starting outside, each key
flips membership at that version, so ``(a, b)`` is ``a <= v < b`` and ``(a,)`` is
``a <= v``. ``LOWEST`` is the least version there is, ``0.0.0-0``; a set that
begins there has no lower bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spm_spec.versions import Key

Cuts = tuple["Key", ...]

LOWEST: Key = (0, 0, 0, 0, ((0, 0, ""),))
NOTHING: Cuts = ()
ALL: Cuts = (LOWEST,)


def successor(key: Key) -> Key:
    """Return the least key above ``key``; no version lies between the two."""
    major, minor, patch, is_release, identifiers = key
    if is_release:
        return (major, minor, patch + 1, 0, LOWEST[4])
    return (major, minor, patch, 0, (*identifiers, *LOWEST[4]))


def cuts_between(start: Key, end: Key | None) -> Cuts:
    """Return the set ``start <= v < end``, without upper bound if ``end`` is ``None``."""
    if end is None:
        return (start,)
    return (start, end) if start < end else NOTHING


def invert(cuts: Cuts) -> Cuts:
    """Return every version that is not in ``cuts``."""
    return cuts[1:] if cuts[:1] == ALL else ALL + cuts


def intersect(left: Cuts, right: Cuts) -> Cuts:
    """Return the versions in both; linear in the number of cuts."""
    return _sweep(left, right, needed=2)


def unite(left: Cuts, right: Cuts) -> Cuts:
    """Return the versions in either; linear in the number of cuts."""
    return _sweep(left, right, needed=1)


def _sweep(left: Cuts, right: Cuts, needed: int) -> Cuts:
    """Walk both in order, keeping the keys where "at least ``needed`` inside" flips."""
    flips: list[Key] = []
    at_left = at_right = 0
    inside = False
    while at_left < len(left) or at_right < len(right):
        key = min(*left[at_left : at_left + 1], *right[at_right : at_right + 1], _HIGHEST)
        at_left += left[at_left : at_left + 1] == (key,)
        at_right += right[at_right : at_right + 1] == (key,)
        now_inside = at_left % 2 + at_right % 2 >= needed
        if now_inside != inside:
            flips.append(key)
            inside = now_inside
    return tuple(flips)


# Above every version that can be written: numbers end at 2**53 - 1.
_HIGHEST: Key = (2**64, 0, 0, 0, ())
