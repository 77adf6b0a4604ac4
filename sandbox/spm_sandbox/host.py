"""What the host knows of itself, to be told apart from a sandbox."""

from __future__ import annotations

from pathlib import Path

from spm_sandbox.errors import SandboxUnavailable

_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def host_namespaces() -> dict[str, str]:
    """Return the names of this process's namespaces; a worker may share none of them."""
    try:
        return {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in _NAMESPACES}
    except OSError as error:
        raise SandboxUnavailable(
            "proc", str(error), errno=error.errno or 0, remedy="mount /proc on this host"
        ) from error
