"""What a skill may do: what it asks for, what was granted, and what is left of both.

A policy is a set of rights. ``asked.granted_by(granted)`` is the intersection, and the
rights a skill runs with; ``asked.beyond(granted)`` says in words what it will not get.
Reading policies is in ``policy_document``; enforcing one is the sandbox's part.

Paths are relative to the project or below ``~/``, and a right to a folder is one to
everything below it. A right to write is also a right to read.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from spm_spec.policy_document import InvalidPolicy, read_policy
from spm_spec.policy_limits import (
    DEFAULT_LIMITS,
    LIMIT_WORDS,
    Limits,
    parse_size,
    shown_limit,
    smaller_limits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["NOTHING", "InvalidPolicy", "Limits", "Policy", "parse_policy", "parse_size"]


@dataclass(frozen=True, slots=True)
class Policy:
    """Rights as data. Read from outside, every tuple is sorted and holds nothing twice."""

    network: tuple[str, ...] = ()
    """``host:port``, lower case, no wildcards."""
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """Names of environment variables."""
    subprocess: bool = False
    """Whether tools may start other programs."""
    limits: Limits = DEFAULT_LIMITS

    @property
    def asks_nothing(self) -> bool:
        """Whether every skill may have this without being asked about it."""
        return not self.beyond(NOTHING)

    def granted_by(self, grant: Policy) -> Policy:
        """Return what is both here and in ``grant``: idempotent, never more than either."""
        write = _common_paths(self.write, grant.write)
        read = _common_paths(self.read + self.write, grant.read + grant.write)
        return Policy(
            network=_common(self.network, grant.network),
            read=tuple(path for path in read if not _covered(path, write)),
            write=write,
            environment=_common(self.environment, grant.environment),
            subprocess=self.subprocess and grant.subprocess,
            limits=smaller_limits(self.limits, grant.limits),
        )

    def beyond(self, granted: Policy) -> tuple[str, ...]:
        """Return in plain words, in a fixed order, what is here and not in ``granted``."""
        readable = granted.read + granted.write
        lines = [f"network access to {host}" for host in _missing(self.network, granted.network)]
        lines += [f"reading {path}" for path in self.read if not _covered(path, readable)]
        lines += [f"writing {path}" for path in self.write if not _covered(path, granted.write)]
        names = _missing(self.environment, granted.environment)
        lines += [f"the environment variable {name}" for name in names]
        if self.subprocess and not granted.subprocess:
            lines.append("starting other programs")
        return (*lines, *_limits_beyond(self.limits, granted.limits))

    def as_document(self) -> dict[str, object]:
        """Return the JSON form; what is nothing or the default is left out.

        ``parse_policy(policy.as_document(), …) == policy``.
        """
        document: dict[str, object] = {
            key: sorted(set(values))
            for key, values in (
                ("network", self.network),
                ("read", self.read),
                ("write", self.write),
                ("environment", self.environment),
            )
            if values
        }
        if self.subprocess:
            document["subprocess"] = True
        if self.limits != DEFAULT_LIMITS:
            document["limits"] = self.limits.as_document()
        return document


NOTHING = Policy()
"""What a skill has without asking: its own files, and the default limits."""


def parse_policy(value: object, *, where: Callable[[tuple[str | int, ...]], str]) -> Policy:
    """Return the policy written as a table, see spec/policy.md.

    ``where`` turns a path inside the table into the place a message names, such as
    ``skill.yaml:12``.

    Raises:
        InvalidPolicy: an unknown key, a wrong type, or a value outside its grammar or cap.

    """
    read = read_policy(value, where=where)
    return Policy(
        network=read.texts["network"],
        read=read.texts["read"],
        write=read.texts["write"],
        environment=read.texts["environment"],
        subprocess=read.subprocess,
        limits=read.limits,
    )


def _common(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(one) & set(other)))


def _missing(asked: tuple[str, ...], granted: tuple[str, ...]) -> list[str]:
    return [item for item in asked if item not in granted]


def _covers(folder: str, path: str) -> bool:
    if folder == ".":
        return not path.startswith("~/")
    return path == folder or path.startswith(f"{folder}/")


def _covered(path: str, folders: Iterable[str]) -> bool:
    return any(_covers(folder, path) for folder in folders)


def _common_paths(one: Iterable[str], other: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that are below both, without those that another one covers."""
    ones, others = tuple(one), tuple(other)
    both = {path for path in ones if _covered(path, others)}
    both |= {path for path in others if _covered(path, ones)}
    return tuple(sorted(path for path in both if not _covered(path, both - {path})))


def _limits_beyond(asked: Limits, granted: Limits) -> list[str]:
    return [
        f"{LIMIT_WORDS[field.name]} of {shown_limit(field.name, asked)} "
        f"(granted {shown_limit(field.name, granted)})"
        for field in fields(Limits)
        if getattr(asked, field.name) > getattr(granted, field.name)
    ]
