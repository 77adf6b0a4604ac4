"""The resolver beside python-sat's CaDiCaL on the same generated problems.

``python bench/resolver.py``: total CPU time from range texts to the answer, the
best of some runs each in the same process, and the ratio peer / ours. The peer
only says whether there is a solution; ours also prefers the newest.
"""

from __future__ import annotations

import gc
import math
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from spm_resolver.errors import NoSolution
from spm_resolver.provider import MetadataProvider, PackageMetadata, ReleaseMetadata
from spm_resolver.solver import Solver
from spm_spec.ranges import VersionRange
from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Callable

Texts = dict[str, dict[str, dict[str, str]]]
Problem = tuple[Texts, dict[str, str]]
RUNS = 3


def registry(packages: int, versions: int, seed: int) -> Problem:
    """A registry: few packages many depend on, later packages need earlier ones."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible universe
    texts: Texts = {}
    for index in range(packages):
        releases: dict[str, dict[str, str]] = {}
        needs: dict[str, int] = {}
        for version in range(versions):
            if version == 0 or chance.random() < 0.3:
                count = min(index, chance.randint(0, 5))
                chosen = {int(index * chance.random() ** 2) for _ in range(count)}
                needs = {f"p{other}": chance.randrange(versions) for other in sorted(chosen)}
            releases[f"{1 + version // 4}.{version % 4}.0"] = {
                name: f">={1 + least // 4}.{least % 4}.0" if chance.random() < 0.8 else "*"
                for name, least in needs.items()
            }
        texts[f"p{index}"] = releases
    roots = chance.sample(range(packages // 2, packages), min(60, packages // 10))
    return texts, {f"p{index}": "*" for index in roots}


def backtracking(depth: int) -> Problem:
    """A chain in which only the oldest version of all agrees with the requirement."""
    texts: Texts = {"end": {"1.0.0": {}, "2.0.0": {}}}
    for index in range(depth):
        below = f"c{index + 1}" if index + 1 < depth else "end"
        texts[f"c{index}"] = {
            f"{version}.0.0": {below: _lockstep(below, version)} for version in range(1, 9)
        }
    return texts, {"c0": "*", "end": "1.0.0"}


def _lockstep(below: str, version: int) -> str:
    return f"{min(version, 2)}.0.0" if below == "end" else f"{version}.0.0"


def diamond(width: int) -> Problem:
    """Many packages that must agree on one below them."""
    shared: dict[str, dict[str, str]] = {f"{version}.0.0": {} for version in range(1, 21)}
    texts: Texts = {"shared": dict(shared)}
    for index in range(width):
        texts[f"d{index}"] = {
            f"{version}.0.0": {"shared": f">={version}.0.0 <={version + index % 3}.0.0"}
            for version in range(1, 18)
        }
    return texts, {f"d{index}": "*" for index in range(width)}


def unsatisfiable(packages: int) -> Problem:
    """A contradiction among a few packages inside a large registry."""
    texts, asked = registry(packages, 10, 5)
    texts["left"] = {f"{version}.0.0": {"core": "^1.0.0"} for version in range(1, 11)}
    texts["right"] = {f"{version}.0.0": {"core": "^2.0.0"} for version in range(1, 11)}
    texts["core"] = {"1.0.0": {}, "2.0.0": {}}
    return texts, {**asked, "left": "*", "right": "*"}


def transition(seed: int) -> Problem:
    """A random instance near the border between solvable and not."""
    chance = random.Random(seed)  # noqa: S311 - a reproducible universe
    names = [f"p{index}" for index in range(30)]
    ranges = [f"{version}.0.0" for version in range(1, 6)] + [">=3.0.0", "<=3.0.0", "!=2.0.0", "*"]
    texts: Texts = {
        name: {
            f"{version}.0.0": {
                other: chance.choice(ranges) for other in chance.sample(names, 3) if other != name
            }
            for version in range(1, 6)
        }
        for name in names
    }
    return texts, {"p0": "*", "p1": "*", "p2": "*"}


def compiled(
    texts: Texts, asked: dict[str, str]
) -> tuple[MetadataProvider, dict[str, VersionRange]]:
    """Read every version and range, as a client does that has the metadata."""
    parse = VersionRange.parse
    packages = {
        name: PackageMetadata(
            name,
            {
                Version.parse(version): ReleaseMetadata({n: parse(r) for n, r in needs.items()})
                for version, needs in versions.items()
            },
        )
        for name, versions in texts.items()
    }
    return MetadataProvider(packages), {name: parse(text) for name, text in asked.items()}


def ours(provider: MetadataProvider, asked: dict[str, VersionRange]) -> bool:
    try:
        Solver(provider, asked).step()
    except NoSolution:
        return False
    return True


def ours_in_all(texts: Texts, asked: dict[str, str]) -> bool:
    return ours(*compiled(texts, asked))


def peer(texts: Texts, asked: dict[str, str]) -> bool:
    """Encode what is reachable and solve; the ranges are memoised as ours are."""
    from pysat.solvers import Cadical153

    numbers: dict[tuple[str, str], int] = {}
    memory: dict[tuple[str, str], list[int]] = {}
    parsed = {name: {text: Version.parse(text) for text in all_} for name, all_ in texts.items()}

    def allowed(name: str, text: str) -> list[int]:
        found = memory.get((name, text))
        if found is None:
            wanted = VersionRange.parse(text)
            found = memory[name, text] = [
                numbers.setdefault((name, version), len(numbers) + 1)
                for version, value in parsed[name].items()
                if wanted.admits(value)
            ]
        return found

    peer: Any = Cadical153()  # its package has no types
    with peer as solver:
        for name, text in asked.items():
            solver.add_clause(allowed(name, text))
        pending, seen = list(asked), set(asked)
        while pending:
            name = pending.pop()
            variables = allowed(name, "*")
            for place, one in enumerate(variables):
                for other in variables[:place]:
                    solver.add_clause([-one, -other])
            for version, needs in texts[name].items():
                for other_name, text in needs.items():
                    solver.add_clause([-numbers[name, version], *allowed(other_name, text)])
                    if other_name not in seen:
                        seen.add(other_name)
                        pending.append(other_name)
        return bool(solver.solve())


def best(run: Callable[[], bool]) -> tuple[float, bool]:
    """Return the least CPU seconds of some runs, and the answer."""
    times: list[float] = []
    answer = False
    for _ in range(RUNS):
        gc.collect()
        start = time.process_time()
        answer = run()
        times.append(time.process_time() - start)
    return min(times), answer


def main() -> None:
    problems: dict[str, Problem] = {
        "registry 5000 x 10": registry(5000, 10, 1),
        "registry 500 x 10": registry(500, 10, 2),
        "backtracking 40": backtracking(40),
        "diamond 200": diamond(200),
        "unsatisfiable in 2000": unsatisfiable(2000),
        **{f"transition {seed}": transition(seed) for seed in range(6)},
    }
    print(f"{'problem':24}{'solve':>10}{'total':>10}{'python-sat':>12}{'ratio':>8}  answer")
    ratios: list[float] = []
    for title, (texts, asked) in problems.items():
        provider, ranges = compiled(texts, asked)
        solving, answer = best(partial(ours, provider, ranges))
        total, _ = best(partial(ours_in_all, texts, asked))
        other, expected = best(partial(peer, texts, asked))
        if answer != expected:
            message = f"{title}: the solvers disagree"
            raise AssertionError(message)
        ratios.append(other / total)
        print(
            f"{title:24}{solving * 1e3:8.1f}ms{total * 1e3:8.1f}ms{other * 1e3:10.1f}ms"
            f"{other / total:8.1f}  {'solved' if answer else 'unsatisfiable'}"
        )
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"geometric mean of python-sat / ours, total: {mean:.1f}")


if __name__ == "__main__":
    main()
