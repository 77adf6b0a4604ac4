"""Every vector: ``<case>.json`` is a problem, ``<case>.answer.json`` what must be printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spm_resolver.__main__ import SOLVED, UNSATISFIABLE, answer

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "resolver"
ANSWER = ".answer.json"
CASES = sorted(path.name for path in VECTORS.glob("*.json") if not path.name.endswith(ANSWER))


@pytest.mark.parametrize("case", CASES)
def test_resolver_gives_the_answer_of_the_vector(case: str) -> None:
    problem = VECTORS / case
    expected = json.loads(problem.with_suffix(ANSWER).read_text(encoding="utf-8"))

    document, code = answer(problem.read_text(encoding="utf-8"))

    assert document == expected
    assert code == (SOLVED if "solution" in expected else UNSATISFIABLE)


def test_there_are_enough_vectors_and_each_has_an_answer() -> None:
    answers = {path.name.removesuffix(ANSWER) for path in VECTORS.glob(f"*{ANSWER}")}

    assert len(CASES) >= 40
    assert answers == {case.removesuffix(".json") for case in CASES}


@pytest.mark.parametrize("case", ["conflict-across-five-skills", "branching-explanation"])
def test_document_shows_what_is_really_printed(case: str) -> None:
    document = (VECTORS.parents[1] / "resolver.md").read_text(encoding="utf-8")
    expected = json.loads((VECTORS / f"{case}{ANSWER}").read_text(encoding="utf-8"))

    assert f"{case}.json\n{expected['explanation']}\n" in document
