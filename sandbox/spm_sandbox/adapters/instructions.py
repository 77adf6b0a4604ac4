"""Skills that are words: a section for the prompt, a tool that opens one, what it answers.

For frameworks without skills of their own. The prompt carries names and
descriptions only; the model asks for a skill by name through one tool whose
parameter is an enumeration of the names, and gets the instructions and the list
of files. Everything a skill says is escaped, so that none can end its own
section or pretend to be another.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from spm_sandbox.adapters.model import Declaration, InvalidCall, UnknownTool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_spec.skill import Skill

ACTIVATION_TOOL: Final = "activate_skill"
MAX_LISTED_FILES = 200

_INTRODUCTION: Final = (
    "These skills hold instructions for particular tasks. When a task matches a skill's "
    f"description, call the tool `{ACTIVATION_TOOL}` with its name before you begin, and follow "
    "what it answers."
)


def prompt_section(skills: Sequence[Skill]) -> str:
    """Return the part of a system prompt that lists ``skills``; empty for none."""
    if not skills:
        return ""
    lines = [_INTRODUCTION, "", "<available_skills>"]
    for skill in skills:
        lines += [
            "  <skill>",
            f"    <name>{escape(str(skill.name))}</name>",
            f"    <description>{escape(_one_line(skill.description))}</description>",
            "  </skill>",
        ]
    return "\n".join([*lines, "</available_skills>"]) + "\n"


def activation_tool(skills: Sequence[Skill]) -> Declaration | None:
    """Return the tool that opens one of ``skills`` by name, or None for none.

    Its schema is strict in every framework. Give it to an adapter's ``declare``.
    """
    if not skills:
        return None
    names = sorted({str(skill.name) for skill in skills})
    schema: Mapping[str, object] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "enum": names, "description": "The skill to open."}
        },
        "required": ["name"],
        "additionalProperties": False,
    }
    description = "Opens a skill: returns its instructions and the files it brings."
    return Declaration(ACTIVATION_TOOL, ACTIVATION_TOOL, description, schema)


def activated_skill(arguments: Mapping[str, object], skills: Sequence[Skill]) -> Skill:
    """Return the skill a call of the activation tool asks for.

    Raises:
        InvalidCall: the call has no name.
        UnknownTool: there is no skill of that name.
    """
    name = arguments.get("name")
    if not isinstance(name, str):
        raise InvalidCall(f"a call of `{ACTIVATION_TOOL}` has no `name`")
    for skill in skills:
        if str(skill.name) == name:
            return skill
    known = ", ".join(f"`{skill.name}`" for skill in skills) or "none"
    raise UnknownTool(f"no skill is called `{name[:64]}`", hint=f"the skills at hand: {known}")


def skill_content(skill: Skill, files: Sequence[str]) -> str:
    """Return what the activation tool answers: the instructions, then the skill's files.

    The body is the skill's own Markdown. A line in it that would close the
    section is escaped; nothing else is changed. ``files`` are tree paths.
    """
    body = skill.body.replace("</skill_content", "&lt;/skill_content")
    lines = [f'<skill_content name="{escape(str(skill.name))}">', body.strip("\n")]
    listed = sorted(path for path in files if path not in {"SKILL.md", "skill.yaml"})
    if listed:
        lines += ["", "<skill_resources>"]
        lines += [f"  <file>{escape(path)}</file>" for path in listed[:MAX_LISTED_FILES]]
        if len(listed) > MAX_LISTED_FILES:
            lines.append(f"  <!-- and {len(listed) - MAX_LISTED_FILES} more -->")
        lines.append("</skill_resources>")
    return "\n".join([*lines, "</skill_content>"]) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
