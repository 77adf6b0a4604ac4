"""The one module that prints.

Data goes to stdout and talk to stderr, so that a pipe carries only data. Talk is
lower case without a full stop, values stand in backticks, and nothing depends on
colour. Text that came from a skill or a registry is passed through `printable`
before it reaches a terminal.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from spm_spec.errors import SpmError

_DELETE = 0x7F
_LAST_C1 = 0x9F
_INVISIBLE = frozenset("\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u2060\ufeff")
_HIDDEN_RANGES = (
    (0x202A, 0x202E),  # bidirectional embeddings and overrides
    (0x2066, 0x2069),  # bidirectional isolates
    (0xD800, 0xDFFF),  # lone surrogates, which no stream can encode
    (0xE0000, 0xE007F),  # tags: invisible, and used to smuggle text to a model
)


def printable(text: str, *, newlines: bool = False) -> str:
    """``text`` with control, bidirectional and invisible characters written as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if newlines and character == "\n" else _escaped(character) for character in text
    )


def _escaped(character: str) -> str:
    return f"\\u{{{ord(character):x}}}" if _is_hidden(character) else character


def _is_hidden(character: str) -> bool:
    code = ord(character)
    return (
        code < ord(" ")
        or _DELETE <= code <= _LAST_C1
        or character in _INVISIBLE
        or any(first <= code <= last for first, last in _HIDDEN_RANGES)
    )


def _json_printable(text: str) -> str:
    """JSON ``text`` with what a terminal would obey escaped as JSON does; it means the same."""
    import json

    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(
        json.dumps(character)[1:-1] if character != "\n" and _is_hidden(character) else character
        for character in text.replace("\x7f", "\\u007f")
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 skill`, `2 skills`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def put(text: str) -> None:
    """One line of data on stdout."""
    sys.stdout.write(text + "\n")


def put_document(value: object) -> None:
    """One JSON document on stdout."""
    import json

    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write(_json_printable(text) + "\n")


def talk(text: str) -> None:
    """One line for the person, on stderr."""
    sys.stderr.write(printable(text, newlines=True) + "\n")


def warn(text: str) -> None:
    """One warning, on stderr."""
    talk(f"warning: {text}")


def complain(error: SpmError, *, as_json: bool = False) -> None:
    """What went wrong and what to do about it, on stderr."""
    if as_json:
        import json

        body = {"kind": error.kind, "message": error.message, "hint": error.hint}
        text = json.dumps({"error": body}, ensure_ascii=False)
        sys.stderr.write(_json_printable(text) + "\n")
        return
    talk(f"error: {error.message}")
    if error.hint:
        talk(f"hint: {error.hint}")


def put_table(rows: Iterable[Sequence[str]]) -> None:
    """Rows of data in aligned columns, two spaces apart, the last column as it comes."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        put("  ".join([*padded, row[-1]]).rstrip())


class Progress:
    """A bar on stderr for work that takes longer than a second, on a terminal only."""

    def __init__(self, label: str, total: int) -> None:
        """Count up to ``total`` steps of ``label``."""
        self._label, self._total, self._done = label, total, 0
        self._draw: Callable[[int], None] | None = None
        self._close: Callable[[], None] | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        """Start the clock; nothing is drawn yet."""
        if sys.stderr.isatty():
            from time import monotonic

            self._started = monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        if self._close is not None:
            self._close()

    def step(self, count: int = 1) -> None:
        """One more step is done."""
        self._done += count
        if not self._started:
            return
        if self._draw is None:
            from time import monotonic

            if monotonic() - self._started < 1.0:
                return
            self._begin()
        if self._draw is not None:
            self._draw(self._done)

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
        from rich.progress import Progress as Bar

        bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        bar.start()
        task = bar.add_task(self._label, total=self._total)
        self._draw = lambda done: bar.update(task, completed=done, total=self._total)
        self._close = bar.stop

    def reach(self, done: int, total: int) -> None:
        """``done`` of ``total`` steps are done, for work that learns its size as it goes."""
        self._total = total
        self.step(done - self._done)
