"""What the solver asks about packages, and the plain records that answer it.

A provider answers at once or says ``NOT_KNOWN``; it never fetches. The solver
asks for each package's versions once and for each version's dependencies at most
once, so a provider that changes its mind cannot confuse it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version


class NotKnown(Enum):
    """The type of ``NOT_KNOWN``."""

    NOT_KNOWN = "not known yet"


NOT_KNOWN: Final = NotKnown.NOT_KNOWN


class Candidate(NamedTuple):
    """One release the solver may choose; a yanked one only if it is locked."""

    version: Version
    yanked: bool = False


class Provider(Protocol):
    """The solver's only source of facts."""

    def versions(self, name: str) -> Sequence[Candidate] | NotKnown | None:
        """Return every release of ``name`` in any order, or ``None`` if there is no such package.

        Asked once a package, when its name is first met.
        """
        ...

    def dependencies(self, name: str, version: Version) -> Mapping[str, VersionRange]:
        """Return what ``version`` of ``name`` needs; known as soon as ``versions`` is."""
        ...

    def known_names(self) -> Iterable[str]:
        """Return names that exist, for "did you mean"; asked only after a failure."""
        ...


@dataclass(frozen=True, slots=True)
class ReleaseMetadata:
    """What the resolver needs to know about one release."""

    dependencies: Mapping[str, VersionRange]
    yanked: bool = False


@dataclass(frozen=True, slots=True)
class PackageMetadata:
    """What the resolver needs to know about one package: all its releases.

    A host package has exactly one release, or none where it is not provided.
    """

    name: str
    releases: Mapping[Version, ReleaseMetadata]


class MetadataProvider:
    """A provider over records; what was never ``learnt`` is not known."""

    def __init__(
        self,
        packages: Mapping[str, PackageMetadata | None] | None = None,
        *,
        names: Iterable[str] = (),
    ) -> None:
        """Start with the ``packages`` already known; ``None`` marks one that does not exist.

        ``names`` are others that exist, for "did you mean".
        """
        self._packages = dict(packages or {})
        self._names = names

    def learn(self, packages: Mapping[str, PackageMetadata | None]) -> None:
        """Add ``packages``; what is already known stays as it is."""
        for name, metadata in packages.items():
            self._packages.setdefault(name, metadata)

    def versions(self, name: str) -> Sequence[Candidate] | NotKnown | None:
        """Return the releases of ``name`` as candidates."""
        metadata = self._packages.get(name, NOT_KNOWN)
        if metadata is NOT_KNOWN or metadata is None:
            return metadata
        return [
            Candidate(version, release.yanked) for version, release in metadata.releases.items()
        ]

    def dependencies(self, name: str, version: Version) -> Mapping[str, VersionRange]:
        """Return what ``version`` of the known package ``name`` needs."""
        metadata = self._packages[name]
        if metadata is None:
            message = f"{name} has no versions to have dependencies"
            raise AssertionError(message)
        return metadata.releases[version].dependencies

    def known_names(self) -> Iterable[str]:
        """Return the names of the packages that exist, as far as is known."""
        learnt = (name for name, metadata in self._packages.items() if metadata is not None)
        return chain(self._names, learnt)
