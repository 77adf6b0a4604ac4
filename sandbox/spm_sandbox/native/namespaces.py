"""Own namespaces, the identity inside them, and what may be created within."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from spm_sandbox.native.libc import system_call

CLONE_FLAGS = {
    "mnt": 0x0002_0000,
    "cgroup": 0x0200_0000,
    "uts": 0x0400_0000,
    "ipc": 0x0800_0000,
    "user": 0x1000_0000,
    "pid": 0x2000_0000,
    "net": 0x4000_0000,
}
INSIDE_USER = 1000
HOST_NAME = b"sandbox"

_NO_MORE = (
    "max_user_namespaces",
    "max_mnt_namespaces",
    "max_pid_namespaces",
    "max_net_namespaces",
    "max_uts_namespaces",
    "max_ipc_namespaces",
    "max_cgroup_namespaces",
    "max_time_namespaces",
    "max_fanotify_groups",
)
_FEW = {"max_inotify_instances": 16, "max_inotify_watches": 1024}


def unshare_all() -> None:
    """Enter new namespaces of every kind; the next child is pid 1 of the new pid namespace."""
    flags = 0
    for flag in CLONE_FLAGS.values():
        flags |= flag
    system_call("unshare", flags)


def write_identity_maps(process: int, outside_user: int) -> None:
    """Map the inside user of ``process`` to ``outside_user``; called from the parent namespace.

    Started by root, two lines are written: root keeps itself until the mounts are
    made, and the payload becomes ``outside_user``, which must not be root.
    """
    root = os.geteuid() == 0
    user = outside_user if root else os.geteuid()
    group = outside_user if root else os.getegid()
    first = "0 0 1\n" if root else ""
    home = Path("/proc") / str(process)
    (home / "setgroups").write_text("deny", encoding="ascii")
    (home / "uid_map").write_text(f"{first}{INSIDE_USER} {user} 1\n", encoding="ascii")
    (home / "gid_map").write_text(f"{first}{INSIDE_USER} {group} 1\n", encoding="ascii")


def become_inside_user() -> None:
    """Leave inner root, if the process has it."""
    if os.getuid() != INSIDE_USER:
        os.setresgid(INSIDE_USER, INSIDE_USER, INSIDE_USER)
        os.setresuid(INSIDE_USER, INSIDE_USER, INSIDE_USER)


def forbid_nesting() -> None:
    """Set the new user namespace's own quotas: no namespaces below, few watches.

    The system-call filter refuses the same calls; this is the second lock. A kernel
    that lacks one of the files loses that lock only.
    """
    for name, amount in {**dict.fromkeys(_NO_MORE, 0), **_FEW}.items():
        with contextlib.suppress(OSError):
            (Path("/proc/sys/user") / name).write_text(str(amount), encoding="ascii")


def name_host() -> None:
    """Give the sandbox a host name of its own."""
    system_call("sethostname", HOST_NAME, len(HOST_NAME))
