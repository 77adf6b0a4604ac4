"""How much a skill may use: the limits of a policy, their defaults, caps and text.

A size is a whole number of bytes or text such as ``512MiB``; a time is whole seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_KIB, _MIB, _GIB = 1 << 10, 1 << 20, 1 << 30
_UNITS = {"B": 1, "KiB": _KIB, "MiB": _MIB, "GiB": _GIB, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB|GiB|kB|MB|GB)")


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds of one call."""

    memory_bytes: int = 1 * _GIB
    cpu_seconds: int = 30
    wall_seconds: int = 30
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 64 * _MIB
    """The largest file it may write."""
    scratch_bytes: int = 64 * _MIB
    """The size of its private ``/tmp``."""
    output_bytes: int = 8 * _MIB
    """What it may print and return."""

    def as_document(self) -> dict[str, int]:
        """Return the limits that differ from the default, by their written keys."""
        return {
            key: getattr(self, bound.field)
            for key, bound in BOUNDS.items()
            if getattr(self, bound.field) != getattr(DEFAULT_LIMITS, bound.field)
        }


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Bound:
    """What a written limit sets, and between which numbers."""

    field: str
    lowest: int
    highest: int
    is_size: bool


BOUNDS: dict[str, Bound] = {
    "memory": Bound("memory_bytes", 16 * _MIB, 64 * _GIB, is_size=True),
    "cpu": Bound("cpu_seconds", 1, 3600, is_size=False),
    "wall": Bound("wall_seconds", 1, 3600, is_size=False),
    "processes": Bound("processes", 1, 4096, is_size=False),
    "open-files": Bound("open_files", 16, 65536, is_size=False),
    "file-size": Bound("file_bytes", 0, 64 * _GIB, is_size=True),
    "scratch": Bound("scratch_bytes", 0, 64 * _GIB, is_size=True),
    "output": Bound("output_bytes", 1 * _KIB, 1 * _GIB, is_size=True),
}
LIMIT_WORDS = {
    "memory_bytes": "memory",
    "cpu_seconds": "processor time",
    "wall_seconds": "time",
    "processes": "processes",
    "open_files": "open files",
    "file_bytes": "a file size",
    "scratch_bytes": "scratch space",
    "output_bytes": "output",
}


def parse_size(text: str) -> int | None:
    """Return the bytes that ``512MiB`` or ``2 GB`` says, or ``None`` if it says none."""
    match = _SIZE.fullmatch(text)
    return None if match is None else int(match[1]) * _UNITS[match[2]]


def size_text(size: int) -> str:
    """Return ``size`` in the largest unit that divides it; the inverse of ``parse_size``."""
    for unit, word in ((_GIB, "GiB"), (_MIB, "MiB"), (_KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit}{word}"
    return f"{size}B"


def shown_limit(field: str, limits: Limits) -> str:
    """Return one limit as a person reads it."""
    value: int = getattr(limits, field)
    if field.endswith("_bytes"):
        return size_text(value)
    return f"{value} s" if field.endswith("_seconds") else str(value)


def smaller_limits(one: Limits, other: Limits) -> Limits:
    """Return the lower of both, limit by limit."""
    return Limits(
        **{
            bound.field: min(getattr(one, bound.field), getattr(other, bound.field))
            for bound in BOUNDS.values()
        }
    )
