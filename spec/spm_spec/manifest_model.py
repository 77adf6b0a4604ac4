"""What a project asks for, as data. See spec/manifest.md.

The model; ``manifest`` reads it from text and ``manifest_edit`` changes that text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from spm_spec.sources import RegistryName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.names import SkillName
    from spm_spec.policy import Policy
    from spm_spec.ranges import VersionRange
    from spm_spec.sources import Requirement
    from spm_spec.versions import Version

LinkMode = Literal["symlink", "copy", "reflink"]

DEFAULT_REGISTRY = "default"
"""The name of the registry that every name without a pattern is bound to."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything a project asks for; every mapping is sorted by name."""

    requirements: tuple[Requirement, ...] = ()
    """Sorted by name; each has one."""
    registries: Mapping[str, str] = field(default_factory=dict[str, str])
    """Name to normal URL."""
    patterns: tuple[tuple[str, str], ...] = ()
    """Name pattern and registry, the most exact pattern first."""
    hosts: Mapping[str, Version] = field(default_factory=dict[str, "Version"])
    """The versions of host packages to resolve for."""
    overrides: Mapping[str, VersionRange] = field(default_factory=dict[str, "VersionRange"])
    """Ranges that replace what every skill asks of a name."""
    constraints: Mapping[str, VersionRange] = field(default_factory=dict[str, "VersionRange"])
    """Ranges that also hold for a name if anything needs it."""
    prereleases: frozenset[str] = frozenset()
    """Names whose pre-releases may be chosen."""
    link_mode: LinkMode = "symlink"
    grants: Mapping[SkillName, Policy] = field(default_factory=dict["SkillName", "Policy"])

    @property
    def default_registry(self) -> str | None:
        """The URL of the registry named ``default``, if there is one."""
        return self.registries.get(DEFAULT_REGISTRY)

    def registry_of(self, name: str, chosen: str | None = None) -> str | None:
        """Return the URL of the one registry that ``name`` is bound to, or ``None``.

        ``chosen`` is the registry that its requirement names. Otherwise the most exact
        pattern binds it, otherwise the default. There is never a second registry to
        fall back to.
        """
        return self.registries.get(chosen or self.registry_name_of(name))

    def registry_name_of(self, name: str) -> str:
        """Return the name of the registry that the patterns bind ``name`` to."""
        for pattern, registry in self.patterns:
            if name == pattern or (pattern[-1] == "*" and name.startswith(pattern[:-1])):
                return registry
        return DEFAULT_REGISTRY

    def chosen_registries(self) -> dict[str, str]:
        """Return the registries that requirements name, by skill."""
        return {
            str(requirement.name): requirement.source.name
            for requirement in self.requirements
            if isinstance(requirement.source, RegistryName) and requirement.source.name is not None
        }

    def requirement_lines(self) -> tuple[str, ...]:
        """Return the canonical text of every requirement, sorted, as the lock repeats it."""
        return tuple(sorted(requirement.line for requirement in self.requirements))


def range_lines(ranges: Mapping[str, VersionRange]) -> tuple[str, ...]:
    """Return ``name@range`` for each of ``ranges``, sorted, as the lock repeats them."""
    return tuple(sorted(f"{name}@{' '.join(value.text.split())}" for name, value in ranges.items()))
