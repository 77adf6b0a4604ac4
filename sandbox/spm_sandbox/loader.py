"""Calls the tools and scripts of a skill, each in a sandbox of its own.

The loader decides nothing about trust: it is given a tree that was verified and a
policy that was granted. What the host cannot enforce is refused before anything runs.
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from spm_sandbox.attestation import Expected
from spm_sandbox.conversation import Conversation
from spm_sandbox.errors import EntryPointMissing, InvalidArguments
from spm_sandbox.exchange import Exchange, exchange
from spm_sandbox.grants import real_paths
from spm_sandbox.host import host_namespaces
from spm_sandbox.interpreter import this_interpreter
from spm_sandbox.launching import Zygote
from spm_sandbox.plan import SKILL_FOLDER, Plan, Runtime, plan_for
from spm_sandbox.scripts import LONGEST_FIRST_LINE, command_for
from spm_sandbox.verdict import exit_status, raise_for_failure, tool_output
from spm_sandbox.wire import MAXIMUM_FRAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from spm_spec.policy import Policy
    from spm_spec.skill import Tool


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered, and what it printed (made printable)."""

    value: object
    stdout: str
    stderr: str
    tier: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """How a script ended, and exactly what it printed: bytes of a stranger.

    A negative exit status is the number of the signal that ended it.
    """

    exit_status: int
    stdout: bytes
    stderr: bytes
    tier: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Finished:
    """One call, as it went."""

    value: Any
    stdout: bytes
    stderr: bytes
    tier: str
    seconds: float


class Loader:
    """Starts sandboxes; use it as a context manager, from any thread.

    The first call starts a zygote, which lives until the loader is closed.
    """

    def __init__(self, *, project: Path | None = None) -> None:
        """Start nothing yet; granted relative paths are taken from the folder ``project``."""
        self._zygote = Zygote()
        self._project = project

    def __enter__(self) -> Self:
        """Return the loader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the zygote, and with it whatever still runs."""
        self._zygote.close()

    def call(
        self,
        tree: Path,
        tool: Tool,
        arguments: Mapping[str, object],
        policy: Policy,
        *,
        timeout: float | None = None,
    ) -> ToolResult:
        """Call ``tool`` of the skill at ``tree`` under ``policy`` and return its answer.

        ``timeout`` is in seconds and can only shorten the policy's wall time.

        Raises:
            InvalidArguments, InvalidToolSchema, EntryPointMissing, UngrantablePath:
                before anything is started.
            SandboxUnavailable, RuntimeMissing: nothing of the skill has run.
            ToolFailed, LimitExceeded: the skill's own doing.
            ProtocolViolation: the sandbox was killed.
        """
        from spm_sandbox.arguments import check_arguments

        check_arguments(tool.name, tool.input_schema, arguments)
        _check_entry(tree, tool.name, tool.entry.path)
        if tool.runtime == "executable":
            return self._call_script(tree, tool, arguments, policy, timeout=timeout)
        call = {
            "kind": "python",
            "path": tool.entry.path,
            "attribute": tool.entry.attribute or tool.name,
            "arguments": dict(arguments),
        }
        done = self._run(tree, tool.name, call, policy, runtime=tool.runtime, timeout=timeout)
        return ToolResult(
            done.value, _text(done.stdout), _text(done.stderr), done.tier, done.seconds
        )

    async def call_async(
        self,
        tree: Path,
        tool: Tool,
        arguments: Mapping[str, object],
        policy: Policy,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the sandbox enforces it
    ) -> ToolResult:
        """Call as ``call`` does, without holding up the event loop."""
        import asyncio

        return await asyncio.to_thread(self.call, tree, tool, arguments, policy, timeout=timeout)

    def run_script(
        self,
        tree: Path,
        script: str,
        arguments: Sequence[str],
        policy: Policy,
        stdin: bytes = b"",
        *,
        timeout: float | None = None,
    ) -> ScriptResult:
        """Run ``script`` (a path in the tree) with ``arguments``; any exit status is a result.

        Raises:
            EntryPointMissing, SandboxUnavailable, RuntimeMissing, LimitExceeded,
            ProtocolViolation: as ``call``.
        """
        _check_entry(tree, script, script)
        call = _program(tree, script, arguments, stdin)
        done = self._run(tree, script, call, policy, runtime="executable", timeout=timeout)
        return ScriptResult(
            exit_status(done.value), done.stdout, done.stderr, done.tier, done.seconds
        )

    def _call_script(
        self,
        tree: Path,
        tool: Tool,
        arguments: Mapping[str, object],
        policy: Policy,
        *,
        timeout: float | None,
    ) -> ToolResult:
        call = _program(tree, tool.entry.path, (), _json(tool.name, arguments))
        done = self._run(tree, tool.name, call, policy, runtime="executable", timeout=timeout)
        value = tool_output(tool.name, exit_status(done.value), done.stdout, done.stderr)
        return ToolResult(value, _text(done.stdout), _text(done.stderr), done.tier, done.seconds)

    def _run(
        self,
        tree: Path,
        name: str,
        call: Mapping[str, object],
        policy: Policy,
        *,
        runtime: Runtime,
        timeout: float | None,
    ) -> _Finished:
        began = time.monotonic()
        plan = plan_for(
            policy,
            runtime,
            tree=str(tree.resolve()),
            interpreter=_interpreter(),
            environment=os.environ,
            real_paths=real_paths(policy, self._project),
        )
        longest = policy.limits.wall_seconds
        wall = longest if timeout is None else min(longest, timeout)
        conversation = _conversation(name, call, plan)
        channels = self._zygote.launch(plan.confinement)
        try:
            went = exchange(
                channels,
                conversation,
                deadline=time.monotonic() + wall,
                output_bytes=plan.output_bytes,
            )
        finally:
            channels.close()
        raise_for_failure(name, conversation, went, policy.limits, wall)
        assert conversation.answer is not None  # noqa: S101 - raise_for_failure has seen to it
        return _finished(conversation.answer.value, went, plan, time.monotonic() - began)


def _finished(value: Any, went: Exchange, plan: Plan, seconds: float) -> _Finished:
    return _Finished(value, bytes(went.stdout), bytes(went.stderr), plan.tier, seconds)


def _conversation(name: str, call: Mapping[str, object], plan: Plan) -> Conversation:
    expected = Expected(host_namespaces(), plan.filters)
    identifier = secrets.randbelow(1 << 31)
    try:
        conversation = Conversation(
            call, identifier=identifier, expected=expected, longest=plan.output_bytes
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArguments(name, "", f"cannot be sent: {error}") from error
    if conversation.request_length > MAXIMUM_FRAME:
        size = conversation.request_length
        raise InvalidArguments(name, "", f"{size} bytes, more than {MAXIMUM_FRAME}")
    return conversation


_interpreter = cache(this_interpreter)


def _check_entry(tree: Path, name: str, path: str) -> None:
    """Refuse an entry point that leaves the tree, is a link, or is no file."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise EntryPointMissing(name, f"{path} is not a path inside the skill")
    at = tree
    mode = 0
    for part in pure.parts:
        at /= part
        try:
            mode = at.lstat().st_mode
        except OSError:
            raise EntryPointMissing(name, f"{path} is not in the skill") from None
        if stat.S_ISLNK(mode):
            raise EntryPointMissing(name, f"{path} is or passes a symbolic link")
    if not stat.S_ISREG(mode):
        raise EntryPointMissing(name, f"{path} is not a file")


def _program(tree: Path, script: str, arguments: Sequence[str], stdin: bytes) -> dict[str, object]:
    with (tree / script).open("rb") as file:
        beginning = file.read(LONGEST_FIRST_LINE)
    command = command_for(script, beginning, python=_interpreter().command)
    return {
        "kind": "program",
        "command": [*command, f"{SKILL_FOLDER}/{script}", *arguments],
        "input": stdin,
    }


def _json(name: str, arguments: Mapping[str, object]) -> bytes:
    import json

    try:
        return json.dumps(dict(arguments), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InvalidArguments(name, "", f"cannot be sent as JSON: {error}") from error


def _text(data: bytes) -> str:
    from spm_sandbox.printable import printable

    return printable(data.decode("utf-8", "replace"), longest=len(data) + 1)
