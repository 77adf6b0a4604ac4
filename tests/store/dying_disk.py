"""A disk whose user is killed at one of its calls, and a guard that sees who goes around it."""

# Paths are strings here, as in the calls they are arguments of.
# ruff: noqa: PTH119

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from spm_store.durable import Disk
from tests.store.recorded_disk import DISK_CALLS, connections_of, gathered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

Moment: TypeAlias = Literal["before", "inside", "after"]
_CHANGING = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.chmod"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
INSIDE = {"write_file", "write_chunks", "append", "commit"}
"""The calls that can be half done: bytes, and what SQLite does until it commits."""


class Point(NamedTuple):
    """A moment at which the process is killed."""

    number: int
    moment: Moment


def points_of(calls: list[str]) -> list[Point]:
    """Return every point of a run that makes ``calls``."""
    return [
        Point(number, moment)
        for number, call in enumerate(calls)
        for moment in ("before", "inside", "after")
        if moment != "inside" or call in INSIDE
    ]


class DyingDisk(Disk):
    """A disk that kills the process at ``point``; without one it only counts."""

    def __init__(self, point: Point | None, log: Path) -> None:
        self.point = point
        self.calls: list[str] = []
        self.around: list[str] = []
        """What changed the disk without a call."""
        self._log = log
        self._lock = threading.RLock()
        self._inside = False
        for name in DISK_CALLS:
            setattr(self, name, self._dying(name, getattr(super(), name)))

    def _dying(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: Any) -> object:
            arguments = gathered(name, arguments)
            with self._lock:
                if self._inside:  # a call that is made of others
                    return call(*arguments)
                number = len(self.calls)
                self.calls.append(name)
                self._die_if(Point(number, "before"), name)
                if self.point == Point(number, "inside"):
                    self._half(name, *arguments)
                self._inside = True
                try:
                    return call(*arguments)
                finally:  # a call that was refused is a point too
                    self._inside = False
                    self._die_if(Point(number, "after"), name)

        return called

    def _half(self, name: str, *arguments: object) -> None:
        """Do half of a call, and die."""
        if name == "commit":
            for connection in connections_of(arguments[0]):
                connection.set_trace_callback(self._die_at_commit)
            return
        chunks: Any = arguments[1]
        data = chunks if isinstance(chunks, bytes) else b"".join(chunks)
        exclusive = 0 if name == "append" else os.O_EXCL
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | exclusive
        self._inside = True
        descriptor = os.open(str(arguments[0]), flags, 0o600)
        os.write(descriptor, data[: len(data) // 2])
        self._die_if(Point(len(self.calls) - 1, "inside"), name)

    def _die_at_commit(self, statement: str) -> None:
        if statement == "COMMIT":
            self._die_if(Point(len(self.calls) - 1, "inside"), "commit")

    def _die_if(self, point: Point, name: str) -> None:
        if self.point == point:
            self._log.write_text(f"{point.moment} {name} {point.number}")
            os.kill(os.getpid(), signal.SIGKILL)

    def guard(self, folder: str) -> None:
        """From now on, note what Python changes below ``folder`` without a call of this disk.

        It cannot be taken back: for processes that end soon.
        """

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            if self._inside or not (event in _CHANGING or event == "open"):
                return
            if event == "open" and not (_flags(arguments) & _WRITING):
                return
            inside = [str(one) for one in arguments[:2] if str(one).startswith(f"{folder}/")]
            if inside and not inside[0].endswith("lock"):
                self.around.append(f"{event} in {_who()}")

        sys.addaudithook(hook)


def _flags(arguments: tuple[object, ...]) -> int:
    flags = arguments[2] if len(arguments) > 2 else 0
    return flags if isinstance(flags, int) else 0


def _who() -> str:
    """Return the function of the program that is at work."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and "/spm" not in frame.f_code.co_filename:
        frame = frame.f_back
    if frame is None:
        return "Python"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_code.co_name}"


__all__ = ["DyingDisk", "Moment", "Point", "points_of"]
