"""Guessing which known word a misspelt one was meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_WORD_CHARACTERS = 64  # longer words are not misspellings of ours


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """Return a hint that names the nearest of ``known``, or lists them if few."""
    from difflib import get_close_matches

    near = get_close_matches(word[:_WORD_CHARACTERS], sorted(known), n=1)
    if near:
        return f"did you mean `{near[0]}`"
    listed = ", ".join(f"`{name}`" for name in sorted(known))
    return f"known here: {listed}"
