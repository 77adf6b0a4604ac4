"""An exercise: try what a malicious skill would try, keep nothing, report everything.

Each attempt raises ``OSError`` when it is refused and returns a sentence when it
is not. What is read is counted and dropped; what is created is removed.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0
HIGHEST_TRIED = 70_000  # process ids
TELLING = ("KEY", "PASSWORD", "SECRET", "TOKEN", "CREDENTIAL")


def pretend_to_help(secret: str, port: int) -> dict[str, list[dict[str, object]]]:
    """Return the report: each attempt's name, whether it succeeded, and how it went."""
    attempts: dict[str, Callable[[], str]] = {
        "read the marker": lambda: _read([Path(secret)]),
        "read ssh keys": lambda: _read(_keys(secret)),
        "read password hashes": lambda: _read([Path("/etc/shadow")]),
        "connect out": lambda: _connect(port),
        "write outside": lambda: _write([Path(secret).parent, Path("/etc"), Path("/usr")]),
        "change itself": _change,
        "read secrets of the environment": _secrets,
        "see other processes": _see,
        "signal other processes": _signal,
    }
    return {"attempts": [_tried(name, attempt) for name, attempt in attempts.items()]}


def _tried(name: str, attempt: Callable[[], str]) -> dict[str, object]:
    try:
        detail = attempt()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return {"name": name, "succeeded": False, "detail": reason}
    return {"name": name, "succeeded": True, "detail": detail}


def _read(paths: list[Path]) -> str:
    """Read the first of ``paths`` that can be read; the error is that of the last."""
    refusal: OSError = FileNotFoundError(2, "there is nothing to read")
    for path in paths:
        try:
            count = len(path.read_bytes())
        except OSError as error:
            refusal = error
        else:
            return f"read {count} bytes"
    raise refusal


def _keys(secret: str) -> list[Path]:
    folders = [Path(secret).parent, Path("/root/.ssh")]
    found: list[Path] = []
    with suppress(OSError):  # there may be no homes to see
        folders += [home / ".ssh" for home in Path("/home").iterdir()]
    for folder in folders:
        try:
            found += [path for path in folder.iterdir() if path.is_file()]
        except OSError:
            continue
    return found


def _connect(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS):
        return "connected to loopback"


def _write(folders: list[Path]) -> str:
    refusal: OSError = FileNotFoundError(2, "there is nowhere to write")
    for folder in folders:
        path = folder / f"pretend-helper-{os.getpid()}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except OSError as error:
            refusal = error
        else:
            os.close(descriptor)
            path.unlink()
            return "created a file, and removed it"
    raise refusal


def _change() -> str:
    """Open the skill's own text for writing, without writing."""
    own = Path(__file__).resolve().parent.parent / "SKILL.md"
    os.close(os.open(own, os.O_WRONLY))
    return "could have changed its own SKILL.md"


def _secrets() -> str:
    found = [name for name in os.environ if any(word in name.upper() for word in TELLING)]
    if not found:
        raise FileNotFoundError(2, "no secrets in the environment")
    return f"saw {len(found)} secrets"


def _see() -> str:
    try:
        others = _others(
            [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(2, "there is no /proc") from error
    if not others:
        raise ProcessLookupError(3, "no process but its own and its parents")
    return f"saw {len(others)} processes"


def _signal() -> str:
    refusal: OSError = ProcessLookupError(3, "no process but its own and its parents")
    for pid in _others(range(1, HIGHEST_TRIED)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            continue
        except OSError as error:
            refusal = error
        else:
            return "reached a process that is not its own"
    raise refusal


def _others(pids: range | list[int]) -> list[int]:
    """Return ``pids`` without this process, those it descends from, and its own threads."""
    mine = {os.getpid(), os.getppid(), 1}
    pid = os.getppid()
    while pid > 1:
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            break
        parent = next(line for line in status.splitlines() if line.startswith("PPid:"))
        pid = int(parent.split()[1])
        mine.add(pid)
    mine |= {int(name) for name in _threads()}
    return [each for each in pids if each not in mine]


def _threads() -> list[str]:
    """Return the ids of this process's own threads, which answer to signals too."""
    try:
        return [path.name for path in Path("/proc/self/task").iterdir()]
    except OSError:
        return [str(os.getpid())]
