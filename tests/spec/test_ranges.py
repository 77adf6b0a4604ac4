"""Version ranges: the vectors, and what a person reads when a range is refused."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.versions import Version

VECTORS = sorted((Path(__file__).parents[2] / "spec/vectors/ranges").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_range_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if vector["outcome"] == "invalid-range":
        with pytest.raises(InvalidRange):
            VersionRange.parse(vector["text"])
        return
    parsed = VersionRange.parse(vector["text"])

    assert vector["outcome"] == "valid"
    assert str(parsed) == vector["canonical"]
    for text in vector["admits"]:
        assert parsed.admits(Version.parse(text)), text
        assert parsed.contains(Version.parse(text)), text
    for text in vector["refuses"]:
        assert not parsed.admits(Version.parse(text)), text
    for text in vector["contains"]:
        assert parsed.contains(Version.parse(text)), text


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 25


FORMS = "write it like `^1.2`, `>=1.0 <3` or `*`"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("latest", "`latest` is not a version range", FORMS),
        ("^1.0 || nope", "`nope` in `^1.0 || nope` is not a version range", FORMS),
        ("1.x.3", "`1.x.3` is not a version range", "numbers cannot follow an `x`"),
        ("1.2.x-b", "`1.2.x-b` is not a version range", "a pre-release needs all three numbers"),
        (
            "~=1",
            "`~=1` is not a version range",
            "`~=` needs two or three numbers, as in `~=1.4` or `~=1.4.2`",
        ),
        (">=1,,<2", "nothing stands beside a comma in `>=1,,<2`", None),
        (
            "1.0.0 -",
            "`-` in `1.0.0 -` is not a version range",
            "a hyphen range is two versions, as in `1.2.3 - 2.0.0`",
        ),
        (
            "1 - 2 - 3",
            "`1 - 2 - 3` is not a version range",
            "a hyphen range is two versions, as in `1.2.3 - 2.0.0`",
        ),
        (
            "1" * 1100,
            "version range `111111111111111111111111…` has 1100 characters, the limit is 1024",
            None,
        ),
        (
            "1 " * 130,
            "version range `1 1 1 1 1 1 1 1 1 1 1 1 …` has more than 128 comparators",
            None,
        ),
        ("^9007199254740991", "`9007199254740991` has no next version within the limits", None),
        (
            "1.99999999999999999.0",
            "version range `1.99999999999999999.0` has a number above 9007199254740991",
            None,
        ),
    ],
)
def test_a_refused_range_is_shown_with_what_to_do(
    text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidRange) as caught:
        VersionRange.parse(text)

    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.text == text


def test_a_range_is_immutable_and_copies_and_pickles() -> None:
    parsed = VersionRange.parse("^1.2 || 3")

    with pytest.raises(AttributeError, match="a VersionRange is immutable"):
        parsed.cuts = ()
    assert copy.deepcopy(parsed) == parsed
    assert pickle.loads(pickle.dumps(parsed)).text == "^1.2 || 3"  # noqa: S301  # our own bytes
    assert repr(parsed) == "VersionRange('^1.2 || 3')"


def test_ranges_are_equal_if_they_hold_the_same_versions() -> None:
    assert VersionRange.parse("^1.2.0") == VersionRange.parse(">=1.2.0,<2.0.0-0")
    assert len({VersionRange.parse("1.x"), VersionRange.parse("1"), VersionRange.parse("^1")}) == 1
    assert VersionRange.any() == VersionRange.parse("*")
    assert VersionRange.none() == VersionRange.parse("<0.0.0-0")
    assert VersionRange.any() != "*"


def test_openings_survive_intersection_and_union() -> None:
    asking = VersionRange.parse(">=1.0.0-beta")
    below = VersionRange.parse("<2.0.0")
    beta, other = Version.parse("1.0.0-rc.1"), Version.parse("1.5.0-rc.1")

    assert asking.intersect(below).admits(beta)
    assert not asking.intersect(below).admits(other)
    assert asking.unite(below).admits(beta)
    assert not asking.complement().complement().admits(beta)
