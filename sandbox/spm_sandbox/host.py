"""What the host knows of itself, to be told apart from a sandbox."""

from __future__ import annotations

from pathlib import Path

_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def host_namespaces() -> dict[str, str]:
    """Return the names of this process's namespaces; a worker may share none of them."""
    return {name: str(Path(f"/proc/self/ns/{name}").readlink()) for name in _NAMESPACES}
