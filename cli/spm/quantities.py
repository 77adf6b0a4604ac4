"""Sizes and spans of time as people write them and as people read them."""

from __future__ import annotations

import re

from spm_spec.errors import UserMistake
from spm_spec.policy_limits import parse_size

_SPAN = re.compile(r"([0-9]{1,9}) ?(s|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def bytes_of(text: str, *, what: str) -> int:
    """The bytes that ``512MiB``, ``2 GB`` or a bare number says; ``what`` was asked for.

    Raises:
        UserMistake: it says none.
    """
    size = int(text) if text.isascii() and text.isdigit() else parse_size(text)
    if size is None:
        raise UserMistake(f"{what}: `{text}` is no size", hint="for example 500MiB, 2GiB or 0")
    return size


def seconds_of(text: str, *, what: str) -> int:
    """The seconds that ``90s``, ``12h``, ``7d`` or ``0`` says; ``what`` was asked for.

    Raises:
        UserMistake: it says none.
    """
    if text == "0":
        return 0
    match = _SPAN.fullmatch(text)
    if match is None:
        raise UserMistake(f"{what}: `{text}` is no span of time", hint="for example 12h, 7d or 0")
    return int(match[1]) * _SECONDS[match[2]]


def shown_bytes(count: int) -> str:
    """A size for people, three digits exact: ``812 bytes``, ``1.4 KiB``, ``20 MiB``."""
    if count < _STEP:
        return f"{count} byte" if count == 1 else f"{count} bytes"
    size, power = count / _STEP, 0
    while size >= _STEP and power < len(_UNITS) - 1:
        size, power = size / _STEP, power + 1
    unit = _UNITS[power]
    return f"{size:.1f} {unit}" if size < 10 else f"{size:.0f} {unit}"  # noqa: PLR2004  # one digit


def shown_span(seconds: float) -> str:
    """A span of time for people, in its largest whole unit: ``3 days``, ``1 hour``."""
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}" if count == 1 else f"{count} {word}s"
    return f"{max(0, int(seconds))} seconds"
