"""Names on the wire: one legal in every framework, different for every tool, and decoded back.

A wire name is ``<skill>__<tool>`` when that is legal and cannot be mistaken,
else a readable part of it followed by ``_h`` and sixteen hexadecimal digits of
a hash of both names. A skill's name holds no underscore, so a plain wire name
splits in one way only; and a plain name that ends like a hashed one is hashed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_sandbox.adapters.model import UnknownTool, Untranslatable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from spm_spec.skill import Skill

MAX_WIRE_NAME = 64  # characters: OpenAI's limit, the least of the three
HASH_DIGITS = 16  # hexadecimal digits: 64 bits
SEPARATOR = "__"

_LEGAL = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_PLAIN_SKILL = re.compile(r"[A-Za-z0-9-]+")
_HASHED = re.compile(r"_h[0-9a-f]{16}\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class ToolReference:
    """A tool of a skill, by the names the skill gives."""

    skill: str
    tool: str


def wire_name(skill: str, tool: str) -> str:
    """Return the name a framework sees for ``tool`` of ``skill``.

    At most 64 characters of ``[A-Za-z_][A-Za-z0-9_-]*``; two different tools
    have two different names.
    """
    plain = f"{skill}{SEPARATOR}{tool}"
    if _PLAIN_SKILL.fullmatch(skill) and tool and _is_plain(plain):
        return plain
    return _hashed(plain, f"{skill}\0{tool}")


def wire_property(name: str, legal: re.Pattern[str]) -> str:
    """Return the name a framework sees for the argument ``name``, given what it allows."""
    if legal.fullmatch(name) and not _HASHED.search(name):
        return name
    return _hashed(name.replace("-", "_"), name)


def _is_plain(name: str) -> bool:
    return _LEGAL.fullmatch(name) is not None and _HASHED.search(name) is None


def _hashed(readable: str, identity: str) -> str:
    digits = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_DIGITS]
    ending = f"_h{digits}"
    cleaned = _UNSAFE.sub("_", readable)
    if not cleaned or cleaned[0] in "0123456789-":
        cleaned = "_" + cleaned
    return cleaned[: MAX_WIRE_NAME - len(ending)] + ending


def known_tools(skills: Iterable[Skill]) -> Mapping[str, ToolReference]:
    """Return every tool of ``skills`` by its wire name.

    Raises:
        Untranslatable: two tools would have one name; that needs two skills of
            one name, or a hash collision somebody worked for.
    """
    known: dict[str, ToolReference] = {}
    for skill in skills:
        for tool in skill.tools:
            reference = ToolReference(str(skill.name), tool.name)
            name = wire_name(reference.skill, reference.tool)
            if name in known:
                raise Untranslatable(
                    f"two tools have the wire name `{name}`: `{known[name].tool}` of "
                    f"`{known[name].skill}` and `{reference.tool}` of `{reference.skill}`"
                )
            known[name] = reference
    return known


def decode_name(name: str, known: Mapping[str, ToolReference]) -> ToolReference:
    """Return the tool a wire name means.

    Raises:
        UnknownTool: it is the name of none of them.
    """
    try:
        return known[name]
    except KeyError:
        offered = ", ".join(f"`{each}`" for each in sorted(known)[:8]) or "none"
        raise UnknownTool(
            f"no tool is called `{name[:80]}`", hint=f"the tools on offer: {offered}"
        ) from None
