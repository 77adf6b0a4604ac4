"""What the worker says of its own confinement, against what was ordered (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

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
    shape = {"status", "namespaces", "process", "user"}
    if not isinstance(observed, dict) or set(cast("dict[str, Any]", observed)) != shape:
        return "the attestation has another shape"
    told = cast("dict[str, Any]", observed)
    if not isinstance(told["status"], dict) or not isinstance(told["namespaces"], dict):
        return "the attestation has another shape"
    status = cast("dict[str, Any]", told["status"])
    for name, value in _wanted(status, expected).items():
        if status.get(name) != value:
            return f"{name} is {status.get(name)!r:.40}, not {value}"
    if told["process"] != _FIRST_AND_WORKER or told["user"] != _INSIDE_USER:
        return f"process {told['process']!r:.20} of user {told['user']!r:.20}"
    return _shared_namespace(cast("dict[str, Any]", told["namespaces"]), expected.host_namespaces)


def _wanted(status: Mapping[str, Any], expected: Expected) -> dict[str, str]:
    wanted = dict.fromkeys(_CAPABILITY_SETS, _NO_CAPABILITIES)
    wanted |= {"NoNewPrivs": "1", "Seccomp": "2"}
    if "Seccomp_filters" in status:  # Linux 5.9
        wanted["Seccomp_filters"] = str(expected.filters)
    return wanted


def _shared_namespace(inside: Mapping[str, Any], host: Mapping[str, str]) -> str | None:
    for name, outside in host.items():
        if not isinstance(inside.get(name), str) or inside[name] == outside:
            return f"the {name} namespace is the host's"
    return None
