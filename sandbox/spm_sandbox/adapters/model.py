"""What every adapter speaks: a tool declared, a tool called, a note about what was lost.

Nothing here knows a provider. A framework's own JSON goes in and out as plain
dictionaries; the adapters beside this module know their shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_spec.skill import Skill

ESCAPED_SLASH = "~1"
ESCAPED_TILDE = "~0"


class UnknownFramework(UserMistake):
    """A framework was named that no adapter speaks."""


class Untranslatable(UserMistake):
    """A tool's input schema is one that no framework can be given."""


class InvalidExplicitTools(UserMistake):
    """A file in ``.skill/`` is not what its provider would take, or names no tool of the skill."""


class InvalidCall(UserMistake):
    """A framework's message is not a call of a tool."""


class UnknownTool(UserMistake):
    """A call names a tool that none of the skills at hand has."""


@dataclass(frozen=True, slots=True)
class Note:
    """One thing a framework cannot be told as the skill said it, and what was done instead."""

    tool: str
    """The name of the tool as the skill writes it."""
    path: str
    """Where, as a JSON pointer into the tool's input schema; empty for the tool itself."""
    keyword: str
    """The keyword or field that could not stay as it was."""
    message: str
    """What was done, as a sentence without a capital or a full stop."""

    def __str__(self) -> str:
        """Return the note as one line."""
        where = f"{self.tool} {self.path}" if self.path else self.tool
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """A tool on its way to a framework: ``name`` is already legal on the wire."""

    tool: str
    name: str
    description: str
    input_schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Translation:
    """Tools in one framework's JSON, in the order the skill writes them."""

    payload: list[dict[str, object]]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call as a framework made it: ``name`` and the arguments' names are those on the wire.

    ``calls.invocation_of`` finds the skill and tool it means. ``form`` keeps the
    dialect of the message, so that the answer has the same.
    """

    identifier: str | None
    name: str
    arguments: Mapping[str, object]
    form: str = ""


class Adapter(Protocol):
    """One framework's shape of tools, calls and results. No input, no output, no state."""

    @property
    def framework(self) -> str:
        """The name ``adapter_for`` knows this adapter by."""
        ...

    def tools(self, skill: Skill, explicit: bytes | None) -> Translation:
        """Give the skill's tools; ``explicit`` is its own file for this framework, and wins."""
        ...

    def declare(self, declarations: Sequence[Declaration]) -> Translation:
        """Give tools that do not come from a skill's ``tools``, such as the activation tool."""
        ...

    def calls(self, message: Mapping[str, object]) -> tuple[ToolCall, ...]:
        """Return every call in a message or in one part of it, in order."""
        ...

    def call(self, message: Mapping[str, object]) -> ToolCall:
        """Return the one call in a message; none or several is ``InvalidCall``."""
        ...

    def result(self, call: ToolCall, value: object, error: str | None) -> dict[str, object]:
        """Answer a call: with ``value``, or with ``error`` if that is not None."""
        ...


@dataclass(slots=True)
class Notebook:
    """Collects the notes about one tool while its schema is translated."""

    tool: str
    notes: list[Note] = field(default_factory=list["Note"])

    def add(self, path: tuple[str, ...], keyword: str, message: str) -> None:
        """Write one note; saying the same twice about one place says it once."""
        note = Note(self.tool, pointer(path), keyword, message)
        if note not in self.notes:
            self.notes.append(note)


def pointer(path: tuple[str, ...]) -> str:
    """Return the JSON pointer (RFC 6901) of ``path``."""
    return "".join(
        "/" + part.replace("~", ESCAPED_TILDE).replace("/", ESCAPED_SLASH) for part in path
    )


def only_call(calls: tuple[ToolCall, ...]) -> ToolCall:
    """Return the single call of a message.

    Raises:
        InvalidCall: there is none, or more than one.
    """
    if len(calls) != 1:
        raise InvalidCall(
            f"the message holds {len(calls)} tool calls where one is expected",
            hint="answer each call of a message by itself" if calls else None,
        )
    return calls[0]
