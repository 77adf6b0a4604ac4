"""The documents of the formats point at each other, and the limits they state are real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spm_spec.policy import parse_size
from spm_spec.policy_limits import BOUNDS, DEFAULT_LIMITS

SPEC = Path(__file__).parents[2] / "spec"
LINK = re.compile(r"\]\(([a-z.]+\.md)\)")


def test_the_map_names_every_document_and_no_other() -> None:
    named = set(LINK.findall((SPEC / "README.md").read_text("utf-8")))

    assert named == {path.name for path in SPEC.glob("*.md")} - {"README.md"}


@pytest.mark.parametrize("key", list(BOUNDS))
def test_the_limits_of_a_policy_are_the_documented_ones(key: str) -> None:
    document = (SPEC / "policy.md").read_text("utf-8")
    row = next(line for line in document.split("\n") if line.startswith(f"| `{key}` | "))
    _, _, _, default, allowed, _ = (cell.strip() for cell in row.split("|"))
    lowest, _, highest = allowed.partition("–")  # noqa: RUF001 - the dash of a range

    bound = BOUNDS[key]
    stated = [number(default), number(lowest), number(highest)]
    assert stated == [getattr(DEFAULT_LIMITS, bound.field), bound.lowest, bound.highest]


def number(text: str) -> int | None:
    return int(text) if text.isdigit() else parse_size(text)
