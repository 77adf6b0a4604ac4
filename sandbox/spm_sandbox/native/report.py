"""What the processes of one launch tell their supervisor: JSON lines in a pipe.

A line is shorter than the pipe's atomic write, so lines of several processes do not mix.
"""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

_ATOMIC = 4096
FAILED_TO_LAUNCH = 125


def tell(descriptor: int, **facts: Any) -> None:
    """Write one line; a reader that is gone is no reason to stop."""
    line = json.dumps(facts).encode() + b"\n"
    if len(line) > _ATOMIC:
        line = json.dumps({**facts, "detail": "…"}).encode() + b"\n"
    os.write(descriptor, line)


def fail(descriptor: int, stage: str, error: OSError) -> NoReturn:
    """Report the stage and the kernel's answer, and end this process."""
    try:
        tell(descriptor, failed=stage, errno=error.errno or 0, detail=str(error)[:500])
    finally:
        os._exit(FAILED_TO_LAUNCH)


class Lines:
    """Collects the lines of a non-blocking pipe."""

    def __init__(self, descriptor: int) -> None:
        """Read from ``descriptor``, which is made non-blocking."""
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = b""
        self.ended = False

    def take(self) -> list[dict[str, Any]]:
        """Return the complete lines that have arrived; set ``ended`` at the end of the pipe."""
        while not self.ended:
            try:
                data = os.read(self._descriptor, 65536)
            except BlockingIOError:
                break
            self._rest += data
            self.ended = not data
        *whole, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in whole]
