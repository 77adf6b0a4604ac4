"""Reading TOML that a person, a merge or an attacker may have written.

``tomllib`` checks the syntax; this module holds the caps that keep it fast, turns
everything it raises into one error with a line, and finds the line of a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.quoting import quote

if TYPE_CHECKING:
    Path = tuple[str | int, ...]

LINE_CHARACTERS = 64 * 1024
KEY_PARTS = 16

_MARKER = re.compile(r"^(?:<{7}|>{7}|\|{7})(?: .*)?$|^={7}$", re.MULTILINE)
_DEEP_KEY = re.compile(rf"(?:\.[ \t]*(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*){{{KEY_PARTS},}}")
_DEEP_VALUE = re.compile(rf"(?:[\[{{][ \t\n]*){{{KEY_PARTS},}}")
_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"\n]*\"|'[^'\n]*')"
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEY})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_KEY})[ \t]*=")
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class InvalidToml(UserMistake):
    """A TOML file that is refused: where, and why in one ``reason`` for tests and vectors."""

    def __init__(
        self, message: str, *, origin: str, line: int | None, reason: str, hint: str | None = None
    ) -> None:
        """Put the place before ``message``; ``line`` counts from 1."""
        place = origin if line is None else f"{origin}:{line}"
        super().__init__(f"{place}: {message}", hint=hint)
        self.origin, self.line, self.reason = origin, line, reason


def load_toml(
    text: str, *, origin: str, most_characters: int, refusal: type[InvalidToml]
) -> dict[str, object]:
    """Return the document in ``text``.

    Raises:
        InvalidToml: as ``refusal``; reasons ``too-large``, ``merge-conflict``,
            ``duplicate-key``, ``syntax``.

    """
    import tomllib

    check_size(text, origin=origin, most_characters=most_characters, refusal=refusal)
    check_merged(text, origin=origin, refusal=refusal)
    deep = _DEEP_KEY.search(text) or _DEEP_VALUE.search(text)
    if deep is not None:
        line = text.count("\n", 0, deep.start()) + 1
        message = f"nested more than {KEY_PARTS} deep"
        raise refusal(message, origin=origin, line=line, reason="syntax")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax(str(error), text, origin, refusal) from error
    except (ValueError, RecursionError) as error:  # endless digits, endless brackets
        message = "a number is too long or a value is nested too deep"
        raise refusal(message, origin=origin, line=None, reason="syntax") from error


def check_size(text: str, *, origin: str, most_characters: int, refusal: type[InvalidToml]) -> None:
    """Refuse a text that is over its cap, or has a line over 64 KiB."""
    if len(text) > most_characters:
        message = f"has {len(text)} characters, the limit is {most_characters}"
        raise refusal(message, origin=origin, line=None, reason="too-large")
    lines = text.split("\n") if len(text) > LINE_CHARACTERS else []
    if not lines or max(map(len, lines)) <= LINE_CHARACTERS:
        return
    for number, line in enumerate(lines, start=1):
        if len(line) > LINE_CHARACTERS:
            message = f"the line has {len(line)} characters, the limit is {LINE_CHARACTERS}"
            raise refusal(message, origin=origin, line=number, reason="too-large")


def check_merged(text: str, *, origin: str, refusal: type[InvalidToml]) -> None:
    """Refuse a text in which git left the two sides of a conflict."""
    found = _MARKER.search(text)
    if found is not None:
        raise refusal(
            "a merge conflict was left unresolved",
            origin=origin,
            line=text.count("\n", 0, found.start()) + 1,
            reason="merge-conflict",
            hint="keep one side and remove the marker lines, then run `spm lock`",
        )


def _syntax(message: str, text: str, origin: str, refusal: type[InvalidToml]) -> InvalidToml:
    place = _PLACE.search(message)
    words = message[: place.start()] if place else message
    lines = text.split("\n")
    line = int(place[1]) if place and place[1] else len(lines) if place else None
    if words.startswith(("Cannot overwrite", "Cannot declare", "Duplicate inline table key")):
        written = lines[line - 1] if line else ""
        found = _ASSIGNMENT.match(written) or _HEADER.match(written)
        what = quote(found[found.lastindex or 0]) if found else "a key"
        message = f"{what} is given twice"
        return refusal(message, origin=origin, line=line, reason="duplicate-key")
    words = words[:1].lower() + words[1:]
    return refusal(f"not TOML: {words}", origin=origin, line=line, reason="syntax")


def line_of(text: str, path: Path) -> int | None:
    """Return the line of the value at ``path``, or of its nearest ancestor that has one.

    A number in ``path`` counts the ``[[tables]]`` of one name. Cost: one pass, so only
    for messages.
    """
    wanted = tuple(part for part in path if isinstance(part, str))
    index = next((part for part in path if isinstance(part, int)), None)
    seen: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    best, depth = None, 0
    for number, line in enumerate(text.split("\n"), start=1):
        header = _HEADER.match(line)
        if header is not None:
            table = _parts(header[2])
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
            here = table
        else:
            assignment = _ASSIGNMENT.match(line)
            if assignment is None:
                continue
            here = table + _parts(assignment[1])
        repeated = index is not None and seen.get(table, index) != index
        if not repeated and len(here) > depth and here == wanted[: len(here)]:
            best, depth = number, len(here)
    return best


def _parts(key: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def kind_of(value: object) -> str:
    """Return the plain words for a TOML value, the value itself if it is short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, int):
        return f"the number {value}" if abs(value) < 10**18 else "a number"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a date"
