"""A worker that is not ours: any bytes, spoken on the real pipes against the host's side."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spm_sandbox import wire
from spm_sandbox.attestation import Expected
from spm_sandbox.conversation import Answer, Conversation
from spm_sandbox.exchange import Channels, Exchange, exchange

IDENTIFIER = 7
HOST = {"user": "user:[1]", "net": "net:[2]"}
GOOD_ATTESTATION: dict[str, Any] = {
    "status": {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16),
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "Seccomp_filters": "2",
    },
    "namespaces": {"user": "user:[11]", "net": "net:[12]"},
    "process": 2,
    "user": 1000,
}


def attested(**changes: Any) -> bytes:
    """Return the frame of an attestation, with fields changed."""
    return wire.frame(wire.encode({"attestation": {**GOOD_ATTESTATION, **changes}}))


def response(message: object) -> bytes:
    """Return the frame of any message."""
    return wire.frame(wire.encode(message))


GOOD = response({"id": IDENTIFIER, "result": 1})


@dataclass
class Pipes:
    """The worker's ends."""

    requests: int
    responses: int
    output: int
    errors: int

    def say(self, data: bytes) -> None:
        """Write all of ``data`` as the response stream; the host may have hung up."""
        with contextlib.suppress(BrokenPipeError):
            view = memoryview(data)
            while view:
                view = view[os.write(self.responses, view) :]

    def hear(self) -> bytes:
        """Read what the host has written."""
        return os.read(self.requests, 1 << 16)


Peer = Callable[[Pipes], None]


def converse(
    peer: Peer, *, seconds: float = 5.0, call: dict[str, Any] | None = None, output: int = 1 << 20
) -> tuple[Answer | None, Exchange]:
    """Let the host side talk to ``peer``; return its answer and how the exchange went."""
    conversation = Conversation(
        call or {"kind": "nothing"},
        identifier=IDENTIFIER,
        expected=Expected(HOST, filters=2),
        longest=1 << 20,
    )
    control, supervisor = socket.socketpair()
    ends = [os.pipe() for _ in range(4)]
    theirs = Pipes(ends[0][0], ends[1][1], ends[2][1], ends[3][1])
    ours = Channels(control, ends[0][1], ends[1][0], ends[2][0], ends[3][0])
    worker = threading.Thread(target=_work, args=(peer, theirs))
    reaper = threading.Thread(target=_supervise, args=(supervisor, worker))
    worker.start()
    reaper.start()
    try:
        deadline = time.monotonic() + seconds
        went = exchange(ours, conversation, deadline=deadline, output_bytes=output)
    finally:
        ours.close()
        worker.join()
        reaper.join()
    return conversation.answer, went


def _work(peer: Peer, pipes: Pipes) -> None:
    try:
        with contextlib.suppress(BrokenPipeError):
            peer(pipes)
    finally:
        for descriptor in (pipes.requests, pipes.responses, pipes.output, pipes.errors):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _supervise(supervisor: socket.socket, worker: threading.Thread) -> None:
    """End when the host hangs up, as the real supervisor does after it killed everything."""
    with supervisor:
        supervisor.recv(1)
        with contextlib.suppress(OSError):
            supervisor.sendall(b"{}")
