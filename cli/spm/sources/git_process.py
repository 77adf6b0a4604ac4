"""The ``git`` program, run so that neither a repository nor the surroundings can steer it.

No shell, no hooks, no filters, no prompts, no submodules, no transports but
https, ssh and file; the variables that redirect git are not passed on; each run
has a deadline and a cap on what it may say.
"""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from spm_spec.errors import EnvironmentFailure, HostileDataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from threading import Event

LOCAL_SECONDS = 120.0  # for a run that reads the mirror
NETWORK_SECONDS = 600.0  # for a run that talks to a repository
MAX_PACK_BYTES = 1024 * 1024 * 1024  # bytes git may write into one file
MAX_OUTPUT_BYTES = 64 * 1024 * 1024
MAX_COMPLAINT = 400  # characters of git's own words in a message

_CHUNK = 1024 * 1024
_SETTINGS: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.askPass=",
    "protocol.version=2",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.fsckObjects=false",
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
)
_OURS: Final = {
    "GIT_ALLOW_PROTOCOL": "https:ssh:file",
    "GIT_ASKPASS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_DROPPED: Final = frozenset({"SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "DISPLAY"})


GIVEN_UP: Final[ContextVar[Event | None]] = ContextVar("given_up", default=None)
"""Set, in the context that git runs in, once nobody waits for the answer any more."""

_LOOK_SECONDS = 0.1  # between two looks whether the answer is still wanted


class GitFailed(EnvironmentFailure):
    """Git, the network or the disk did not do what was asked; the answer is not known."""


class GitRefused(HostileDataError):
    """A repository holds, or a source says, what no honest skill needs."""


@dataclass(frozen=True, slots=True)
class Git:
    """Git for one mirror, ``git_dir``, or for none."""

    environment: Mapping[str, str]
    git_dir: str | None = None

    def run(
        self,
        *arguments: str,
        origin: str,
        stdin: bytes = b"",
        seconds: float = LOCAL_SECONDS,
        most: int = MAX_OUTPUT_BYTES,
    ) -> bytes:
        """Return what git writes to its standard output.

        ``origin`` is the repository, for messages.

        Raises:
            GitFailed: git is missing, failed, or took longer than ``seconds``.
            GitRefused: it wrote more than ``most`` bytes.
        """
        command = self._command(arguments)
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
            given.write(stdin)
            given.seek(0)
            process = self._start(command, given, complaints)
            try:
                output = _read(process, origin, arguments[0], seconds, most)
            finally:
                _end(process)
            if process.returncode == 0:
                return output
            words = _complaint(complaints, process.returncode)
            raise GitFailed(
                f"{origin}: git {arguments[0]} failed: {words}",
                hint="check the address, the network and your access to it",
            )

    def _command(self, arguments: Sequence[str]) -> list[str]:
        program = shutil.which("git", path=self.environment.get("PATH"))
        if program is None:
            raise GitFailed(
                "there is no `git` on this machine", hint="install git, or use another source"
            )
        settings = list(_SETTINGS)
        if self.git_dir is not None:
            settings += [f"safe.directory={self.git_dir}", "safe.bareRepository=all"]
        options = [part for setting in settings for part in ("-c", setting)]
        where = [] if self.git_dir is None else [f"--git-dir={self.git_dir}"]
        return [program, "--no-pager", *options, *where, *arguments]

    def _start(
        self, command: Sequence[str], given: IO[bytes], complaints: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        check_still_wanted()
        try:
            process = subprocess.Popen(
                command,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env=clean_environment(self.environment),
                cwd="/",
                start_new_session=True,  # no terminal to ask on; one group to end
            )
        except OSError as error:
            raise GitFailed(f"git does not start: {error.strerror}") from error
        _limit_files(process.pid)
        return process


def check_still_wanted() -> None:
    """Stop a thread whose caller was interrupted.

    Raises:
        GitFailed: nobody waits for the answer any more.
    """
    given_up = GIVEN_UP.get()
    if given_up is not None and given_up.is_set():
        raise GitFailed("interrupted")


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what git is given: no variable that redirects it, and ours."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") and name not in _DROPPED
    }
    return kept | _OURS


def printable(text: str) -> str:
    """Return one line of ``text`` without anything a terminal would obey."""
    line = " ".join(text.split())
    return "".join(each if each.isprintable() else "�" for each in line)


def _limit_files(pid: int) -> None:
    """Cap what git may write; where the system cannot, the tree's own caps remain."""
    import resource

    if hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_PACK_BYTES, MAX_PACK_BYTES))
        except (OSError, ValueError):
            return  # already gone, or a lower limit already holds


def _read(
    process: subprocess.Popen[bytes], origin: str, verb: str, seconds: float, most: int
) -> bytes:
    """Read to the end of standard output, within a deadline and a cap, and wait for the end."""
    deadline = time.monotonic() + seconds
    stream = process.stdout
    assert stream is not None  # noqa: S101  # asked for with PIPE
    output = bytearray()
    late = f"{origin}: git {verb} took longer than {seconds:.0f} s"
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if not selector.select(max(0.0, min(left, _LOOK_SECONDS))):
                check_still_wanted()
                if left > 0:
                    continue
                raise GitFailed(late, hint="try again")
            chunk = os.read(stream.fileno(), _CHUNK)
            if not chunk:
                break
            output += chunk
            if len(output) > most:
                raise GitRefused(f"{origin}: git {verb} says more than {most} bytes")
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise GitFailed(late, hint="try again") from error
    return bytes(output)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started, whatever happened, and collect it."""
    if process.poll() is None:
        with suppress(ProcessLookupError):  # it may end by itself just now
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _complaint(complaints: IO[bytes], code: int) -> str:
    size = complaints.seek(0, os.SEEK_END)
    complaints.seek(max(0, size - 4 * MAX_COMPLAINT))
    text = printable(complaints.read().decode("utf-8", "replace"))
    return text[-MAX_COMPLAINT:] or f"exit code {code}"
