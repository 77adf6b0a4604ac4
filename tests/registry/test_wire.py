"""Documents mean the same on both sides."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_registry.backends.database import StoredSkill
from spm_registry.backends.documents import complete, newest
from spm_registry.wire import (
    InvalidDocument,
    Rating,
    SkillDocument,
    TagCount,
    TagPage,
    parse_document,
    printable,
)

SHARED: dict[str, Any] = {
    "version": "1.0.0",
    "dependencies": {},
    "checksum": "sha256:" + "0" * 64,
    "downloadUrl": "/packages/x",
    "createdAt": "2026-11-23T00:00:00Z",
}
ENTRY: dict[str, Any] = SHARED | {
    "tree": "blake3:" + "1" * 64,
    "size": 1,
    "yanked": False,
    "permissions": {},
}
ABOUT = {"name": "alpha", "description": "x", "author": None, "homepage": None, "tags": ["a"]}
BODY = json.dumps(ABOUT | SHARED | {"updatedAt": SHARED["createdAt"], "versions": [ENTRY]})


@given(st.integers(0, 2**40), st.integers(0, 2**20), st.integers(0, 2**20))
def test_a_stored_body_with_its_numbers_is_a_document(
    downloads: int, count: int, extra: int
) -> None:
    """Law: parse(complete(stored)) has the numbers of the row."""
    total = count + extra % (4 * count + 1)

    text = complete(StoredSkill(BODY, downloads, total, count))

    document = parse_document(SkillDocument, text.encode(), origin="test")
    assert document.downloads == downloads
    assert document.rating == (None if count == 0 else round(total / count, 2))


def test_a_document_survives_being_written_and_read() -> None:
    text = complete(StoredSkill(BODY, 3, 9, 2))
    document = parse_document(SkillDocument, text.encode(), origin="test")

    assert parse_document(SkillDocument, document.to_json(), origin="test") == document
    assert document.as_document()["createdAt"] == "2026-11-23T00:00:00Z"


def test_fields_nobody_knows_are_ignored() -> None:
    body = b'{"tags": [{"name": "data", "count": 1, "color": "red"}], "next": null}'

    page = parse_document(TagPage, body, origin="test")

    assert page.tags == (TagCount(name="data", count=1),)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_an_invalid_one(body: bytes) -> None:
    """Law: parsing never fails in any other way."""
    with suppress(InvalidDocument):
        assert 1 <= parse_document(Rating, body, origin="test").rating <= 5


@given(st.text())
def test_printable_text_has_no_controls(text: str) -> None:
    shown = printable(text, 50)

    assert len(shown) <= 50
    assert not any(ord(character) < 32 and character not in "\t\n" for character in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("versions", "first"),
    [
        (["1.0.0"], "1.0.0"),
        (["1.9.0", "1.10.0", "1.2.0"], "1.10.0"),
        (["1.0.0", "2.0.0-rc.1"], "1.0.0"),
        (["1.0.0-a", "1.0.0-b"], "1.0.0-b"),
    ],
)
def test_the_newest_is_no_prerelease_if_it_can_be(versions: list[str], first: str) -> None:
    assert newest(versions) == first
