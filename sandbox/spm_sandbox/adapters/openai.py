"""OpenAI's shapes: function tools of the Responses API and of Chat Completions.

The two differ in nesting and in how a call and its result look; schemas and
strictness are the same. A tool is strict where its schema allows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from spm_sandbox.adapters.declare import declarations_of, translated
from spm_sandbox.adapters.json_text import parse_json, result_text
from spm_sandbox.adapters.model import (
    Declaration,
    InvalidCall,
    Notebook,
    ToolCall,
    Translation,
    only_call,
)
from spm_sandbox.adapters.openai_strict import strict_schema
from spm_sandbox.adapters.schema import checked_schema, rooted, with_rules, with_sound_references

if TYPE_CHECKING:
    from spm_spec.skill import Skill

MAX_DESCRIPTION = 1_024  # characters of a function's description
ARGUMENT_NAME = re.compile(r".+", re.DOTALL)  # OpenAI restricts the function's name alone

Form = Literal["responses", "chat"]


class OpenAIAdapter:
    """Function calling, in one of OpenAI's two forms."""

    argument_name = ARGUMENT_NAME

    def __init__(self, form: Form = "responses") -> None:
        """Write tools in ``form``; calls are read in both."""
        self._form: Form = form

    @property
    def framework(self) -> str:
        """The name ``adapter_for`` knows this adapter by."""
        return "openai" if self._form == "responses" else "openai-chat"

    def tools(self, skill: Skill, explicit: bytes | None) -> Translation:
        """Give the skill's tools, or those of ``.skill/openai.json`` if it is given."""
        if explicit is not None:
            from spm_sandbox.adapters.explicit import explicit_tools

            given = explicit_tools(skill, explicit, "openai")
            return Translation([self._shaped(tool) for tool in given.payload], given.notes)
        return self.declare(declarations_of(skill))

    def declare(self, declarations: Sequence[Declaration]) -> Translation:
        """Give each declaration as a function tool."""
        return translated(
            declarations,
            lambda declaration, notebook: self._shaped(_function(declaration, notebook)),
        )

    def calls(self, message: Mapping[str, object]) -> tuple[ToolCall, ...]:
        """Read a ``function_call`` item, an element of ``tool_calls``, or all in a message.

        A message is a Chat message with ``tool_calls`` or a response with ``output``.
        """
        if message.get("type") == "function_call":
            return (_responses_call(message),)
        if message.get("type") == "function" or "function" in message:
            return (_chat_call(message),)
        if isinstance(message.get("tool_calls"), list):
            return tuple(_chat_call(item) for item in _mappings(message["tool_calls"]))
        if isinstance(message.get("output"), list):
            items = _mappings(message["output"])
            return tuple(_responses_call(i) for i in items if i.get("type") == "function_call")
        raise InvalidCall(
            "the message has no `function_call` item, no `tool_calls` and no `output`"
        )

    def call(self, message: Mapping[str, object]) -> ToolCall:
        """Read the one call of a message."""
        return only_call(self.calls(message))

    def result(self, call: ToolCall, value: object, error: str | None) -> dict[str, object]:
        """Answer in the form the call had.

        OpenAI has no mark for failure, so an error is an object that says it is one.
        """
        text = result_text(value) if error is None else result_text({"error": error})
        if call.form == "chat" or (not call.form and self._form == "chat"):
            return {"role": "tool", "tool_call_id": call.identifier or "", "content": text}
        return {"type": "function_call_output", "call_id": call.identifier or "", "output": text}

    def _shaped(self, function: dict[str, object]) -> dict[str, object]:
        if self._form == "responses":
            return {"type": "function", **function}
        return {"type": "function", "function": function}


def _function(declaration: Declaration, notebook: Notebook) -> dict[str, object]:
    schema = checked_schema(declaration.tool, declaration.input_schema)
    root, rules = rooted(schema, notebook)
    root = with_sound_references(root, notebook)
    strict = strict_schema(root, notebook)
    return {
        "name": declaration.name,
        "description": _short(with_rules(declaration.description, rules), notebook),
        "parameters": root if strict is None else strict,
        "strict": strict is not None,
    }


def _short(description: str, notebook: Notebook) -> str:
    if len(description) <= MAX_DESCRIPTION:
        return description
    notebook.add((), "description", f"the description is cut after {MAX_DESCRIPTION} characters")
    return description[: MAX_DESCRIPTION - 1] + "…"


def _mappings(value: object) -> list[Mapping[str, object]]:
    return [
        cast("Mapping[str, object]", item)
        for item in cast("list[object]", value)
        if isinstance(item, Mapping)
    ]


def _responses_call(item: Mapping[str, object]) -> ToolCall:
    return _tool_call(item.get("call_id"), item.get("name"), item.get("arguments"), "responses")


def _chat_call(item: Mapping[str, object]) -> ToolCall:
    function = item.get("function")
    if not isinstance(function, Mapping):
        raise InvalidCall("an element of `tool_calls` has no `function`")
    known = cast("Mapping[str, object]", function)
    return _tool_call(item.get("id"), known.get("name"), known.get("arguments"), "chat")


def _tool_call(identifier: object, name: object, text: object, form: Form) -> ToolCall:
    if not isinstance(identifier, str) or not identifier:
        field = "call_id" if form == "responses" else "id"
        raise InvalidCall(f"a call without `{field}` cannot be answered")
    if not isinstance(name, str):
        raise InvalidCall("a call has no `name`")
    if not isinstance(text, str):
        raise InvalidCall(f"the `arguments` of the call of `{name[:80]}` are not a JSON text")
    origin = f"the arguments of the call of `{name[:80]}`"
    arguments = parse_json(text or "{}", origin=origin, error=InvalidCall)
    if not isinstance(arguments, dict):
        raise InvalidCall(f"{origin} are not an object")
    return ToolCall(identifier, name, cast("dict[str, object]", arguments), form)
