"""What the worker can see of its own confinement, before anything of the skill runs."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIELDS = (
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
)
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")


def observed() -> dict[str, Any]:
    """Read it from the kernel; the host compares it with what it ordered."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - no pathlib here
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    return {
        "status": {field: lines[field] for field in _FIELDS if field in lines},
        "namespaces": {
            name: os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115 - no pathlib here
            for name in _NAMESPACES
        },
        "process": os.getpid(),
        "user": os.getuid(),
    }


def forbid_processes(path: str) -> None:
    """Put the filter in ``path`` on this process: no programs, no processes, only threads."""
    import ctypes
    import struct

    with open(path, "rb") as file:  # noqa: PTH123
        program = file.read()
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("<HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_seccomp, mode_filter = 22, 2
    if libc.prctl(pr_set_seccomp, ctypes.c_ulong(mode_filter), ctypes.c_char_p(header)) != 0:
        raise OSError(ctypes.get_errno(), "the second filter was refused")


def hide_from_programs() -> None:
    """Keep this process's descriptors from the programs it starts, which are the same user."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_dumpable = 4
    if libc.prctl(pr_set_dumpable, ctypes.c_ulong(0)) != 0:
        raise OSError(ctypes.get_errno(), "the worker could not be hidden from its programs")
