"""Keeping trees while they run: leases that are used again, because a new one costs milliseconds.

Making and removing a folder waits for the disk on some file systems; a line in a record
does not.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from spm_store.errors import StoreFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from spm_spec.digests import Digest
    from spm_store.leases import Lease

IDLE_LEASES = 4


class Pins:
    """Leases of one process, each for one pin at a time; safe to use from any thread."""

    def __init__(self, take: Callable[[str], Lease]) -> None:
        """``take`` returns a new lease for a purpose."""
        self._take = take
        self._idle: list[Lease] = []
        self._closed = False
        self.process = os.getpid()
        """A child that was forked shares the leases' locks, and must not use them."""

    @contextmanager
    def pinned(self, digest: Digest, purpose: str) -> Generator[None]:
        """Want ``digest`` until the block ends."""
        lease = self._idle_for(purpose) or self._take(purpose)
        try:
            lease.want([digest])
            yield
        finally:
            self._give_back(lease)

    def close(self) -> None:
        """Let go of the leases nobody uses now; the others go when their block ends."""
        self._closed = True
        while self._idle and self.process == os.getpid():
            with suppress(OSError):
                self._idle.pop().close()

    def __del__(self) -> None:
        """Close what its user forgot."""
        with suppress(AttributeError):
            self.close()

    def _idle_for(self, purpose: str) -> Lease | None:
        """Return an idle lease, one that had the same purpose if there is one."""
        for lease in tuple(self._idle):
            if lease.purpose == purpose:
                with suppress(ValueError):  # another thread took it
                    self._idle.remove(lease)
                    return lease
        with suppress(IndexError):
            lease = self._idle.pop()
            lease.purpose = purpose
            return lease
        return None

    def _give_back(self, lease: Lease) -> None:
        if self.process != os.getpid():
            return
        if not self._closed and len(self._idle) < IDLE_LEASES:
            with suppress(OSError, StoreFailure):
                lease.forget()
                self._idle.append(lease)
                return
        with suppress(OSError):
            lease.close()
