"""A skill's own file for a framework: ``.skill/anthropic.json``, ``openai.json``, ``google.json``.

Such a file wins over what would be derived, so it is held to what the provider
takes: within caps, JSON, the provider's fields and no others, an object schema,
and only names of the skill's tools. Names leave as wire names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, cast

from spm_sandbox.adapters.json_text import parse_json
from spm_sandbox.adapters.model import InvalidExplicitTools, Note, Translation, Untranslatable
from spm_sandbox.adapters.names import wire_name
from spm_sandbox.adapters.schema import checked_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.skill import Skill

MAX_EXPLICIT_BYTES = 256 * 1024
MAX_EXPLICIT_TOOLS = 128

Provider = Literal["claude", "openai", "google"]

FILES: Final[Mapping[str, str]] = {
    "claude": ".skill/anthropic.json",
    "openai": ".skill/openai.json",
    "openai-chat": ".skill/openai.json",
    "google": ".skill/google.json",
}
_FIELDS: Final[Mapping[Provider, frozenset[str]]] = {
    "claude": frozenset(
        ["name", "description", "input_schema", "type", "strict", "input_examples"]
    ),
    "openai": frozenset(["type", "name", "description", "parameters", "strict"]),
    "google": frozenset(
        [
            "name",
            "description",
            "parameters",
            "parametersJsonSchema",
            "response",
            "responseJsonSchema",
            "behavior",
        ]
    ),
}
_SCHEMA: Final[Mapping[Provider, tuple[str, ...]]] = {
    "claude": ("input_schema",),
    "openai": ("parameters",),
    "google": ("parametersJsonSchema",),
}
_REQUIRED: Final[Mapping[Provider, tuple[str, ...]]] = {
    "claude": ("name", "input_schema"),
    "openai": ("name", "parameters"),
    "google": ("name", "description"),
}
_KINDS: Final[Mapping[Provider, tuple[object, ...]]] = {
    "claude": (None, "custom"),
    "openai": (None, "function"),
    "google": (None,),
}


def explicit_tools(skill: Skill, data: bytes, provider: Provider) -> Translation:
    """Return the tools a skill's own file gives, under their wire names.

    OpenAI's are the inner functions, without a form around them. A tool of the
    skill that the file leaves out is not offered, and noted.

    Raises:
        InvalidExplicitTools: the provider would refuse the file, or it names a
            tool the skill does not have.
    """
    origin = FILES[provider]
    document = parse_json(
        data, origin=origin, error=InvalidExplicitTools, max_bytes=MAX_EXPLICIT_BYTES
    )
    names = {tool.name: wire_name(str(skill.name), tool.name) for tool in skill.tools}
    payload: list[dict[str, object]] = []
    offered: list[str] = []
    for index, item in enumerate(_items(document, provider, origin)):
        tool = _checked(item, provider, f"{origin}: tool {index + 1}", names)
        own = str(tool["name"])
        if own in offered:
            raise InvalidExplicitTools(f"{origin}: the tool `{own}` stands there twice")
        offered.append(own)
        payload.append({**tool, "name": names[own]})
    message = f"not offered: {origin} leaves it out"
    notes = tuple(Note(name, "", "tools", message) for name in names if name not in offered)
    return Translation(payload, notes)


def _items(document: object, provider: Provider, origin: str) -> list[object]:
    """Find the list of tools: the document, or what its wrapping holds."""
    keys = ("tools",) if provider != "google" else ("functionDeclarations", "tools")
    found = document
    if isinstance(document, dict):
        wrapped = cast("dict[str, object]", document)
        key = next((key for key in keys if set(wrapped) == {key}), None)
        found = wrapped[key] if key is not None else None
    if not isinstance(found, list):
        expected = " or ".join(f'`{{"{key}": […]}}`' for key in keys)
        raise InvalidExplicitTools(f"{origin}: neither a list of tools nor {expected}")
    items = cast("list[object]", found)
    if len(items) > MAX_EXPLICIT_TOOLS:
        raise InvalidExplicitTools(
            f"{origin}: {len(items)} tools, at most {MAX_EXPLICIT_TOOLS} are read"
        )
    return items


def _checked(
    item: object, provider: Provider, where: str, names: Mapping[str, str]
) -> dict[str, object]:
    if not isinstance(item, dict):
        raise InvalidExplicitTools(f"{where}: not an object")
    tool = cast("dict[str, object]", item)
    if provider == "openai" and isinstance(tool.get("function"), dict):  # the form of Chat
        tool = {"type": tool.get("type"), **cast("dict[str, object]", tool["function"])}
    if tool.get("type") not in _KINDS[provider]:
        raise InvalidExplicitTools(
            f"{where}: the type `{tool.get('type')}` is not a tool of a skill"
        )
    if unknown := sorted(set(tool) - _FIELDS[provider]):
        raise InvalidExplicitTools(f"{where}: unknown field `{unknown[0][:64]}`")
    for field in _REQUIRED[provider]:
        if field not in tool:
            raise InvalidExplicitTools(f"{where}: the field `{field}` is missing")
    _check_texts(tool, where)
    own = _own_name(str(tool["name"]), names, where)
    _check_schemas(tool, provider, where, own)
    result = {key: value for key, value in tool.items() if key != "type"} | {"name": own}
    return {"strict": False, **result} if provider == "openai" else result


def _check_texts(tool: Mapping[str, object], where: str) -> None:
    for field in ("name", "description"):
        if not isinstance(tool.get(field, ""), str):
            raise InvalidExplicitTools(f"{where}: the field `{field}` is not a string")
    if not isinstance(tool.get("strict", False), bool):
        raise InvalidExplicitTools(f"{where}: the field `strict` is not true or false")


def _own_name(given: str, names: Mapping[str, str], where: str) -> str:
    """Return the skill's name of a tool that may be given by its wire name."""
    for own, wire in names.items():
        if given in {own, wire}:
            return own
    known = ", ".join(f"`{each}`" for each in names) or "none"
    raise InvalidExplicitTools(
        f"{where}: the skill has no tool `{given[:64]}`", hint=f"its tools: {known}"
    )


def _check_schemas(tool: Mapping[str, object], provider: Provider, where: str, own: str) -> None:
    for field in _SCHEMA[provider]:
        if field not in tool:
            continue
        schema = tool[field]
        if (
            not isinstance(schema, dict)
            or cast("dict[str, object]", schema).get("type") != "object"
        ):
            raise InvalidExplicitTools(f"{where}: `{field}` is not a schema of `type: object`")
        try:
            checked_schema(own, cast("dict[str, object]", schema))
        except Untranslatable as error:
            raise InvalidExplicitTools(f"{where}: `{field}`: {error.message}") from error
    if provider == "google":
        _check_google(tool, where)


def _check_google(tool: Mapping[str, object], where: str) -> None:
    if {"parameters", "parametersJsonSchema"} <= set(tool):
        raise InvalidExplicitTools(
            f"{where}: `parameters` and `parametersJsonSchema` exclude each other"
        )
    if "parameters" not in tool:
        return
    parameters = tool["parameters"]
    kind = (
        cast("dict[str, object]", parameters).get("type") if isinstance(parameters, dict) else None
    )
    if str(kind).upper() != "OBJECT":
        raise InvalidExplicitTools(f"{where}: `parameters` is not a schema of type OBJECT")
