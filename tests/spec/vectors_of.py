"""The vectors of one area, as pytest parameters named for their files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

VECTORS = Path(__file__).parents[2] / "spec/vectors"


def vectors_of(area: str) -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text("utf-8")), id=path.stem)
        for path in sorted((VECTORS / area).glob("*.json"))
    ]


def text_of(vector: dict[str, Any]) -> str:
    """A vector gives its file as lines, or as one text where line ends matter."""
    if "text" in vector:
        return str(vector["text"])
    return "".join(f"{line}\n" for line in vector["lines"])
