"""The outside of one launch: identity maps, clock, memory, and the end.

A supervisor is a child of the zygote and lives in the host's namespaces. It starts the
launch, watches it, ends it when a limit is hit or the host hangs up, waits until the
last process is gone and only then says what happened: one JSON document on the
control socket, whose end of file means that nothing of the sandbox is left.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from spm_sandbox import launcher
from spm_sandbox.native import libc, namespaces
from spm_sandbox.native.report import Lines

_WATCH_INTERVAL = 0.05  # seconds between two looks at the memory of the tree
_GRACE = 1.0  # seconds the host has to notice the end of the wall time itself


def supervise(
    launch: launcher.Launch, channels: tuple[int, int, int, int, int], control: int
) -> NoReturn:
    """Run one launch to its end and report it on ``control``; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    libc.die_with_parent()
    libc.process_control(libc.PR_SET_CHILD_SUBREAPER, 1)
    report_out, report_in = os.pipe()
    go_out, go_in = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(control)
        launcher.enter(launch, channels, report_in, go_out)
    for descriptor in (*channels, report_in, go_out):
        os.close(descriptor)
    outcome = _Watch(launch, control, report_out, go_in, child).until_the_end()
    with contextlib.suppress(OSError):
        os.write(control, json.dumps(outcome).encode())
    os._exit(0)


class _Watch:
    """The state of one watch."""

    def __init__(
        self, launch: launcher.Launch, control: int, report: int, go: int, child: int
    ) -> None:
        self._confinement = launch.confinement
        self._control = control
        self._report = report
        self._go = go
        self._child = child
        self._lines = Lines(report)
        self._outcome: dict[str, Any] = {"killed": None, "peak_memory": 0}

    def until_the_end(self) -> dict[str, Any]:
        """Watch until the launch ends or must end; return what happened."""
        poller = select.poll()
        poller.register(self._report, select.POLLIN)
        poller.register(self._control, select.POLLIN)
        end = time.monotonic() + self._confinement.wall_seconds + _GRACE
        while not self._lines.ended:
            ready = {descriptor for descriptor, _ in poller.poll(_WATCH_INTERVAL * 1000)}
            if self._report in ready:
                self._listen()
            reason = self._reason_to_kill(
                hung_up=self._control in ready, late=time.monotonic() > end
            )
            if reason:
                self._outcome["killed"] = reason
                break
        self._kill_and_reap()
        self._listen()
        return self._outcome

    def _reason_to_kill(self, *, hung_up: bool, late: bool) -> str | None:
        if hung_up:  # the host never writes; readable means that it is done with us
            return "hung up"
        if late:
            return "wall"
        memory = tree_memory(self._child)
        self._outcome["peak_memory"] = max(memory, self._outcome["peak_memory"])
        return "memory" if memory > self._confinement.tree_memory else None

    def _listen(self) -> None:
        for facts in self._lines.take():
            if facts.pop("unshared", False):
                self._write_maps()
            self._outcome.update(facts)

    def _write_maps(self) -> None:
        try:
            namespaces.write_identity_maps(self._child, self._confinement.outside_user)
        except OSError as error:
            self._outcome.update(failed="identity maps", errno=error.errno, detail=str(error))
            os.close(self._go)
            return
        os.write(self._go, b"g")

    def _kill_and_reap(self) -> None:
        """End everything: pid 1 takes its namespace with it, whoever its parent is by now.

        Only unreaped children of this process are killed, so no other process can be hit.
        What loses its parent becomes our child, because we are its subreaper.
        """
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        with contextlib.suppress(ChildProcessError):
            while True:
                for orphan in _children_of(os.getpid()):
                    os.kill(orphan, signal.SIGKILL)
                os.waitpid(-1, 0)


def tree_memory(root: int) -> int:
    """Return the bytes of memory of ``root`` and all below it that are not files on disk."""
    total, waiting = 0, [root]
    while waiting:
        process = waiting.pop()
        with contextlib.suppress(OSError):  # it may end while we look
            total += _own_memory(process)
            waiting += _children_of(process)
    return total


def _children_of(process: int) -> list[int]:
    children: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            children += [int(child) for child in (task / "children").read_text().split()]
    return children


def _own_memory(process: int) -> int:
    kibibytes = 0
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            kibibytes += int(line.split()[1])
    return kibibytes * 1024
