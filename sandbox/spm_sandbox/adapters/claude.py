"""Anthropic's shape: ``name``, ``description``, ``input_schema``; ``tool_use`` and ``tool_result``.

JSON Schema passes as it is, but for the root: an object, no combinators, and
argument names of Anthropic's alphabet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from spm_sandbox.adapters.declare import declarations_of, rename_arguments, translated
from spm_sandbox.adapters.json_text import result_text
from spm_sandbox.adapters.model import (
    Declaration,
    InvalidCall,
    Notebook,
    ToolCall,
    Translation,
    only_call,
)
from spm_sandbox.adapters.schema import checked_schema, rooted, with_rules, with_sound_references

if TYPE_CHECKING:
    from spm_spec.skill import Skill

ARGUMENT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ClaudeAdapter:
    """Claude's Messages API."""

    framework = "claude"
    argument_name = ARGUMENT_NAME

    def tools(self, skill: Skill, explicit: bytes | None) -> Translation:
        """Give the skill's tools, or those of ``.skill/anthropic.json`` if it is given."""
        if explicit is not None:
            from spm_sandbox.adapters.explicit import explicit_tools

            return explicit_tools(skill, explicit, "claude")
        return self.declare(declarations_of(skill))

    def declare(self, declarations: Sequence[Declaration]) -> Translation:
        """Give each declaration as a tool with an ``input_schema``."""
        return translated(declarations, _tool)

    def calls(self, message: Mapping[str, object]) -> tuple[ToolCall, ...]:
        """Read a ``tool_use`` block, or every one in an assistant message's ``content``."""
        if message.get("type") == "tool_use":
            return (_call(message),)
        content = message.get("content")
        if not isinstance(content, list):
            raise InvalidCall(
                "the message is neither a `tool_use` block nor a message whose `content` is a list"
            )
        blocks = [
            cast("Mapping[str, object]", block)
            for block in cast("list[object]", content)
            if isinstance(block, Mapping)
        ]
        return tuple(_call(block) for block in blocks if block.get("type") == "tool_use")

    def call(self, message: Mapping[str, object]) -> ToolCall:
        """Read the one ``tool_use`` of a message."""
        return only_call(self.calls(message))

    def result(self, call: ToolCall, value: object, error: str | None) -> dict[str, object]:
        """Answer with a ``tool_result`` block."""
        return {
            "type": "tool_result",
            "tool_use_id": call.identifier or "",
            "content": result_text(value) if error is None else error,
            "is_error": error is not None,
        }


def _tool(declaration: Declaration, notebook: Notebook) -> dict[str, object]:
    schema = checked_schema(declaration.tool, declaration.input_schema)
    root, rules = rooted(schema, notebook)
    root = with_sound_references(rename_arguments(root, ARGUMENT_NAME, notebook), notebook)
    return {
        "name": declaration.name,
        "description": with_rules(declaration.description, rules),
        "input_schema": root,
    }


def _call(block: Mapping[str, object]) -> ToolCall:
    identifier, name, arguments = block.get("id"), block.get("name"), block.get("input")
    if not isinstance(identifier, str) or not identifier:
        raise InvalidCall("a `tool_use` block without an `id` cannot be answered")
    if not isinstance(name, str):
        raise InvalidCall("a `tool_use` block has no `name`")
    if not isinstance(arguments, Mapping):
        raise InvalidCall(f"the `input` of the call of `{name[:80]}` is not an object")
    return ToolCall(identifier, name, cast("Mapping[str, object]", arguments), "tool_use")
