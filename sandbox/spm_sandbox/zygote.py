"""The process that starts sandboxes: small, single-threaded, with nothing to leak.

It is started once by a loader as ``python -I -S`` with an empty environment and one
socket. Each message on the socket is a confinement with the descriptors of one call;
each is answered by a supervisor of its own. The end of the socket is its end.
"""

from __future__ import annotations

import json
import marshal
import os
import signal
import socket
from importlib.util import MAGIC_NUMBER
from pathlib import Path

from spm_sandbox.confinement import confinement_from
from spm_sandbox.launcher import Launch
from spm_sandbox.native import libc, seccomp_policy
from spm_sandbox.native.syscalls import this_architecture
from spm_sandbox.supervisor import supervise

READY = b"ready"
MESSAGE_BYTES = 1 << 17
CHANNELS = 5  # control, requests in, responses out, output, errors
WORKER_FOLDER = "/spm"
NO_PROCESSES = f"{WORKER_FOLDER}/no-processes.bpf"


def main(host: socket.socket) -> None:
    """Serve launches from the socket ``host`` until it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors report by socket, not by status
    libc.join_new_session_keyring()
    architecture = this_architecture()
    system_calls = seccomp_policy.sandbox_filter(architecture)
    files = frozen_worker(Path(__file__).parent)
    files[NO_PROCESSES] = seccomp_policy.no_processes_filter(architecture)
    with host:
        host.send(READY)
        while True:
            message, descriptors, _flags, _address = socket.recv_fds(host, MESSAGE_BYTES, CHANNELS)
            if not message:
                return
            if os.fork() == 0:
                try:
                    host.close()
                    launch = Launch(confinement_from(json.loads(message)), files, system_calls)
                    _supervise(launch, descriptors)
                finally:
                    os._exit(1)  # whatever happened, this process is not the zygote
            for received in descriptors:
                os.close(received)


def frozen_worker(package: Path) -> dict[str, bytes]:
    """Return the worker's modules, compiled, by their path inside the sandbox.

    They are written into each sandbox from memory: no path of the host shows inside,
    and a checkout that the payload's user may not read serves as well.
    """
    header = MAGIC_NUMBER + bytes(12)
    sources = [package / "__init__.py", *sorted((package / "worker").glob("*.py"))]
    frozen: dict[str, bytes] = {}
    for source in sources:
        name = source.relative_to(package.parent)
        inside = f"{WORKER_FOLDER}/{name.with_suffix('.pyc')}"
        code = compile(source.read_bytes(), f"<{name}>", "exec", dont_inherit=True, optimize=0)
        frozen[inside] = header + marshal.dumps(code)
    return frozen


def _supervise(launch: Launch, descriptors: list[int]) -> None:
    control, requests, responses, output, errors = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    supervise(launch, (nothing, output, errors, requests, responses), control)
