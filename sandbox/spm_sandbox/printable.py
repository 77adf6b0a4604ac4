"""Text of strangers, made safe to print: what is not visible is escaped."""

from __future__ import annotations

_ALSO_FINE = frozenset("\n\t")


def printable(text: str, *, longest: int = 4000) -> str:
    """Escape control, bidirectional and other invisible characters; keep lines and tabs."""
    cut = text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
    if cut.replace("\n", "").replace("\t", "").isprintable():
        return cut
    return "".join(
        character if character.isprintable() or character in _ALSO_FINE else _escaped(character)
        for character in cut
    )


def printable_line(text: str, *, longest: int = 500) -> str:
    """Escape as ``printable`` does, line ends too."""
    return printable(text, longest=longest).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
