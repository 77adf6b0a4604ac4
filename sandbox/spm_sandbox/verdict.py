"""How a call ended, from all that was observed: an answer, or one typed error (pure)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from spm_sandbox.errors import (
    EntryPointMissing,
    LimitExceeded,
    ProtocolViolation,
    SandboxUnavailable,
    ToolFailed,
)
from spm_sandbox.printable import printable, printable_line
from spm_sandbox.remedies import remedy_for

if TYPE_CHECKING:
    from spm_sandbox.conversation import Conversation, Failure
    from spm_sandbox.exchange import Exchange
    from spm_spec.errors import SpmError
    from spm_spec.policy import Limits

_MOST_JSON_VALUES = 200_000
_LOWEST_STATUS, _HIGHEST_STATUS = -64, 255
_SHOWN_ERRORS = 2000


def raise_for_failure(
    tool: str, conversation: Conversation, went: Exchange, limits: Limits, wall: float
) -> None:
    """Raise what the end of a call means, unless it means a result."""
    if went.ending == "output":
        raise LimitExceeded(tool, "output_bytes", limits.output_bytes)
    outcome = went.outcome
    if "failed" in outcome:  # even if something answered: a layer was missing
        stage, code = outcome["failed"], outcome["errno"]
        raise SandboxUnavailable(
            stage, printable_line(outcome["detail"]), errno=code, remedy=remedy_for(stage, code)
        )
    answer = conversation.answer
    if answer is not None:
        if answer.failure is not None:
            raise _told(tool, answer.failure, limits)
        return
    if went.ending == "wall" or outcome.get("killed") == "wall":
        raise LimitExceeded(tool, "wall_seconds", wall)
    if outcome.get("killed") == "memory":
        raise LimitExceeded(tool, "memory_bytes", limits.memory_bytes)
    if not conversation.attested:
        raise SandboxUnavailable("worker", f"it ended before it attested ({_shown(went)})")
    raise _silent(tool, outcome.get("worker"), went, limits)


def exit_status(value: object) -> int:
    """Return how a script ended; the script itself could have written something else."""
    if type(value) is not int or not _LOWEST_STATUS <= value <= _HIGHEST_STATUS:
        raise ProtocolViolation("an exit status that is none")
    return value


def tool_output(tool: str, status: int, stdout: bytes, stderr: bytes) -> object:
    """Return what a script's output means as a result: JSON if it is, else text.

    Raises:
        ToolFailed: the exit status is not zero.
    """
    if status != 0:
        how = f"exit status {status}" if status > 0 else f"signal {-status}"
        shown = printable(stderr.decode("utf-8", "replace")[-_SHOWN_ERRORS:]).strip()
        raise ToolFailed(tool, f"{how}: {shown}" if shown else how)
    text = stdout.decode("utf-8", "replace")
    if sum(stdout.count(sign) for sign in (b"[", b"{", b",")) > _MOST_JSON_VALUES:
        return text
    import json

    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _told(tool: str, failure: Failure, limits: Limits) -> SpmError:
    if failure.limit is not None:
        amount = getattr(limits, failure.limit, None)
        if isinstance(amount, (int, float)):
            return LimitExceeded(tool, failure.limit, amount)
        return ProtocolViolation(f"an unknown limit {failure.limit!r:.40}")
    message = printable(failure.message)
    if failure.kind == "entry":
        return EntryPointMissing(tool, message)
    reason = f"{printable_line(failure.type)}: {message}" if failure.type else message
    lines = tuple(printable_line(line) for line in failure.traceback[:20])
    return ToolFailed(tool, reason.removesuffix(": "), traceback=lines)


def _silent(tool: str, status: int | None, went: Exchange, limits: Limits) -> SpmError:
    """Say why a worker ended without an answer; ``status`` is as ``wait`` gives it."""
    if status is None:
        return ToolFailed(tool, "its sandbox ended")
    number = status & 0x7F
    used_up = went.outcome.get("cpu", 0) >= limits.cpu_seconds
    if number == signal.SIGXCPU or (number == signal.SIGKILL and used_up):
        return LimitExceeded(tool, "cpu_seconds", limits.cpu_seconds)
    if number == signal.SIGXFSZ:
        return LimitExceeded(tool, "file_bytes", limits.file_bytes)
    if number == signal.SIGSYS:
        return ToolFailed(tool, "it made a system call of another architecture and was killed")
    how = f"by signal {number}" if number else f"with exit status {status >> 8}"
    return ToolFailed(tool, f"it ended {how} before it answered")


def _shown(went: Exchange) -> str:
    text = bytes(went.stderr[-_SHOWN_ERRORS:]).decode("utf-8", "replace")
    return printable_line(text.strip()) or "it printed nothing"
