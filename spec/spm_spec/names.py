"""Skill names, and the names that belong to the environment.

The grammar is the public Agent Skills specification's: lower-case ASCII letters
and digits in groups joined by single hyphens, 1 to 64 characters. A name that
obeys it is safe as a folder name, in a URL and in a lockfile without escaping.
"""

from __future__ import annotations

import re
from typing import NewType

from spm_spec.errors import UserMistake
from spm_spec.quoting import quote

SkillName = NewType("SkillName", str)

NAME_CHARACTERS = 64
NAME_PATTERN = r"[a-z0-9]+(?:-[a-z0-9]+)*"

# What the environment provides and nobody installs. A requirement may name one
# of these; no skill may be published under them.
HOST_PACKAGES: frozenset[str] = frozenset(
    {
        "anthropic",
        "bun",
        "chatgpt",
        "claude",
        "claude-code",
        "codex",
        "cursor",
        "deno",
        "gemini",
        "gemini-cli",
        "google",
        "mcp",
        "node",
        "openai",
        "python",
        "roundtable",
        "spm",
        "vertex",
    }
)

_NAME = re.compile(NAME_PATTERN)
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")


class InvalidName(UserMistake):
    """Text that is not a skill name; ``text`` is what was given."""

    def __init__(self, message: str, *, text: str, hint: str | None = None) -> None:
        """Keep the refused ``text`` beside the message."""
        super().__init__(message, hint=hint)
        self.text = text


def parse_skill_name(text: str) -> SkillName:
    """``text`` itself, known to be a skill name.

    Host packages are names too: what may not be *published* under them is
    checked where publishing is.

    Raises:
        InvalidName: empty, over 64 characters, or outside the grammar.

    """
    if not text:
        raise InvalidName("a skill name is empty", text=text)
    if len(text) > NAME_CHARACTERS:
        message = (
            f"skill name {quote(text, limit=24)} has {len(text)} characters, "
            f"the limit is {NAME_CHARACTERS}"
        )
        raise InvalidName(message, text=text)
    if _NAME.fullmatch(text) is None:
        message = (
            f"skill name {quote(text)} must be lower-case letters, digits "
            "and single hyphens between them"
        )
        raise InvalidName(message, text=text, hint=_suggestion(text))
    return SkillName(text)


def is_skill_name(text: str) -> bool:
    """Whether ``parse_skill_name`` would accept ``text``."""
    return len(text) <= NAME_CHARACTERS and _NAME.fullmatch(text) is not None


def is_host_package(name: str) -> bool:
    """Whether ``name`` is something the environment provides."""
    return name in HOST_PACKAGES


def suggested_name(text: str) -> SkillName | None:
    """Return the nearest valid name to ``text``, or ``None`` if nothing of it is left."""
    nearest = _NOT_IN_NAMES.sub("-", text[: 4 * NAME_CHARACTERS].lower()).strip("-")
    nearest = nearest[:NAME_CHARACTERS].rstrip("-")
    return SkillName(nearest) if nearest else None


def _suggestion(text: str) -> str | None:
    nearest = suggested_name(text)
    return None if nearest is None else f"name it `{nearest}`"
