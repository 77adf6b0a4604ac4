"""The ``tools`` of skill.yaml: what can be called, with what, and where its code starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.fields import is_list, is_mapping, kind_of
from spm_spec.input_schema import InvalidInputSchema, check_input_schema
from spm_spec.quoting import quote
from spm_spec.skill_model import EntryPoint, Tool

if TYPE_CHECKING:
    from collections.abc import Collection

    from spm_spec.fields import Fields
    from spm_spec.skill_model import Runtime
    from spm_spec.yaml import Path

TOOLS = 128
TOOL_KEYS = ("name", "description", "input", "runtime", "entry")
RUNTIMES: tuple[Runtime, ...] = ("python", "typescript", "executable")

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PYTHON_ENTRY = re.compile(r"([^:#]+\.py):([^:#]*)")
_TYPESCRIPT_ENTRY = re.compile(r"([^:#]+\.[jt]s)#([^:#]*)")
_SCRIPT_ENTRY = re.compile(r"scripts/[^:#]+")
_FORMS = "`src/skill.py:function`, `src/skill.ts#function` or `scripts/program`"


class InvalidTool(Exception):  # internal: becomes a Problem
    """One tool cannot be used; the rest of the skill can."""

    def __init__(
        self,
        message: str,
        *,
        at: Path = (),
        code: str = "invalid-tool",
        hint: str | None = None,
    ) -> None:
        """Say what is wrong, and where inside the tool."""
        super().__init__(message)
        self.at = at
        self.code = code
        self.hint = hint


def read_tools(fields: Fields, paths: Collection[str]) -> tuple[Tool, ...]:
    """Return the tools that can be called; ``paths`` are the files of the skill."""
    value = fields.values.get("tools")
    if value is None:
        return ()
    if not is_list(value) or len(value) > TOOLS:
        message = f"`tools` is {kind_of(value)}, not a list"
        if is_list(value):
            message = f"`tools` has {len(value)} entries, the limit is {TOOLS}"
        fields.note("invalid-tool", ("tools",), message)
        return ()
    tools: dict[str, Tool] = {}
    for at in range(len(value)):
        path: Path = ("tools", at)
        try:
            tool = _read_tool(fields, path, paths)
        except InvalidTool as error:
            fields.note(error.code, (*path, *error.at), str(error), hint=error.hint)
            continue
        first = tools.setdefault(tool.name, tool)
        if first is not tool:
            message = f"the tool `{tool.name}` stands here again, first on line {first.line}"
            fields.note("duplicate-tool", path, message, hint="give one of them another name")
    return tuple(tools.values())


def _read_tool(fields: Fields, path: Path, paths: Collection[str]) -> Tool:
    value = fields.at(path)
    if not is_mapping(value):
        raise InvalidTool(f"a tool is a mapping, not {kind_of(value)}")
    fields.unknown("unknown-key", path, TOOL_KEYS)
    name = _text(value, "name")
    if _TOOL_NAME.fullmatch(name) is None:
        message = f"tool name {quote(name)} must be 1 to 64 letters, digits, `_` or `-`"
        raise InvalidTool(message, at=("name",))
    description = _text(value, "description")
    entry, runtime = parse_entry(_text(value, "entry"))
    if entry.path not in paths:
        message = f"the entry point of `{name}` is {quote(entry.path)}, which the skill lacks"
        raise InvalidTool(message, at=("entry",), code="missing-entry", hint="add the file")
    stated = value.get("runtime")
    if stated is not None and stated != runtime:
        shown = quote(stated) if isinstance(stated, str) else kind_of(stated)
        message = f"the runtime of `{name}` is {shown}, its entry point says `{runtime}`"
        raise InvalidTool(message, at=("runtime",), hint="leave `runtime` out")
    schema = _input_schema(name, value.get("input"))
    return Tool(name, description, schema, runtime, entry, fields.document.line_of(path))


def _text(value: dict[str, object], key: str) -> str:
    text = value.get(key)
    if text is None:
        raise InvalidTool(f"the tool has no `{key}`", hint=f"add `{key}:`")
    if not isinstance(text, str) or not text.strip():
        shown = "empty" if isinstance(text, str) else kind_of(text)
        raise InvalidTool(f"`{key}` of the tool is {shown}, not text", at=(key,))
    return text.strip()


def parse_entry(text: str) -> tuple[EntryPoint, Runtime]:
    """Return the entry point ``text`` names and the runtime that its form implies.

    Raises:
        InvalidTool: not one of the three forms, or a path that leaves the skill.

    """
    for pattern, runtime in _ATTRIBUTE_FORMS:
        match = pattern.fullmatch(text)
        if match is not None:
            path, attribute = match.groups()
            if _IDENTIFIER.fullmatch(attribute) is None:
                message = f"{quote(attribute)} in the entry point is not an identifier"
                raise InvalidTool(message, at=("entry",))
            return EntryPoint(_inside(path), attribute), runtime
    if _SCRIPT_ENTRY.fullmatch(text) is None:
        hint = f"write {_FORMS}"
        raise InvalidTool(f"{quote(text)} is not an entry point", at=("entry",), hint=hint)
    return EntryPoint(_inside(text), None), "executable"


_ATTRIBUTE_FORMS: tuple[tuple[re.Pattern[str], Runtime], ...] = (
    (_PYTHON_ENTRY, "python"),
    (_TYPESCRIPT_ENTRY, "typescript"),
)


def _inside(path: str) -> str:
    if "\\" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        hint = "write the path from the skill's folder, with `/`"
        message = f"{quote(path)} does not stay inside the skill"
        raise InvalidTool(message, at=("entry",), hint=hint)
    return path


def _input_schema(name: str, value: object) -> dict[str, object]:
    try:
        return check_input_schema(value)
    except InvalidInputSchema as error:
        message = f"the input of `{name}` {error}"
        raise InvalidTool(message, at=("input", *error.path), hint=error.hint) from error
