"""Moves the bytes of one call between the host and its sandbox, and ends the sandbox.

Nothing here blocks beyond the deadline, whatever the worker does: descriptors are
non-blocking in both directions and what is kept is bounded.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from spm_sandbox.conversation import Conversation

_CHUNK = 1 << 16
_REAPING_SECONDS = 20.0  # far more than the kernel needs to end a namespace

Ending = Literal["answered", "ended", "wall", "output"]


@dataclass(slots=True)
class Channels:
    """The host's ends: the control socket and four pipes."""

    control: socket.socket
    requests: int
    responses: int
    output: int
    errors: int

    def close(self) -> None:
        """Close what is open; the supervisor reads the end of control as "stop"."""
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
        self.control.close()
        for name in ("requests", "responses", "output", "errors"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)


@dataclass(slots=True)
class Exchange:
    """What came of a call, besides the conversation's answer."""

    ending: Ending = "ended"
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    outcome: dict[str, Any] = field(default_factory=dict[str, Any])


def exchange(
    channels: Channels, conversation: Conversation, *, deadline: float, output_bytes: int
) -> Exchange:
    """Hold the conversation until it is answered or cannot be; then end the sandbox.

    On return nothing of the sandbox is alive. ``deadline`` is on the monotonic clock.

    Raises:
        ProtocolViolation: from the conversation.
    """
    return _Pump(channels, conversation, deadline, output_bytes).run()


class _Pump:
    def __init__(
        self, channels: Channels, conversation: Conversation, deadline: float, output_bytes: int
    ) -> None:
        self._channels = channels
        self._conversation = conversation
        self._deadline = deadline
        self._output_bytes = output_bytes
        self._to_write = memoryview(b"")
        self._poller = select.poll()
        self._done = Exchange()
        for descriptor in (channels.responses, channels.output, channels.errors):
            os.set_blocking(descriptor, False)
            self._poller.register(descriptor, select.POLLIN)
        os.set_blocking(channels.requests, False)
        self._poller.register(channels.control.fileno(), select.POLLIN)

    def run(self) -> Exchange:
        ending: Ending | None = None
        while ending is None:
            ending = self._turn()
        self._done.ending = ending
        self._end_sandbox()
        return self._done

    def _turn(self) -> Ending | None:
        """Wait for one event and handle it; return how the call ended, if it did."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            return "wall"
        ready = {descriptor for descriptor, _ in self._poller.poll(left * 1000)}
        if self._channels.requests in ready:
            self._write()
        if self._channels.responses in ready:
            self._read_responses()
        if self._conversation.answer is not None:
            return "answered"
        if not self._read_output(ready):
            return "output"
        return "ended" if self._channels.control.fileno() in ready else None

    def _write(self) -> None:
        try:
            written = os.write(self._channels.requests, self._to_write[:_CHUNK])
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._to_write)  # it does not listen; what it says still counts
        self._to_write = self._to_write[written:]
        if not self._to_write:
            self._poller.unregister(self._channels.requests)

    def _read_responses(self) -> None:
        data = self._read(self._channels.responses)
        if data:
            request = self._conversation.receive(data)
            if request:
                self._to_write = memoryview(request)
                self._poller.register(self._channels.requests, select.POLLOUT)

    def _read_output(self, ready: set[int]) -> bool:
        """Collect what was printed; false when it is more than allowed."""
        for descriptor, kept in (
            (self._channels.output, self._done.stdout),
            (self._channels.errors, self._done.stderr),
        ):
            if descriptor in ready:
                kept.extend(self._read(descriptor) or b"")
        return len(self._done.stdout) + len(self._done.stderr) <= self._output_bytes

    def _read(self, descriptor: int) -> bytes | None:
        """Read once; None and no more polling at the end, empty when nothing is there."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return b""
        if not data:
            with contextlib.suppress(KeyError):
                self._poller.unregister(descriptor)
            return None
        return data

    def _end_sandbox(self) -> None:
        """Hang up, wait until the supervisor has ended everything, take what is left."""
        control = self._channels.control
        with contextlib.suppress(OSError):
            control.shutdown(socket.SHUT_WR)
        control.settimeout(_REAPING_SECONDS)
        report = bytearray()
        with contextlib.suppress(OSError):
            while part := control.recv(_CHUNK):
                report += part
        self._done.outcome = json.loads(report) if report else {}
        while (data := self._read(self._channels.responses)) is not None:
            if not data:
                break
            self._conversation.receive(data)
        for descriptor in (self._channels.output, self._channels.errors):
            while _has_more(descriptor) and self._done.ending != "output":
                if not self._read_output({descriptor}):
                    self._done.ending = "output"


def _has_more(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return any(event & select.POLLIN for _, event in poller.poll(0))
