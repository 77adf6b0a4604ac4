"""Descriptors: exactly those the plan names, at exactly those numbers."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from spm_sandbox.native.libc import system_call

if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOVE_ALL_SLOTS = 64
_LAST = 0xFFFF_FFFF


def arrange(descriptors: Sequence[int]) -> None:
    """Make ``descriptors[n]`` descriptor ``n``, inheritable, and close everything else."""
    moved = [
        fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_ALL_SLOTS)
        for descriptor in descriptors
    ]
    for slot, descriptor in enumerate(moved):
        os.dup2(descriptor, slot, inheritable=True)
    close_from(len(descriptors))


def close_from(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    system_call("close_range", first, _LAST, 0)


def close_all_but(kept: int) -> None:
    """Close every descriptor but ``kept``."""
    if kept > 0:
        system_call("close_range", 0, kept - 1, 0)
    close_from(kept + 1)
