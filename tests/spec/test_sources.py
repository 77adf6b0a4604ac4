"""Requirements and sources: the vectors, and the one form of every place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.errors import SpmError
from spm_spec.names import InvalidName
from spm_spec.ranges import InvalidRange, VersionRange
from spm_spec.sources import (
    ANY_REGISTRY,
    GitSource,
    InvalidSource,
    PathSource,
    RegistryName,
    RegistrySource,
    Requirement,
    normal_registry_url,
    parse_requirement,
)
from tests.spec.vectors_of import vectors_of

VECTORS = vectors_of("requirements")


def kind_of(error: SpmError) -> str:
    if isinstance(error, InvalidSource):
        return error.reason
    if isinstance(error, InvalidName):
        return "invalid-name"
    return "invalid-range" if isinstance(error, InvalidRange) else "another"


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 25


@pytest.mark.parametrize("vector", VECTORS)
def test_a_requirement_is_read_or_refused_as_its_vector_says(vector: dict[str, Any]) -> None:
    try:
        outcome, canonical = "valid", parse_requirement(vector["text"]).line
    except SpmError as error:
        outcome, canonical = kind_of(error), None

    assert (outcome, canonical) == (vector["outcome"], vector.get("canonical"))


@pytest.mark.parametrize("vector", VECTORS)
def test_the_canonical_line_is_a_fixed_point(vector: dict[str, Any]) -> None:
    if "canonical" not in vector:
        return
    requirement = parse_requirement(vector["text"])

    assert parse_requirement(requirement.line) == requirement
    assert parse_requirement(requirement.line).line == requirement.line


def test_the_parts_of_a_requirement_are_where_they_belong() -> None:
    assert parse_requirement("a>=1,<2") == Requirement(
        "a",  # type: ignore[arg-type]  # a name as it was typed
        VersionRange.parse(">=1 <2"),
        ANY_REGISTRY,
    )
    assert parse_requirement("team/a@1.x").source == RegistryName("team")
    assert parse_requirement("path:../x").source == PathSource("../x")
    assert parse_requirement("git+ssh://git@h.example/r@v1#subdirectory=s/x").source == GitSource(
        "ssh://git@h.example/r", "v1", "s/x"
    )


def test_every_source_has_one_text() -> None:
    assert RegistrySource("https://skills.example.org").text == "https://skills.example.org"
    assert PathSource("../x").text == "path:../x"
    wanted = GitSource("https://h.example/r", "main", "s")
    assert wanted.text == "git+https://h.example/r@main#subdirectory=s"
    pinned = GitSource("https://h.example/r", "main", "s", "a" * 40)
    assert pinned.text == f"git+https://h.example/r@{'a' * 40}#subdirectory=s"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://Skills.Example.ORG/", "https://skills.example.org"),
        ("HTTPS://skills.example.org:443/team//".rstrip("/"), "https://skills.example.org/team"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:80/", "http://[::1]"),
        ("https://skills.example.org:0443", "https://skills.example.org"),
    ],
)
def test_a_registry_has_one_address(text: str, normal: str) -> None:
    assert normal_registry_url(text) == normal
    assert normal_registry_url(normal) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://skills.example.org", "not-encrypted"),
        ("http://127.0.0.1.example.org", "not-encrypted"),
        ("http://localhost.example.org", "not-encrypted"),
        ("https://me:secret@skills.example.org", "credentials"),
        ("https://token@skills.example.org", "credentials"),
        ("https://skills.example.org?x=1", "query"),
        ("https://skills.example.org#x", "query"),
        ("https://", "host"),
        ("file:///srv/skills", "scheme"),
        ("https://skills.example.org/a/../b", "path"),
        ("skills.example.org", "url"),
        ("https://skills.example.org\n", "characters"),
        ("https://skills.example.org:0", "port"),
        ("https://" + "a" * 3000, "too-long"),
    ],
)
def test_an_address_that_is_no_registrys_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSource) as refusal:
        normal_registry_url(text)

    assert refusal.value.reason == reason


def test_a_refused_password_is_not_repeated() -> None:
    for text in ("git+https://me:hunter2@h.example/r", "git+https://me:hunt/er2@h.example/r"):
        with pytest.raises(InvalidSource) as refusal:
            parse_requirement(text)

        assert "hunt" not in refusal.value.message


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_one_of_our_errors(text: str) -> None:
    try:
        requirement = parse_requirement(text)
    except (InvalidSource, InvalidName, InvalidRange):
        return

    assert parse_requirement(requirement.line).line == requirement.line
