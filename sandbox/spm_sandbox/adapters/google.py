"""Google's shape: function declarations, ``functionCall`` and ``functionResponse``.

Keys are those of the REST API (camelCase), which the official client reads too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from spm_sandbox.adapters.declare import declarations_of, rename_arguments, translated
from spm_sandbox.adapters.google_schema import google_schema
from spm_sandbox.adapters.json_text import plain_value
from spm_sandbox.adapters.model import (
    Declaration,
    InvalidCall,
    Notebook,
    ToolCall,
    Translation,
    only_call,
)
from spm_sandbox.adapters.schema import checked_schema, rooted, with_rules

if TYPE_CHECKING:
    from spm_spec.skill import Skill

ARGUMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class GoogleAdapter:
    """Function calling of Gemini and Vertex."""

    framework = "google"
    argument_name = ARGUMENT_NAME

    def tools(self, skill: Skill, explicit: bytes | None) -> Translation:
        """Give the skill's tools, or those of ``.skill/google.json`` if it is given."""
        if explicit is not None:
            from spm_sandbox.adapters.explicit import explicit_tools

            return explicit_tools(skill, explicit, "google")
        return self.declare(declarations_of(skill))

    def declare(self, declarations: Sequence[Declaration]) -> Translation:
        """Give each declaration as a ``FunctionDeclaration``."""
        return translated(declarations, _function)

    def calls(self, message: Mapping[str, object]) -> tuple[ToolCall, ...]:
        """Read a ``functionCall``, a part that holds one, or every one in a content's ``parts``."""
        inner = message.get("functionCall", message.get("function_call"))
        if isinstance(inner, Mapping):
            return (_call(cast("Mapping[str, object]", inner)),)
        if "name" in message:
            return (_call(message),)
        content = message.get("content", message)
        parts = cast("Mapping[str, object]", content).get("parts")
        if not isinstance(content, Mapping) or not isinstance(parts, list):
            raise InvalidCall("the message has neither a `functionCall` nor `parts`")
        found: list[ToolCall] = []
        for part in cast("list[object]", parts):
            if isinstance(part, Mapping) and {"functionCall", "function_call"} & set(
                cast("Mapping[str, object]", part)
            ):
                found.extend(self.calls(cast("Mapping[str, object]", part)))
        return tuple(found)

    def call(self, message: Mapping[str, object]) -> ToolCall:
        """Read the one call of a message."""
        return only_call(self.calls(message))

    def result(self, call: ToolCall, value: object, error: str | None) -> dict[str, object]:
        """Answer with a part that holds a ``functionResponse``.

        The value is under ``output``, an error under ``error``: the two keys the
        API names.
        """
        response = {"output": plain_value(value)} if error is None else {"error": error}
        answer: dict[str, object] = {"name": call.name, "response": response}
        if call.identifier is not None:
            answer["id"] = call.identifier
        return {"functionResponse": answer}


def _function(declaration: Declaration, notebook: Notebook) -> dict[str, object]:
    schema = checked_schema(declaration.tool, declaration.input_schema)
    root, rules = rooted(schema, notebook)
    root = rename_arguments(root, ARGUMENT_NAME, notebook)
    parameters, has_arguments = google_schema(root, notebook)
    result: dict[str, object] = {
        "name": declaration.name,
        "description": with_rules(declaration.description, rules),
    }
    if has_arguments:  # a function without arguments has no `parameters`
        result["parameters"] = parameters
    return result


def _call(call: Mapping[str, object]) -> ToolCall:
    name, identifier = call.get("name"), call.get("id")
    arguments = call.get("args")
    if not isinstance(name, str):
        raise InvalidCall("a `functionCall` has no `name`")
    if arguments is None:  # no arguments, no `args`
        arguments = {}
    if not isinstance(arguments, Mapping):
        raise InvalidCall(f"the `args` of the call of `{name[:80]}` are not an object")
    known = identifier if isinstance(identifier, str) else None
    return ToolCall(known, name, cast("Mapping[str, object]", arguments), "functionCall")
