"""YAML as skills may write it: one document, plain data, nothing clever.

libyaml only tokenises; values are built here from its event stream, one event at
a time, so that no depth of input can exhaust the stack and every cap is checked
before memory is spent. Anchors, aliases, tags, duplicate keys and keys that are
not strings are refused. Plain scalars follow the YAML 1.2 core schema, so ``no``,
``on`` and ``12:30`` are strings; a number that 64 bits cannot hold stays text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spm_spec.errors import UserMistake
from spm_spec.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from yaml.events import Event

DOCUMENT_BYTES = 256 * 1024
NESTING_LEVELS = 32
DOCUMENT_NODES = 20_000

Path = tuple[str | int, ...]

# YAML 1.2.2 section 5.1, c-printable, without U+FEFF in the middle of a text.
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_INTEGER = re.compile(r"[-+]?[0-9]{1,19}|0o[0-7]{1,21}|0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_FLOAT_CHARACTERS = 400
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}


class InvalidYaml(UserMistake):
    """A document outside the YAML that skills may use; ``line`` counts from 1."""

    def __init__(self, problem: str, *, origin: str, line: int, hint: str | None = None) -> None:
        """Say where: ``origin`` names the file, ``line`` the line in it."""
        super().__init__(f"{origin}:{line}: {problem}", hint=hint)
        self.problem = problem
        self.origin = origin
        self.line = line


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """A value made of dict, list, str, int, float, bool and None, and where its parts stand."""

    value: object
    origin: str
    lines: dict[Path, int] = field(repr=False)
    texts: dict[Path, str] = field(repr=False)
    flow: frozenset[Path] = field(repr=False)

    def line_of(self, path: Path) -> int:
        """Return the line of the value at ``path``, or of the nearest ancestor there is."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def text_of(self, path: Path) -> str | None:
        """Return the scalar at ``path`` as it was written, ``None`` if it is no scalar."""
        return self.texts.get(path)

    def is_flow(self, path: Path) -> bool:
        """Whether the value at ``path`` is written in braces or brackets."""
        return path in self.flow


def load_yaml(text: str, *, origin: str, first_line: int = 1) -> YamlDocument:
    """Read ``text``, whose first line is line ``first_line`` of ``origin``.

    An empty document has the value ``None``.

    Raises:
        InvalidYaml: not YAML, or outside the caps and rules of this module.

    """
    from yaml import YAMLError

    _check_text(text, origin, first_line)
    composer = _Composer(origin, first_line)
    try:
        for event in _events(text):
            composer.take(event)
    except YAMLError as error:
        raise _converted(error, origin, first_line) from error
    return YamlDocument(
        composer.value, origin, composer.lines, composer.texts, frozenset(composer.flow)
    )


def plain_scalar(text: str) -> str | int | float | bool | None:
    """Return what the unquoted scalar ``text`` means in the YAML 1.2 core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        number = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return number if -(2**63) <= number < 2**63 else text
    if len(text) <= _FLOAT_CHARACTERS and _FLOAT.fullmatch(text) and not _is_long_integer(text):
        value = float(text)
        return value if math.isfinite(value) else text
    return text


def _is_long_integer(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _events(text: str) -> Iterator[Event]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.parse(text, Loader=loader)


def _check_text(text: str, origin: str, first_line: int) -> None:
    if len(text) > DOCUMENT_BYTES or len(text.encode("utf-8", "replace")) > DOCUMENT_BYTES:
        problem = f"the document is larger than {DOCUMENT_BYTES // 1024} KiB"
        raise InvalidYaml(problem, origin=origin, line=first_line)
    found = _NOT_PRINTABLE.search(text)
    if found is not None:
        line = first_line + text.count("\n", 0, found.start())
        problem = f"control character U+{ord(found.group()):04X}"
        raise InvalidYaml(problem, origin=origin, line=line, hint="remove it")


def _converted(error: Exception, origin: str, first_line: int) -> InvalidYaml:
    mark: object = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line = first_line + int(getattr(mark, "line", 0))
    problem: str = getattr(error, "problem", None) or "not YAML"
    context: str | None = getattr(error, "context", None)
    hint = None
    if "mapping values are not allowed" in problem:
        hint = "put quotes around a value that contains `: `"
    elif "cannot start any token" in problem:
        hint = "indent with spaces, and quote a value that begins with a tab, `@` or a backtick"
    text = f"{context}: {problem}" if context else problem
    return InvalidYaml(text, origin=origin, line=line, hint=hint)


@dataclass(slots=True)
class _Open:
    """A mapping or sequence whose end has not come yet."""

    value: dict[str, object] | list[object]
    path: Path
    key: str | None = None
    key_lines: dict[str, int] = field(default_factory=dict[str, int])


class _Composer:
    """Builds the value of one document from events, without recursion."""

    def __init__(self, origin: str, first_line: int) -> None:
        self.origin = origin
        self.first_line = first_line
        self.value: object = None
        self.lines: dict[Path, int] = {(): first_line}
        self.texts: dict[Path, str] = {}
        self.flow: set[Path] = set()
        self._open: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Event) -> None:
        """Use up the next event of the stream."""
        from yaml import events

        self._line = self.first_line + int(getattr(event.start_mark, "line", 0))
        if isinstance(event, events.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, events.CollectionStartEvent):
            self._start(event, {} if isinstance(event, events.MappingStartEvent) else [])
        elif isinstance(event, events.CollectionEndEvent):
            self._open.pop()
        elif isinstance(event, events.AliasEvent):
            raise self._refused("aliases (`*name`) are not allowed", hint="repeat the value")
        elif isinstance(event, events.DocumentStartEvent):
            self._document(event)

    def _document(self, event: object) -> None:
        self._documents += 1
        if self._documents > 1:
            raise self._refused("a second document starts here", hint="keep one document a file")
        if getattr(event, "tags", None):
            raise self._refused("%TAG directives are not allowed")

    def _scalar(self, event: object) -> None:
        text: str = getattr(event, "value")  # noqa: B009  # PyYAML's events are untyped
        is_plain: bool = getattr(event, "implicit")[0]  # noqa: B009  # likewise
        self._check_node(event)
        value = plain_scalar(text) if is_plain else text
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            self._key(parent, value, text)
            return
        path = self._place(value)
        self.texts[path] = text

    def _start(self, event: object, value: dict[str, object] | list[object]) -> None:
        self._check_node(event)
        if len(self._open) >= NESTING_LEVELS:
            raise self._refused(f"nested deeper than {NESTING_LEVELS} levels")
        parent = self._open[-1] if self._open else None
        if parent is not None and isinstance(parent.value, dict) and parent.key is None:
            raise self._refused("a key must be a string, not a list or a mapping")
        path = self._place(value)
        if getattr(event, "flow_style", False):
            self.flow.add(path)
        self._open.append(_Open(value, path))

    def _check_node(self, event: object) -> None:
        self._nodes += 1
        if self._nodes > DOCUMENT_NODES:
            raise self._refused(f"more than {DOCUMENT_NODES} values")
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            raise self._refused(f"anchors ({quote('&' + anchor)}) are not allowed")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            raise self._refused(f"tags ({quote(tag)}) are not allowed")

    def _key(self, parent: _Open, value: object, text: str) -> None:
        if not isinstance(value, str):
            hint = f'write "{text}" in quotes' if text else None
            raise self._refused(f"the key {quote(text)} is not a string", hint=hint)
        first = parent.key_lines.get(value)
        if first is not None:
            problem = f"the key {quote(value)} stands here again, first on line {first}"
            raise self._refused(problem, hint="keep one of the two")
        parent.key_lines[value] = self._line
        parent.key = value

    def _place(self, value: object) -> Path:
        """Put ``value`` where the document has it, and return that place."""
        if not self._open:
            self.value = value
            path: Path = ()
        else:
            parent = self._open[-1]
            path = self._put(parent, value)
        self.lines[path] = self._line
        return path

    def _put(self, parent: _Open, value: object) -> Path:
        if isinstance(parent.value, list):
            parent.value.append(value)
            return (*parent.path, len(parent.value) - 1)
        key, parent.key = parent.key, None
        assert key is not None  # noqa: S101  # libyaml gives keys before values
        parent.value[key] = value
        # A value may start below its key; readers look for the key.
        path = (*parent.path, key)
        self._line = parent.key_lines[key]
        return path

    def _refused(self, problem: str, *, hint: str | None = None) -> InvalidYaml:
        return InvalidYaml(problem, origin=self.origin, line=self._line, hint=hint)
