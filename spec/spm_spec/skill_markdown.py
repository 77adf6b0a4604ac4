"""The fields of SKILL.md's front matter: the public Agent Skills specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spm_spec.fields import (
    check_compatibility,
    check_description,
    check_name,
    is_list,
    is_mapping,
    kind_of,
)
from spm_spec.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.fields import Fields

FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
BODY_LINES = 500

# Fields that some write into the front matter and that skill.yaml has a place for.
_IN_SKILL_YAML = frozenset(
    {
        *("version", "author", "repository", "homepage", "tags", "capabilities"),
        *("frameworks", "dependencies", "tools", "permissions"),
    }
)


@dataclass(frozen=True, slots=True)
class MarkdownFields:
    """What the front matter says; ``name`` is ``None`` if it does not say one."""

    name: str | None
    description: str
    license: str | None = None
    compatibility: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    allowed_tools: tuple[str, ...] = ()


def read_markdown_fields(fields: Fields) -> MarkdownFields | None:
    """Return the fields, or ``None`` if there is no description to load the skill by."""
    _note_unknown(fields)
    name = _name(fields)
    description = _description(fields)
    compatibility = fields.scalar("compatibility")
    if compatibility is not None:
        check_compatibility(fields, compatibility)
    licence = fields.scalar("license")
    metadata = _metadata(fields)
    allowed_tools = _allowed_tools(fields)
    if description is None:
        return None
    return MarkdownFields(name, description, licence, compatibility, metadata, allowed_tools)


def _note_unknown(fields: Fields) -> None:
    from spm_spec.fields import near

    for key in fields.values:
        if key not in FIELDS:
            message = f"{quote(key)} is not a field of the Agent Skills specification"
            hint = "move it under `metadata`"
            if key in _IN_SKILL_YAML:
                hint = "move it to skill.yaml"
            elif not fields.problems.is_full:
                hint = near(key, FIELDS) or hint
            fields.note("unknown-field", (key,), message, hint=hint)


def _name(fields: Fields) -> str | None:
    name = fields.scalar("name")
    if name is None or not name.strip():
        message = "the front matter has no `name`"
        hint = "add `name:` with the name of the skill's folder"
        fields.note("missing-name", ("name",), message, hint=hint)
        return None
    name = name.strip()
    check_name(fields, name)
    return name


def _description(fields: Fields) -> str | None:
    hint = "say in `description:` what the skill does and when to use it"
    value = fields.values.get("description")
    if value is None and "description" not in fields.values:
        message = "the front matter has no `description`"
        fields.note("missing-description", (), message, hint=hint)
        return None
    description = fields.scalar("description")
    if description is None or not description.strip():
        fields.note("empty-description", ("description",), "the description is empty", hint=hint)
        return None
    check_description(fields, description.strip())
    return description.strip()


def _metadata(fields: Fields) -> Mapping[str, str]:
    value = fields.values.get("metadata")
    if value is None:
        return {}
    if not is_mapping(value):
        message = f"`metadata` is {kind_of(value)}, not a mapping"
        fields.note("metadata-not-mapping", ("metadata",), message)
        return {}
    if fields.document.is_flow(("metadata",)):
        message = "`metadata` is written in braces, which some agents cannot read"
        hint = "write one `key: value` a line, indented by two spaces"
        fields.note("flow-metadata", ("metadata",), message, hint=hint)
    return {key: _metadata_text(fields, key, item) for key, item in value.items()}


def _metadata_text(fields: Fields, key: str, value: object) -> str:
    if isinstance(value, str):
        return value
    path = ("metadata", key)
    text = fields.document.text_of(path)
    if text is None:
        message = f"`metadata` holds {kind_of(value)} under {quote(key)}, it may hold text only"
        fields.note("metadata-nested", path, message, hint="flatten it, or keep it in a file")
        return _as_json(value)
    message = f"{quote(key)} in `metadata` is {kind_of(value)}, read as the text {quote(text)}"
    fields.note("metadata-not-string", path, message, hint=f'write "{text}" in quotes')
    return text


def _as_json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _allowed_tools(fields: Fields) -> tuple[str, ...]:
    value = fields.values.get("allowed-tools")
    if value is None:
        return ()
    path = ("allowed-tools",)
    if is_list(value):
        tools = tuple(item for item in value if isinstance(item, str))
        hint = f"write `allowed-tools: {' '.join(tools)}`"
        message = "`allowed-tools` is a list, not text separated by blanks"
        fields.note("allowed-tools-form", path, message, hint=hint)
        return tools
    if not isinstance(value, str):
        message = f"`allowed-tools` is {kind_of(value)}, not text separated by blanks"
        fields.note("allowed-tools-form", path, message)
        return ()
    tools, has_comma = split_tools(value)
    if has_comma:
        hint = f"write `allowed-tools: {' '.join(tools)}`"
        message = "`allowed-tools` is separated by commas, not by blanks"
        fields.note("allowed-tools-form", path, message, hint=hint)
    return tools


def split_tools(text: str) -> tuple[tuple[str, ...], bool]:
    """Split at blanks and commas outside parentheses; also whether a comma was met."""
    tools: list[str] = []
    current = ""
    depth = 0
    has_comma = False
    for character in text:
        depth = max(0, depth + (character == "(") - (character == ")"))
        if depth == 0 and (character.isspace() or character == ","):
            has_comma |= character == ","
            tools.append(current)
            current = ""
        else:
            current += character
    return tuple(tool for tool in [*tools, current] if tool), has_comma
