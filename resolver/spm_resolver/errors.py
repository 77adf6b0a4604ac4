"""What can go wrong while resolving, apart from the answer itself being no."""

from __future__ import annotations

from typing import ClassVar

from spm_spec.errors import EXIT_NO_SOLUTION, HostileDataError, SpmError


class NoSolution(SpmError):
    """No set of versions satisfies the requirements; the message explains why.

    ``requirements`` are those the explanation rests on, as ``name range``: to
    change one of them is the way out. ``hint`` is the best of the hints.
    """

    exit_code: ClassVar[int] = EXIT_NO_SOLUTION
    kind: ClassVar[str] = "no-solution"

    def __init__(self, message: str, *, requirements: tuple[str, ...], hint: str | None) -> None:
        """Keep the explanation and the ``requirements`` it rests on."""
        super().__init__(message, hint=hint)
        self.requirements = requirements


class BudgetExhausted(SpmError):
    """The search took more steps than it may; no answer is known."""

    exit_code: ClassVar[int] = EXIT_NO_SOLUTION
    kind: ClassVar[str] = "budget-exhausted"

    def __init__(self, steps: int, busiest: tuple[str, ...]) -> None:
        """Keep the number of ``steps`` and the names that conflicted most."""
        super().__init__(
            f"no answer after {steps} steps of the resolver",
            hint=f"narrow the requirements on {', '.join(busiest)}" if busiest else None,
        )
        self.steps, self.busiest = steps, busiest


class UniverseTooLarge(HostileDataError):
    """More packages or versions than any honest registry holds."""

    kind: ClassVar[str] = "universe-too-large"

    def __init__(self, what: str, count: int, limit: int) -> None:
        """Keep ``what`` was counted, how many there are and the ``limit``."""
        super().__init__(f"{what}: {count}, the limit is {limit}")
        self.count, self.limit = count, limit


class ContradictoryMetadata(HostileDataError):
    """A provider that repeats or contradicts itself."""

    kind: ClassVar[str] = "contradictory-metadata"
