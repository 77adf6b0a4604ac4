"""index.json: one text, and a damaged one costs nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.installed import (
    DamagedIndex,
    Installed,
    InstalledSkill,
    parse_installed,
    render_installed,
)

A = InstalledSkill(
    "alpha", "1.0.0", "2026-11-23T10:00:00Z", "https://skills.example.org", "blake3:" + "a" * 64
)
B = InstalledSkill("beta", "2.0.0", "2026-11-23T10:00:00Z", "path:../beta", "blake3:" + "b" * 64)


def test_an_index_is_read_back() -> None:
    installed = Installed((A, B), "2026-11-23T10:00:00Z")

    assert parse_installed(render_installed(installed)) == installed


def test_an_index_has_the_fields_that_other_programs_read() -> None:
    document = json.loads(render_installed(Installed((B, A), "2026-11-23T10:00:00Z")))

    assert document == {
        "installedSkills": [
            {
                "name": "alpha",
                "version": "1.0.0",
                "installedAt": "2026-11-23T10:00:00Z",
                "source": "https://skills.example.org",
                "checksum": "blake3:" + "a" * 64,
            },
            {
                "name": "beta",
                "version": "2.0.0",
                "installedAt": "2026-11-23T10:00:00Z",
                "source": "path:../beta",
                "checksum": "blake3:" + "b" * 64,
            },
        ],
        "lastSyncTime": "2026-11-23T10:00:00Z",
    }


def test_the_order_of_installing_does_not_show() -> None:
    assert render_installed(Installed((A, B))) == render_installed(Installed((B, A)))


def test_the_fields_of_other_programs_are_ignored() -> None:
    text = '{"installedSkills": [], "lastSyncTime": null, "theme": "dark"}'

    assert parse_installed(text) == Installed()
    assert parse_installed("{}") == Installed()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "index.json: not JSON"),
        ('{"installedSkills": [', "index.json: not JSON"),
        ("[" * 100_000, "index.json: not JSON"),
        ("[]", "index.json: not an object"),
        ('{"installedSkills": {}}', "index.json: `installedSkills` is not a list of at most 10000"),
        ('{"installedSkills": [1]}', "index.json: skill 0 is not an object"),
        ('{"lastSyncTime": 7}', "index.json: `lastSyncTime` is not text"),
        (
            '{"installedSkills": [{"name": "a", "version": 1}]}',
            "index.json: `version` of skill `a` is not a short text",
        ),
    ],
)
def test_a_damaged_index_is_refused_and_easily_put_right(text: str, message: str) -> None:
    with pytest.raises(DamagedIndex) as refusal:
        parse_installed(text)

    assert refusal.value.message == message
    assert refusal.value.hint == "run `spm install` to write it again"


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused_with_our_error(text: str) -> None:
    try:
        parse_installed(text)
    except DamagedIndex as refusal:
        assert refusal.origin == "index.json"  # noqa: PT017 - either is right
