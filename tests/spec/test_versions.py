"""Versions: the vectors, and what a person reads when a version is refused."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from spm_spec.versions import InvalidVersion, Version

VECTORS = sorted((Path(__file__).parents[2] / "spec/vectors/versions").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_version_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if "ascending" in vector:
        for lower, higher in pairwise(vector["ascending"]):
            assert Version.parse(lower) < Version.parse(higher)
    elif "equal" in vector:
        assert len({Version.parse(text) for text in vector["equal"]}) == 1
    elif vector["outcome"] == "valid":
        version = Version.parse(vector["text"])
        parts = vector["parts"]
        assert (version.major, version.minor, version.patch) == (
            parts["major"],
            parts["minor"],
            parts["patch"],
        )
        assert list(version.prerelease) == parts["prerelease"]
        assert list(version.build) == parts["build"]
        assert str(version) == vector["text"]
    else:
        assert vector["outcome"] == "invalid-version"
        with pytest.raises(InvalidVersion):
            Version.parse(vector["text"])


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 25


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("v1.2.3", "version `v1.2.3` is not MAJOR.MINOR.PATCH of SemVer 2.0.0", "write `1.2.3`"),
        ("1.2", "version `1.2` is not MAJOR.MINOR.PATCH of SemVer 2.0.0", "write `1.2.0`"),
        ("1", "version `1` is not MAJOR.MINOR.PATCH of SemVer 2.0.0", "write `1.0.0`"),
        ("latest", "version `latest` is not MAJOR.MINOR.PATCH of SemVer 2.0.0", None),
        (
            "1.0.0-" + "a" * 300,
            "version `1.0.0-aaaaaaaaaaaaaaaaaa…` has 306 characters, the limit is 256",
            None,
        ),
        (
            "99007199254740992.0.0",
            "version `99007199254740992.0.0` has a number above 9007199254740991",
            None,
        ),
    ],
)
def test_a_refused_version_is_shown_with_what_to_do(
    text: str, message: str, hint: str | None
) -> None:
    with pytest.raises(InvalidVersion) as caught:
        Version.parse(text)

    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_version_is_immutable_and_copies_and_pickles() -> None:
    version = Version.parse("1.2.3-rc.1+b")

    with pytest.raises(AttributeError):
        version.major = 2  # type: ignore[misc]  # the point of the test
    assert copy.deepcopy(version) == version
    assert str(pickle.loads(pickle.dumps(version))) == "1.2.3-rc.1+b"  # noqa: S301  # our own bytes


def test_a_version_equals_nothing_but_versions() -> None:
    assert Version.parse("1.2.3") != "1.2.3"
