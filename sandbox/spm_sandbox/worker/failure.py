"""How a failure inside is told to the host: a kind, a sentence, and the skill's own lines."""

from __future__ import annotations

import errno
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

SKILL = "/skill/"
_MOST_LINES = 20
_LONGEST = 4000

_LIMIT_OF_ERRNO = {
    errno.EFBIG: "file_bytes",
    errno.ENOSPC: "scratch_bytes",
    errno.EMFILE: "open_files",
    errno.EAGAIN: "processes",
    errno.ENOMEM: "memory_bytes",
}


def describe(error: BaseException) -> dict[str, Any]:
    """Return the error part of a response for an exception the skill let through."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - the skill's own __str__ may do anything
        text = "(its text cannot be shown)"
    facts: dict[str, Any] = {
        "kind": "exception",
        "type": type(error).__qualname__[:200],
        "message": _sendable(text)[:_LONGEST],
        "traceback": own_lines(error.__traceback__),
    }
    limit = _limit_behind(error, text)
    return {**facts, "limit": limit} if limit else facts


def own_lines(traceback: TracebackType | None) -> list[str]:
    """Return the lines of the traceback that are in the skill, outermost first."""
    lines: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.startswith(SKILL):
            path = code.co_filename.removeprefix(SKILL)
            source = _source_line(code.co_filename, traceback.tb_lineno)
            lines.append(
                _sendable(f"{path}:{traceback.tb_lineno} in {code.co_name}: {source}")[:300]
            )
        traceback = traceback.tb_next
    return lines[-_MOST_LINES:]


def _source_line(path: str, number: int) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            for at, line in enumerate(file, 1):
                if at == number:
                    return line.strip()[:200]
    except OSError:
        pass
    return ""


def _limit_behind(error: BaseException, text: str) -> str | None:
    if isinstance(error, MemoryError):
        return "memory_bytes"
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return "processes"
    if isinstance(error, OSError) and not isinstance(error, (TimeoutError, InterruptedError)):
        return _LIMIT_OF_ERRNO.get(error.errno or 0)
    return None


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def flush_quietly() -> None:
    """Write out what the skill printed, if its streams still work."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S112 - the skill may have replaced or closed them
            continue
