"""Laws of the resolver, over thousands of random universes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spm_resolver.errors import BudgetExhausted, NoSolution
from spm_resolver.provider import MetadataProvider, PackageMetadata
from spm_resolver.solver import Solution, Solver
from tests.resolver.universes import (
    Texts,
    Universe,
    faults,
    is_satisfiable,
    ranges,
    shown,
)

if TYPE_CHECKING:
    from spm_resolver.incompatibility import Incompatibility

if TYPE_CHECKING:
    from spm_resolver.incompatibility import Incompatibility

NAMES = [f"p{number}" for number in range(7)]
RANGES = [
    "*", "^1.0.0", "^2.0.0", "1.0.0", "2.0.0", "3.0.0", ">=2.0.0", "<2.0.0", "<=2.0.0", "!=2.0.0",
    "1.0.0 || 3.0.0", ">1.0.0 <3.0.0", ">=3.0.0", "9.0.0", ">=2.0.0-alpha", ">=2.0.0-alpha <2.0.0",
]  # fmt: skip
VERSIONS = ["1.0.0", "1.1.0", "2.0.0-alpha", "2.0.0", "3.0.0"]

needs = st.dictionaries(st.sampled_from([*NAMES, "nowhere"]), st.sampled_from(RANGES), max_size=3)
universes = st.dictionaries(
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(VERSIONS), needs, min_size=1),
    min_size=1,
)
requirements = st.dictionaries(
    st.sampled_from(NAMES), st.sampled_from(RANGES), min_size=1, max_size=4
)


def random_universe(chance: random.Random, packages: int, versions: int) -> Texts:
    """A universe near the border between having a solution and having none."""
    names = [f"p{number}" for number in range(packages)]
    texts = ["*", "1.0.0", "2.0.0", ">=2.0.0", "<=2.0.0", "!=2.0.0", "^3.0.0", "1.0.0 || 3.0.0"]
    return {
        name: {
            f"{version}.0.0": {
                other: chance.choice(texts) for other in chance.sample(names, chance.randint(0, 3))
            }
            for version in range(1, versions + 1)
        }
        for name in names
    }


def outcome(
    texts: Texts,
    asked: dict[str, str],
    *,
    locked: dict[str, str] | None = None,
    lowest: bool = False,
) -> dict[str, str] | str:
    """Return the solution, or the whole explanation."""
    try:
        return Universe.of(texts).resolve(asked, locked=locked, lowest=lowest)
    except NoSolution as error:
        return f"{error.message}\n{error.hint}"


@settings(max_examples=600, deadline=None)
@given(universes, requirements)
def test_resolver_finds_a_solution_exactly_if_one_exists(
    texts: Texts, asked: dict[str, str]
) -> None:
    """Law: solve(U, R) succeeds if and only if the SAT encoding of (U, R) is satisfiable."""
    found = outcome(texts, asked)

    assert isinstance(found, dict) == is_satisfiable(texts, asked)
    if isinstance(found, dict):
        assert faults(texts, asked, found) == []


@pytest.mark.parametrize("seed", range(8))
def test_resolver_agrees_with_the_oracle_on_larger_random_universes(seed: int) -> None:
    """The same law where many conflicts must be learnt from."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible universe
    solved = 0
    for _ in range(250):
        texts = random_universe(chance, chance.randint(3, 14), chance.randint(1, 5))
        asked = dict.fromkeys(chance.sample(sorted(texts), min(3, len(texts))), "*")
        lowest = chance.random() < 0.3
        found = outcome(texts, asked, lowest=lowest)

        assert isinstance(found, dict) == is_satisfiable(texts, asked), (texts, asked)
        if isinstance(found, dict):
            solved += 1
            assert faults(texts, asked, found) == [], (texts, asked)
    assert 0 < solved < 250


@pytest.mark.parametrize("seed", range(6))
def test_resolver_agrees_with_the_oracle_where_long_incompatibilities_are_learnt(seed: int) -> None:
    """The same law where every package is required and most learnt facts have many terms."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible universe
    for _ in range(12):
        names = [f"p{number}" for number in range(chance.randint(20, 45))]
        texts: Texts = {
            name: {
                f"{version}.0.0": {
                    other: " || ".join(f"{one}.0.0" for one in chance.sample(range(1, 5), 2))
                    for other in chance.sample(names, 2)
                    if other != name
                }
                for version in range(1, 5)
            }
            for name in names
        }
        asked = dict.fromkeys(names, "*")
        found = outcome(texts, asked)

        assert isinstance(found, dict) == is_satisfiable(texts, asked), texts
        if isinstance(found, dict):
            assert faults(texts, asked, found) == [], texts


@settings(max_examples=150, deadline=None)
@given(universes, requirements, st.randoms(use_true_random=False))
def test_answer_is_the_same_whatever_arrives_when(
    texts: Texts, asked: dict[str, str], chance: random.Random
) -> None:
    """Law: the answer, or the whole explanation, depends on the universe alone."""
    expected = outcome(texts, asked)
    universe = Universe.of(texts)
    everything = universe.fetch([*NAMES, "nowhere"])
    shuffled = list(asked.items())
    chance.shuffle(shuffled)
    known: list[str] = [name for name in [*NAMES, "nowhere"] if chance.random() < 0.4]
    provider = MetadataProvider({name: everything.get(name) for name in known}, names=texts)

    solver = Solver(provider, ranges(dict(shuffled)))
    try:
        answer = solver.step()
        while not isinstance(answer, Solution):
            some = chance.sample(answer.names, chance.randint(1, len(answer.names)))
            provider.learn({name: _shuffled(everything.get(name), chance) for name in some})
            answer = solver.step()
        actual: dict[str, str] | str = shown(answer)
    except NoSolution as error:
        actual = f"{error.message}\n{error.hint}"

    assert actual == expected


def _shuffled(metadata: PackageMetadata | None, chance: random.Random) -> PackageMetadata | None:
    if metadata is None:
        return None
    releases = list(metadata.releases.items())
    chance.shuffle(releases)
    return PackageMetadata(metadata.name, dict(releases))


def test_answer_is_the_same_for_every_hash_seed() -> None:
    """Law: PYTHONHASHSEED does not reach the answer."""
    chance = random.Random(11)  # noqa: S311 - a reproducible universe
    problems = [
        {
            "universe": random_universe(chance, 12, 4),
            "requirements": {"p0": "*", "p1": "*", "p2": "*"},
        }
        for _ in range(12)
    ]
    program = (
        "import json, sys\n"
        "from spm_resolver.__main__ import answer\n"
        "print(json.dumps([answer(json.dumps(p)) for p in json.load(sys.stdin)]))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            input=json.dumps(problems).encode(),
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(8)
    }

    assert len(outputs) == 1


@settings(max_examples=150, deadline=None)
@given(universes, requirements)
def test_locking_a_solution_gives_it_back(texts: Texts, asked: dict[str, str]) -> None:
    """Law: solve(U, R, locked=S) == S for every solution S of (U, R)."""
    found = outcome(texts, asked, lowest=True)
    if isinstance(found, dict):
        assert outcome(texts, asked, locked=found) == found


@settings(max_examples=150, deadline=None)
@given(universes, st.sampled_from(NAMES), st.sampled_from(RANGES))
def test_a_single_requirement_gets_the_newest_version_that_can_be(
    texts: Texts, name: str, text: str
) -> None:
    """Law: for one requirement no newer version of it has a solution."""
    found = outcome(texts, {name: text})
    if isinstance(found, dict):
        newer = [one for one in texts[name] if _newer(one, found[name]) and _admits(text, one)]
        assert not any(is_satisfiable(texts, {name: version}) for version in newer)


def _newer(version: str, than: str) -> bool:
    from spm_spec.versions import Version

    return Version.parse(version) > Version.parse(than)


def _admits(text: str, version: str) -> bool:
    from spm_spec.ranges import VersionRange
    from spm_spec.versions import Version

    return VersionRange.parse(text).admits(Version.parse(version))


@settings(max_examples=300, deadline=None)
@given(universes, requirements)
def test_requirements_an_explanation_names_are_enough_to_fail(
    texts: Texts, asked: dict[str, str]
) -> None:
    """Law: a failure names requirements that contradict each other without the rest."""
    failure = _failure(texts, asked)
    if failure is not None:
        named = dict([*item.split(" ", 1), "*"][:2] for item in failure.requirements)
        assert named
        assert {name: asked[name] for name in named} == named
        assert not is_satisfiable(texts, named)
        assert failure.message.splitlines()[-1].endswith("skills.toml cannot be satisfied")


def _failure(texts: Texts, asked: dict[str, str]) -> NoSolution | None:
    try:
        Universe.of(texts).resolve(asked)
    except NoSolution as error:
        return error
    return None


@pytest.mark.parametrize("seed", range(3))
def test_each_learnt_incompatibility_is_watched_by_exactly_two_of_its_packages(seed: int) -> None:
    """A stale watch would let a search force what does not follow, or never end."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible universe
    names = [f"p{number}" for number in range(80)]
    texts: Texts = {
        name: {
            f"{version}.0.0": {
                other: " || ".join(f"{one}.0.0" for one in chance.sample(range(1, 6), 3))
                for other in chance.sample(names, 3)
                if other != name
            }
            for version in range(1, 6)
        }
        for name in names
    }
    provider = MetadataProvider(Universe.of(texts).fetch(names))
    solver = Solver(provider, ranges(dict.fromkeys(names, "*")), most_steps=400_000)
    with contextlib.suppress(BudgetExhausted, NoSolution):
        solver.step()

    watching = solver._search.clauses._watching
    watchers: dict[Incompatibility, list[int]] = {}
    for package, incompatibilities in enumerate(watching):
        for incompatibility in incompatibilities:
            watchers.setdefault(incompatibility, []).append(package)
    assert watchers
    for incompatibility, packages in watchers.items():
        watched = sorted(incompatibility.terms[place][0] for place in incompatibility.watched)
        assert sorted(packages) == watched
