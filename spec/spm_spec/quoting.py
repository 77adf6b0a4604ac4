"""How text that came from outside is shown inside a message.

Hostile text may hold terminal escapes, line breaks or megabytes; a message
shows a short, printable, single-line form between backticks.
"""

from __future__ import annotations

SHOWN_CHARACTERS = 80


def quote(text: str, *, limit: int = SHOWN_CHARACTERS) -> str:
    """``text`` between backticks, escaped and cut to ``limit`` characters."""
    cut = text[: limit + 1]
    shown = "".join(_shown(character) for character in cut[:limit])
    return f"`{shown}…`" if len(cut) > limit else f"`{shown}`"


def _shown(character: str) -> str:
    if character == "`":
        return "\\x60"
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
