"""A skill made in memory, for the adapters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from spm_spec.skill import EntryPoint, Skill, Tool, read_skill

if TYPE_CHECKING:
    from collections.abc import Mapping


def skill_with(
    *tools: Tool, name: str = "tidy", description: str = "Tidies tables.", body: str = ""
) -> Skill:
    """A skill of that name with exactly these tools."""
    from dataclasses import replace

    text = f"---\nname: {name}\ndescription: {json.dumps(description)}\n---\n{body}"
    skill = read_skill({"SKILL.md": text.encode()}, folder=None).skill
    assert skill is not None
    return replace(skill, tools=tools)


def tool(
    schema: Mapping[str, object], name: str = "sort", description: str = "Sorts a table."
) -> Tool:
    """A Python tool with this input schema."""
    return Tool(name, description, schema, "python", EntryPoint("src/skill.py", "run"), 1)
