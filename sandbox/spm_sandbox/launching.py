"""The host's line to its zygote: start one when needed, hand it plans, end it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from spm_sandbox.errors import SandboxUnavailable
from spm_sandbox.exchange import Channels
from spm_sandbox.interpreter import this_executable

if TYPE_CHECKING:
    from spm_sandbox.confinement import Confinement

_STARTING_SECONDS = 20.0
_MESSAGE_BYTES = 1 << 17
_READY = b"ready"
# A sandbox's pid 1 is a copy of the zygote: no path may stand in its command line.
_PROGRAM = (
    "import socket, sys; host = socket.socket(fileno={descriptor}); "
    "sys.path.insert(0, host.recv(4096).decode()); "
    "from spm_sandbox.zygote import main; main(host)"
)


class Zygote:
    """A clean process that starts sandboxes; safe to use from several threads."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def launch(self, confinement: Confinement) -> Channels:
        """Start one sandbox and return the host's ends of its channels."""
        message = json.dumps(confinement.as_document()).encode()
        if len(message) > _MESSAGE_BYTES:
            raise SandboxUnavailable("plan", f"{len(message)} bytes, more than {_MESSAGE_BYTES}")
        try:
            return self._launch(message)
        except OSError as error:
            raise SandboxUnavailable("channels", str(error), errno=error.errno or 0) from error

    def _launch(self, message: bytes) -> Channels:
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            control, their_control = socket.socketpair()
            ours.callback(control.close)
            theirs.callback(their_control.close)
            requests_out, requests_in = _pipe(theirs, ours, read_is_theirs=True)
            responses_out, responses_in = _pipe(theirs, ours, read_is_theirs=False)
            output_out, output_in = _pipe(theirs, ours, read_is_theirs=False)
            errors_out, errors_in = _pipe(theirs, ours, read_is_theirs=False)
            handed = [their_control.fileno(), requests_out, responses_in, output_in, errors_in]
            self._send(message, handed)
            ours.pop_all()
        return Channels(control, requests_in, responses_out, output_out, errors_out)

    def close(self) -> None:
        """End the zygote and everything it started."""
        with self._lock:
            self._close()

    def _send(self, message: bytes, descriptors: list[int]) -> None:
        with self._lock:
            if self._owner != os.getpid():  # a forked copy of the host starts its own
                self._socket, self._process, self._owner = None, None, os.getpid()
            for attempt in (1, 2):
                connection = self._socket or self._start()
                try:
                    socket.send_fds(connection, [message], descriptors)
                except OSError as error:
                    self._close()
                    if attempt == 2:  # noqa: PLR2004 - once more, with a new zygote
                        raise SandboxUnavailable(
                            "zygote", str(error), errno=error.errno or 0
                        ) from error
                else:
                    return

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = theirs.fileno()
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [
                        this_executable(),
                        "-I",
                        "-S",
                        "-B",
                        "-c",
                        _PROGRAM.format(descriptor=descriptor),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={},
                    pass_fds=(descriptor,),
                    start_new_session=True,
                )
            self._socket = ours
            ours.settimeout(_STARTING_SECONDS)
            ours.send(str(Path(__file__).parent.parent).encode())
            answer = ours.recv(len(_READY))
        except OSError as error:
            self._close()
            ours.close()
            raise SandboxUnavailable("zygote", str(error), errno=error.errno or 0) from error
        if answer != _READY:
            self._close()
            raise SandboxUnavailable("zygote", "it ended before it was ready")
        return ours

    def _close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.wait()
            self._process = None


def _pipe(
    theirs: contextlib.ExitStack, ours: contextlib.ExitStack, *, read_is_theirs: bool
) -> tuple[int, int]:
    reading, writing = os.pipe()
    (theirs if read_is_theirs else ours).callback(os.close, reading)
    (ours if read_is_theirs else theirs).callback(os.close, writing)
    return reading, writing
