"""From a framework's call to the tool of a skill it means, with the arguments the skill named.

Two things were changed on the way out and are undone here: arguments whose names
the framework could not write, and the null with which OpenAI's strict mode
leaves something out. Whether the arguments satisfy the tool's schema is the
loader's to check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from spm_sandbox.adapters.names import decode_name, known_tools, wire_property
from spm_sandbox.adapters.openai_strict import admits_null
from spm_sandbox.adapters.schema import as_schema, checked_schema, is_list, is_mapping, resolve

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from spm_sandbox.adapters.model import ToolCall
    from spm_sandbox.adapters.schema import Schema
    from spm_spec.skill import Skill, Tool

OPENAI_FORMS = frozenset({"responses", "chat"})
MAX_APPLICABLE = 64  # schemas that are asked about one value


@dataclass(frozen=True, slots=True)
class Invocation:
    """A tool of a skill, and the arguments to call it with."""

    skill: Skill
    tool: Tool
    arguments: Mapping[str, object]


def invocation_of(call: ToolCall, skills: Sequence[Skill]) -> Invocation:
    """Return what ``call`` means among the tools of ``skills``.

    Raises:
        UnknownTool: no tool of theirs has that name.
    """
    reference = decode_name(call.name, known_tools(skills))
    skill = next(each for each in skills if str(each.name) == reference.skill)
    tool = next(each for each in skill.tools if each.name == reference.tool)
    schema = checked_schema(tool.name, tool.input_schema)
    arguments = _own_names(call, schema)
    if call.form in OPENAI_FORMS:
        arguments = cast("dict[str, object]", _without_fillers(arguments, [schema], schema))
    return Invocation(skill, tool, arguments)


def _own_names(call: ToolCall, schema: Schema) -> dict[str, object]:
    legal = _argument_alphabet(call.form)
    if legal is None:
        return dict(call.arguments)
    own: dict[str, str] = {}
    for applicable in _applicable([schema], schema):
        named = cast("Schema", applicable.get("properties", {}))
        for name in (*named, *cast("list[str]", applicable.get("required", []))):
            own[wire_property(name, legal)] = name
    return {own.get(name, name): value for name, value in call.arguments.items()}


def _argument_alphabet(form: str) -> re.Pattern[str] | None:
    if form == "tool_use":
        from spm_sandbox.adapters import claude

        return claude.ARGUMENT_NAME
    if form == "functionCall":
        from spm_sandbox.adapters import google

        return google.ARGUMENT_NAME
    return None


def _applicable(schemas: Sequence[Schema], root: Schema) -> list[Schema]:
    """Return the schemas that may describe one value: references followed, branches opened."""
    found: list[Schema] = []
    pending = list(schemas)
    while pending and len(found) < MAX_APPLICABLE:
        schema = pending.pop()
        if any(schema is each for each in found):
            continue
        found.append(schema)
        reference = schema.get("$ref")
        target = resolve(root, reference) if isinstance(reference, str) else None
        pending.extend([target] if target is not None else [])
        for keyword in ("allOf", "anyOf", "oneOf"):
            branches = cast("list[object]", schema.get(keyword, []))
            pending.extend(each for each in branches if is_mapping(each))
    return found


def _without_fillers(value: object, schemas: Sequence[Schema], root: Schema) -> object:
    """Drop each null that no schema asks for or accepts: it stands for something left out."""
    applicable = _applicable(schemas, root)
    if is_mapping(value):
        return {
            name: _without_fillers(each, _named(name, applicable), root)
            for name, each in value.items()
            if each is not None or not _is_filler(name, applicable, root)
        }
    if is_list(value):
        items = [as_schema(each["items"]) for each in applicable if is_mapping(each.get("items"))]
        return [_without_fillers(each, items, root) for each in value]
    return value


def _named(name: str, applicable: Sequence[Schema]) -> list[Schema]:
    found = (cast("Schema", each.get("properties", {})).get(name) for each in applicable)
    return [each for each in found if is_mapping(each)]


def _is_filler(name: str, applicable: Sequence[Schema], root: Schema) -> bool:
    named = _named(name, applicable)
    if not named or any(name in cast("list[str]", s.get("required", [])) for s in applicable):
        return False
    return not any(admits_null(each) for each in _applicable(named, root))
