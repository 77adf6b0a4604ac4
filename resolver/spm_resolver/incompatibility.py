"""Terms, incompatibilities, and why each incompatibility holds.

A *term* is a package and a version set of it; it is satisfied once the package's
domain lies inside the set. An *incompatibility* is a list of terms that must
never all be satisfied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spm_spec.ranges import VersionRange

Term = tuple[int, int]
"""A package's index and a version set of it (see ``versions_set``)."""


class Demand:
    """What a range asks of one package: ``allowed``, or its opposite ``forbidden``.

    The cause of an incompatibility whose first term depends on the second.
    Interned by the package, so equal demands are one object.
    """

    __slots__ = ("allowed", "forbidden", "package", "wanted")

    def __init__(self, package: int, wanted: VersionRange, allowed: int, full: int) -> None:
        """Hold the versions ``allowed`` out of ``full``."""
        self.package = package
        self.wanted = wanted
        self.allowed = allowed
        self.forbidden = full & ~allowed


class Requirement:
    """The project itself asks for it."""

    __slots__ = ("demand",)

    def __init__(self, demand: Demand) -> None:
        """Hold what is demanded."""
        self.demand = demand


class SelfDependency:
    """A version that depends on other versions of its own package."""

    __slots__ = ("demand",)

    def __init__(self, demand: Demand) -> None:
        """Hold what is demanded."""
        self.demand = demand


class Learnt:
    """It follows from two others: where both hold, so does it."""

    __slots__ = ("conflict", "reason")

    def __init__(self, conflict: Incompatibility, reason: Incompatibility) -> None:
        """Hold the two premises."""
        self.conflict = conflict
        self.reason = reason


Cause = Demand | Requirement | SelfDependency | Learnt


class Incompatibility:
    """Terms that must not all be satisfied at once.

    ``terms`` changes at most once: a dependency is widened to every version that
    declares it. ``watched`` are the positions of the two watched terms of a
    learnt incompatibility with more than two.
    """

    __slots__ = ("cause", "terms", "watched")

    def __init__(self, terms: tuple[Term, ...], cause: Cause) -> None:
        """Hold ``terms`` because of ``cause``."""
        self.terms = terms
        self.cause = cause
        self.watched: tuple[int, int] = (0, 1)

    def term_of(self, package: int) -> int:
        """Return the version set of the term on ``package``, which must have one."""
        return next(versions for owner, versions in self.terms if owner == package)
