"""What a person can do when a layer of the sandbox is missing (pure)."""

from __future__ import annotations

EPERM, EACCES, ENOSPC, ENOSYS, EINVAL, EOPNOTSUPP = 1, 13, 28, 38, 22, 95

_DENIED = {
    EPERM: "inside a container, allow user namespaces (Docker: a seccomp profile that permits "
    "`unshare` and `mount`, or `--security-opt seccomp=unconfined`)",
    EACCES: "on Ubuntu, allow user namespaces for this Python: "
    "`sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile with `userns`",
    ENOSPC: "raise the quota: `sysctl user.max_user_namespaces=10000`",
    EINVAL: "use a kernel with user namespaces (CONFIG_USER_NS)",
}
_LANDLOCK = "use Linux 5.13 or newer with `landlock` among its security modules (`lsm=landlock,…`)"
_BY_STAGE = {
    "landlock": {ENOSYS: _LANDLOCK, EOPNOTSUPP: _LANDLOCK},
    "system calls": {
        EINVAL: "use a kernel with system-call filters (CONFIG_SECCOMP_FILTER)",
        ENOSYS: "use a kernel with system-call filters (CONFIG_SECCOMP_FILTER)",
    },
    "file system": {ENOSYS: "use Linux 5.12 or newer (mount_setattr)"},
    "descriptors": {ENOSYS: "use Linux 5.9 or newer (close_range)"},
}
_STAGES_OF_NAMESPACES = frozenset(("namespaces", "identity maps", "file system", "host name"))


def remedy_for(stage: str, errno: int) -> str:
    """Return one sentence for the stage that failed and the kernel's answer, or nothing."""
    particular = _BY_STAGE.get(stage, {}).get(errno)
    if particular:
        return particular
    return _DENIED.get(errno, "") if stage in _STAGES_OF_NAMESPACES else ""
