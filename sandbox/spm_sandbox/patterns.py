"""Which regular expressions of a stranger may be searched for on the host (pure)."""

from __future__ import annotations

import re

MAXIMUM_PATTERN = 200  # characters
MAXIMUM_SEARCHED = 4096  # characters of text; a cheap search takes at most their square
_MOST_OPTIONAL = 4

_EXACT_COUNT = re.compile(r"\{\d{1,3}\}")
_BACK_REFERENCE = re.compile(r"\\[1-9]|\(\?P=|\(\?\(")


def is_cheap(pattern: str) -> bool:
    """Whether a search takes at most quadratic time; the answer errs on the side of no.

    Without groups, one repeat and a few optional characters. With groups, one repeat or
    optional part, and no alternatives beside it. Escaped signs count as if they were not.
    """
    if len(pattern) > MAXIMUM_PATTERN or _BACK_REFERENCE.search(pattern):
        return False
    grouped = "(" in pattern
    flat = pattern if grouped else _EXACT_COUNT.sub("", pattern)
    repeats = sum(flat.count(sign) for sign in "*+{")
    optional = flat.count("?")
    if grouped:
        return repeats + optional == 0 or (repeats + optional == 1 and "|" not in pattern)
    return repeats <= 1 and optional <= _MOST_OPTIONAL
