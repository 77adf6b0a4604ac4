"""The solver: preferences, laziness, limits, and providers that misbehave."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from spm_resolver.driver import resolve, resolve_async
from spm_resolver.errors import (
    BudgetExhausted,
    ContradictoryMetadata,
    NoSolution,
    UniverseTooLarge,
)
from spm_resolver.provider import Candidate, MetadataProvider, PackageMetadata, ReleaseMetadata
from spm_resolver.solver import NeedsMore, Solution, Solver, solve
from spm_resolver.versions_set import MOST_VERSIONS
from spm_spec.ranges import VersionRange
from spm_spec.versions import Version
from tests.resolver.universes import Universe, ranges, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def test_direct_requirements_get_their_newest_before_transitive_ones() -> None:
    world = Universe.of({
        "a": {"1.0.0": {"z": "*"}, "2.0.0": {"z": "1.0.0"}},
        "z": {"1.0.0": {}, "2.0.0": {}},
    })  # fmt: skip

    assert world.resolve({"a": "*"}) == {"a": "2.0.0", "z": "1.0.0"}


def test_locked_versions_come_before_newer_direct_ones() -> None:
    """A new requirement does not move what is locked, if it can be met without."""
    world = Universe.of({
        "a": {"1.0.0": {"z": "*"}},
        "new": {"1.0.0": {"z": "1.0.0"}, "2.0.0": {"z": "2.0.0"}},
        "z": {"1.0.0": {}, "2.0.0": {}},
    })  # fmt: skip
    locked = {"a": "1.0.0", "z": "1.0.0"}

    assert world.resolve({"a": "*", "new": "*"}, locked=locked) == {**locked, "new": "1.0.0"}


def test_without_a_lock_the_newest_direct_versions_are_chosen() -> None:
    world = Universe.of({"a": {"1.0.0": {}, "1.2.0": {}, "1.10.0": {}}})

    assert world.resolve({"a": "*"}) == {"a": "1.10.0"}


def test_lowest_chooses_the_oldest_versions_that_fit() -> None:
    world = Universe.of({
        "a": {"1.0.0": {"b": "*"}, "1.1.0": {}, "2.0.0": {}},
        "b": {"0.1.0": {}, "0.2.0": {}},
    })  # fmt: skip

    assert world.resolve({"a": "*"}, lowest=True) == {"a": "1.0.0", "b": "0.1.0"}


def test_yanked_versions_serve_only_whoever_locked_them() -> None:
    world = Universe().serve("a", "1.0.0").serve("a", "2.0.0", yanked=True)

    assert world.resolve({"a": "*"}) == {"a": "1.0.0"}
    assert world.resolve({"a": "*"}, locked={"a": "2.0.0"}) == {"a": "2.0.0"}


def test_prereleases_follow_the_range_or_the_preference() -> None:
    world = Universe().serve("a", "1.0.0").serve("a", "1.1.0-rc.1")

    assert world.resolve({"a": "*"}) == {"a": "1.0.0"}
    assert world.resolve({"a": ">=1.1.0-rc.0"}) == {"a": "1.1.0-rc.1"}
    assert world.resolve({"a": "*"}, prereleases=frozenset({"a"})) == {"a": "1.1.0-rc.1"}


def test_a_cycle_is_fine_if_its_versions_agree() -> None:
    world = Universe.of({"a": {"1.0.0": {"b": "^1.0.0"}}, "b": {"1.0.0": {"a": "^1.0.0"}}})

    assert world.resolve({"a": "*"}) == {"a": "1.0.0", "b": "1.0.0"}


def test_driver_asks_for_a_whole_level_of_the_graph_at_once() -> None:
    levels = {f"l{level}n{i}": level for level in range(4) for i in range(5)}
    world = Universe.of({
        name: {"1.0.0": {f"l{level + 1}n{i}": "*" for i in range(5)} if level < 3 else {}}
        for name, level in levels.items()
    })  # fmt: skip

    world.resolve({f"l0n{i}": "*" for i in range(5)})

    assert world.fetched == [tuple(f"l{level}n{i}" for i in range(5)) for level in range(4)]


def test_driver_asks_for_no_name_twice_and_none_that_no_candidate_needs() -> None:
    world = Universe.of({
        "a": {"1.0.0": {"old": "*"}, "2.0.0": {"b": "*"}},
        "b": {"1.0.0": {"gone": "*"}},
        "old": {"1.0.0": {}},
        "unrelated": {"1.0.0": {}},
    })  # fmt: skip

    assert world.resolve({"a": "*"}) == {"a": "1.0.0", "old": "1.0.0"}
    assert world.fetched == [("a",), ("b",), ("gone",), ("old",)]


def test_async_driver_gives_the_same_answer() -> None:
    world = Universe.of({"a": {"1.0.0": {"b": "*"}}, "b": {"1.0.0": {}, "2.0.0": {}}})

    async def fetch(names: Sequence[str]) -> Mapping[str, PackageMetadata | None]:
        await asyncio.sleep(0)
        return world.fetch(names)

    solution = asyncio.run(resolve_async(fetch, ranges({"a": "*"})))

    assert shown(solution) == world.resolve({"a": "*"}) == {"a": "1.0.0", "b": "2.0.0"}


def test_solve_says_which_names_it_needs_then_solves() -> None:
    world = Universe.of({"a": {"1.0.0": {}}})
    provider = MetadataProvider()

    assert solve(provider, ranges({"a": "*", "b": "*"})) == NeedsMore(("a", "b"))
    provider.learn(world.fetch(["a"]))
    assert solve(provider, ranges({"a": "*"})) == Solution({"a": Version.parse("1.0.0")})


def test_solution_is_sorted_by_name() -> None:
    world = Universe.of({name: {"1.0.0": {}} for name in "zam"})

    assert list(world.resolve({"z": "*", "m": "*", "a": "*"})) == ["a", "m", "z"]


def test_a_chain_of_many_packages_needs_no_deep_stack() -> None:
    length = 5_000
    texts = {f"c{i}": {"1.0.0": {f"c{i + 1}": "*"}} for i in range(length)}
    world = Universe.of({**texts, f"c{length}": {"1.0.0": {}}})
    provider = MetadataProvider(
        {name: PackageMetadata(name, r) for name, r in world.packages.items()}
    )

    answer = solve(provider, ranges({"c0": "*"}))

    assert isinstance(answer, Solution)
    assert len(answer.versions) == length + 1


def test_a_failure_at_the_end_of_a_long_chain_is_explained() -> None:
    length = 3_000
    texts = {f"c{i}": {"1.0.0": {f"c{i + 1}": "*"}} for i in range(length)}
    world = Universe.of({
        **texts,
        f"c{length}": {"1.0.0": {"end": "^2.0.0"}},
        "end": {"1.0.0": {}, "2.0.0": {}},
    })  # fmt: skip
    provider = MetadataProvider(world.fetch(list(world.packages)))

    with pytest.raises(NoSolution) as caught:
        solve(provider, ranges({"c0": "*", "end": "^1.0.0"}))

    lines = caught.value.message.split("\n")
    assert lines[0] == (
        f"because c{length - 1} 1.0.0 depends on c{length} which depends on end ^2.0.0, "
        f"c{length - 1} 1.0.0 requires end ^2.0.0"
    )
    assert lines[-1].endswith("skills.toml cannot be satisfied")
    assert caught.value.requirements == ("c0", "end ^1.0.0")


def test_ten_thousand_requirements_are_solved() -> None:
    names = [f"p{i}" for i in range(10_000)]
    world = Universe.of({name: {"1.0.0": {}} for name in names})

    assert len(world.resolve(dict.fromkeys(names, "*"))) == 10_000


def test_solver_stops_when_its_budget_is_spent() -> None:
    world = Universe.of({f"p{i}": {"1.0.0": {}} for i in range(20)})
    packages = {name: PackageMetadata(name, r) for name, r in world.packages.items()}
    solver = Solver(MetadataProvider(packages), ranges(dict.fromkeys(packages, "*")), most_steps=5)

    with pytest.raises(BudgetExhausted) as caught:
        solver.step()

    assert str(caught.value) == "no answer after 5 steps of the resolver"
    assert caught.value.hint == "narrow the requirements on p0, p1, p10"


def test_solver_refuses_a_package_with_too_many_versions() -> None:
    releases = {Version(1, 0, i): ReleaseMetadata({}) for i in range(MOST_VERSIONS + 1)}

    with pytest.raises(UniverseTooLarge) as caught:
        resolve(lambda _: {"a": PackageMetadata("a", releases)}, ranges({"a": "*"}))

    assert str(caught.value) == "versions of a: 10001, the limit is 10000"


def test_solver_refuses_a_provider_that_repeats_a_version() -> None:
    class Repeating(MetadataProvider):
        def versions(self, name: str) -> list[Candidate]:
            del name
            return [Candidate(Version(1, 0, 0)), Candidate(Version(1, 0, 0, build=("x",)))]

    with pytest.raises(ContradictoryMetadata, match="a has one version twice in its metadata"):
        solve(Repeating(), ranges({"a": "*"}))


def test_a_provider_that_changes_its_mind_is_asked_only_once() -> None:
    asked: list[tuple[str, str]] = []

    class Fickle(MetadataProvider):
        def dependencies(self, name: str, version: Version) -> Mapping[str, VersionRange]:
            asked.append((name, str(version)))
            return {} if len(asked) > 3 else {"b": VersionRange.any()}

    provider = Fickle()
    provider.learn(Universe.of({"a": {"1.0.0": {}}, "b": {"1.0.0": {}}}).fetch(["a", "b"]))

    answer = solve(provider, ranges({"a": "*"}))

    assert isinstance(answer, Solution)
    assert asked == [("a", "1.0.0"), ("b", "1.0.0")]


def test_no_solution_has_its_own_exit_code() -> None:
    with pytest.raises(NoSolution) as caught:
        Universe().resolve({"a": "*"})

    assert caught.value.exit_code == 4
    assert caught.value.kind == "no-solution"
