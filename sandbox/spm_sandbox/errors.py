"""What can go wrong between a tool and its caller, by whose fault it is."""

from __future__ import annotations

from spm_spec.errors import (
    EXIT_SANDBOX,
    EXIT_TOOL_FAILED,
    HostileDataError,
    SpmError,
    UserMistake,
)


class SandboxUnavailable(SpmError):
    """This host cannot enforce the policy, so nothing was run."""

    exit_code = EXIT_SANDBOX
    kind = "sandbox-unavailable"

    def __init__(self, stage: str, reason: str, *, errno: int = 0, remedy: str = "") -> None:
        """Name the layer that is missing, the kernel's answer and what would provide it."""
        super().__init__(f"no sandbox: {stage}: {reason}", hint=remedy or None)
        self.stage, self.errno, self.remedy = stage, errno, remedy


class RuntimeMissing(SpmError):
    """The program that would run the tool is not there."""

    exit_code = EXIT_SANDBOX
    kind = "runtime-missing"

    def __init__(self, runtime: str, reason: str, *, hint: str) -> None:
        """Name the runtime and how to get it."""
        super().__init__(f"no runtime for {runtime}: {reason}", hint=hint)
        self.runtime = runtime


class ToolFailed(SpmError):
    """The skill's own code failed; the message and traceback are its own, made printable."""

    exit_code = EXIT_TOOL_FAILED
    kind = "tool-failed"

    def __init__(self, tool: str, reason: str, *, traceback: tuple[str, ...] = ()) -> None:
        """Keep ``reason`` and the skill's lines of the traceback, outermost first."""
        shown = "".join(f"\n  {line}" for line in traceback)
        super().__init__(f"tool `{tool}` failed: {reason}{shown}")
        self.tool, self.reason, self.traceback = tool, reason, traceback


class LimitExceeded(SpmError):
    """The call used more than its policy allows."""

    exit_code = EXIT_TOOL_FAILED
    kind = "limit-exceeded"

    def __init__(self, tool: str, limit: str, amount: float) -> None:
        """Name the limit by its field in the policy, and its amount in that field's unit."""
        words = limit.replace("_", " ")
        super().__init__(
            f"tool `{tool}` was stopped at its limit: {words} {amount:.15g}",
            hint="it is set by `limits` in the skill's `permissions` and in the project's grant",
        )
        self.tool, self.limit, self.amount = tool, limit, amount


class ProtocolViolation(HostileDataError):
    """The worker said something no honest worker says; its sandbox was killed."""

    kind = "protocol-violation"

    def __init__(self, reason: str) -> None:
        """Keep the first violation; what came after it was not read."""
        super().__init__(f"the sandbox broke the protocol: {reason}")
        self.reason = reason


class InvalidArguments(UserMistake):
    """The arguments of a call do not fit the tool's input schema."""

    def __init__(self, tool: str, pointer: str, reason: str) -> None:
        """Name the value by its JSON pointer; the empty pointer is the whole."""
        super().__init__(f"tool `{tool}`: argument {pointer or '(all)'}: {reason}")
        self.tool, self.pointer, self.reason = tool, pointer, reason


class InvalidToolSchema(UserMistake):
    """The tool's input schema is no JSON Schema, or one too costly to apply."""

    def __init__(self, tool: str, reason: str) -> None:
        """Name the tool whose schema is wrong."""
        super().__init__(f"tool `{tool}`: its input schema {reason}")
        self.tool, self.reason = tool, reason


class EntryPointMissing(UserMistake):
    """A tool names a file or function that the skill does not have."""

    def __init__(self, tool: str, reason: str) -> None:
        """Name the tool and what is missing."""
        super().__init__(f"tool `{tool}`: {reason}", hint="`spm check` finds this before a call")
        self.tool, self.reason = tool, reason


class UngrantablePath(UserMistake):
    """A granted path that cannot be shown to a sandbox."""

    def __init__(self, path: str, reason: str) -> None:
        """Name the path as the grant writes it."""
        super().__init__(f"granted path {path}: {reason}")
        self.path = path
