"""Skill names: the vectors, and what a person reads when a name is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spm_spec.names import HOST_PACKAGES, InvalidName, is_skill_name, parse_skill_name

VECTORS = sorted((Path(__file__).parents[2] / "spec/vectors/names").glob("*.json"))


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_name_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    outcome = "valid"
    try:
        assert parse_skill_name(vector["text"]) == vector["text"]
    except InvalidName:
        outcome = "invalid-name"

    assert outcome == vector["outcome"]
    assert is_skill_name(vector["text"]) == (outcome == "valid")


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 25


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "a skill name is empty", None),
        (
            "PDF Tools_2",
            (
                "skill name `PDF Tools_2` must be lower-case letters, digits "
                "and single hyphens between them"
            ),
            "name it `pdf-tools-2`",
        ),
        (
            "x" * 70,
            "skill name `xxxxxxxxxxxxxxxxxxxxxxxx…` has 70 characters, the limit is 64",
            None,
        ),
        (
            "\x1b[31m`",
            (
                "skill name `\\x1b[31m\\x60` must be lower-case letters, digits "
                "and single hyphens between them"
            ),
            "name it `31m`",
        ),
        (
            "é",
            "skill name `é` must be lower-case letters, digits and single hyphens between them",
            None,
        ),
    ],
)
def test_a_refused_name_is_shown_with_what_to_do(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidName) as caught:
        parse_skill_name(text)

    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.text == text


def test_host_packages_are_valid_names() -> None:
    assert {"roundtable", "claude", "python", "node"} <= HOST_PACKAGES
    assert all(is_skill_name(name) for name in HOST_PACKAGES)
