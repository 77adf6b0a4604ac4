"""Resource limits of one process, and where possible of the sandbox."""

from __future__ import annotations

import contextlib
import os
import resource
from typing import TYPE_CHECKING

from spm_sandbox.native.libc import PR_SET_MDWE, process_control

if TYPE_CHECKING:
    from spm_sandbox.confinement import Rlimits

_NICENESS = 5


def apply_limits(limits: Rlimits) -> None:
    """Set every limit, soft and hard; never above what the process has now."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    _limit(resource.RLIMIT_RTPRIO, 0)
    _limit(resource.RLIMIT_SIGPENDING, 256)
    _limit(resource.RLIMIT_NOFILE, limits.open_files)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_NPROC, limits.processes)
    _limit(resource.RLIMIT_AS, limits.address_space)
    # The soft limit raises SIGXCPU, which names the cause; the hard one cannot be caught.
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_seconds, limits.cpu_seconds + 1))


def deny_writable_code() -> None:
    """Refuse memory that is both writable and executable (PR_SET_MDWE, Linux 6.3)."""
    with contextlib.suppress(OSError):  # an older kernel has no such lock
        process_control(PR_SET_MDWE, 1)


def _limit(which: int, amount: int) -> None:
    _soft, hard = resource.getrlimit(which)
    allowed = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(which, (allowed, allowed))
