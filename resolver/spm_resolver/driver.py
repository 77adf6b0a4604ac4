"""The loop around the solver that fetches what it needs, many names at a time.

Nothing here reads a file or a socket: ``fetch`` does, and receives every name
wanted at once, so that it can ask for all of them concurrently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.provider import MetadataProvider
from spm_resolver.solver import DEFAULT_PREFERENCES, Solution, Solver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from spm_resolver.preferences import Preferences
    from spm_resolver.provider import PackageMetadata
    from spm_spec.ranges import VersionRange

    Answers = Mapping[str, PackageMetadata | None]
    Fetch = Callable[[Sequence[str]], Mapping[str, PackageMetadata | None]]
    AsyncFetch = Callable[[Sequence[str]], Awaitable[Mapping[str, PackageMetadata | None]]]


def resolve(
    fetch: Fetch,
    requirements: Mapping[str, VersionRange],
    preferences: Preferences = DEFAULT_PREFERENCES,
    *,
    names: Iterable[str] = (),
) -> Solution:
    """Solve ``requirements``, asking ``fetch`` for metadata as it is needed.

    A name that ``fetch`` leaves out of its answer, or answers with ``None``, does
    not exist. Each name is asked for once. ``names`` that exist, if any are known
    beforehand, only serve the hint after a failure.

    Raises:
        NoSolution: the requirements contradict each other.
        BudgetExhausted: the search took too many steps.

    """
    provider = MetadataProvider(names=names)
    solver = Solver(provider, requirements, preferences)
    answer = solver.step()
    while not isinstance(answer, Solution):
        provider.learn(_complete(answer.names, fetch(answer.names)))
        answer = solver.step()
    return answer


async def resolve_async(
    fetch: AsyncFetch,
    requirements: Mapping[str, VersionRange],
    preferences: Preferences = DEFAULT_PREFERENCES,
    *,
    names: Iterable[str] = (),
) -> Solution:
    """Solve as ``resolve`` does, awaiting ``fetch``."""
    provider = MetadataProvider(names=names)
    solver = Solver(provider, requirements, preferences)
    answer = solver.step()
    while not isinstance(answer, Solution):
        provider.learn(_complete(answer.names, await fetch(answer.names)))
        answer = solver.step()
    return answer


def _complete(names: Sequence[str], answers: Answers) -> Answers:
    """Return ``answers`` with ``None`` for each of ``names`` that is not among them."""
    return {**dict.fromkeys(names), **answers}
