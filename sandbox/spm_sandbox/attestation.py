"""What the worker says of its own confinement, against what was ordered (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_CAPABILITIES = "0" * 16
_CAPABILITY_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
_FIRST_AND_WORKER = 2
_INSIDE_USER = 1000


@dataclass(frozen=True, slots=True)
class Expected:
    """What the host knows itself: its own namespaces, and how many filters it ordered."""

    host_namespaces: Mapping[str, str]
    filters: int


def difference(observed: Any, expected: Expected) -> str | None:
    """Return the first thing that is not as ordered, in words, or None."""
    if not isinstance(observed, dict) or set(observed) != {
        "status",
        "namespaces",
        "process",
        "user",
    }:
        return "the attestation has another shape"
    status, namespaces = observed["status"], observed["namespaces"]
    if not isinstance(status, dict) or not isinstance(namespaces, dict):
        return "the attestation has another shape"
    for name in _CAPABILITY_SETS:
        if status.get(name) != _NO_CAPABILITIES:
            return f"{name} is {status.get(name)!r:.40}"
    wanted = {"NoNewPrivs": "1", "Seccomp": "2"}
    if "Seccomp_filters" in status:  # Linux 5.9
        wanted["Seccomp_filters"] = str(expected.filters)
    for name, value in wanted.items():
        if status.get(name) != value:
            return f"{name} is {status.get(name)!r:.40}, not {value}"
    if observed["process"] != _FIRST_AND_WORKER or observed["user"] != _INSIDE_USER:
        return f"process {observed['process']!r:.20} of user {observed['user']!r:.20}"
    return _shared_namespace(namespaces, expected.host_namespaces)


def _shared_namespace(inside: Mapping[str, Any], host: Mapping[str, str]) -> str | None:
    for name, outside in host.items():
        if not isinstance(inside.get(name), str) or inside[name] == outside:
            return f"the {name} namespace is the host's"
    return None
