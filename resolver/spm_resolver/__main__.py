"""``python -m spm_resolver FILE.json|-``: solve a stand-alone problem.

Prints one JSON object. Exit code 0: solved; 1: no solution, explained; 2: bad
input, explained on standard error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spm_resolver.driver import resolve
from spm_resolver.errors import BudgetExhausted, NoSolution
from spm_resolver.problem import PROBLEM_BYTES, InvalidProblem, read_problem
from spm_spec.errors import SpmError

if TYPE_CHECKING:
    from collections.abc import Sequence

SOLVED, UNSATISFIABLE, BAD_INPUT = range(3)
USAGE = "usage: python -m spm_resolver FILE.json|-"


def answer(text: str) -> tuple[dict[str, object], int]:
    """Return the answer to the problem ``text`` as a document, and the exit code."""
    problem = read_problem(text)
    try:
        solution = resolve(
            lambda names: {
                name: problem.packages[name] for name in names if name in problem.packages
            },
            problem.requirements,
            problem.preferences,
            names=problem.packages,
        )
    except NoSolution as error:
        document: dict[str, object] = {"unsatisfiable": True, "explanation": error.message}
        return (document | {"hint": error.hint} if error.hint else document), UNSATISFIABLE
    return {"solution": {n: str(v) for n, v in solution.versions.items()}}, SOLVED


def main(arguments: Sequence[str]) -> int:
    """Solve the problem in the one file named, or on standard input for ``-``."""
    if len(arguments) != 1 or (arguments[0].startswith("-") and arguments[0] != "-"):
        print(USAGE, file=sys.stderr)  # noqa: T201 - a program prints
        return BAD_INPUT
    try:
        document, code = answer(_read(arguments[0]))
    except (SpmError, OSError, UnicodeDecodeError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a program prints
        return UNSATISFIABLE if isinstance(error, BudgetExhausted) else BAD_INPUT
    print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201 - a program prints
    return code


def _read(path: str) -> str:
    if path == "-":
        data = sys.stdin.buffer.read(PROBLEM_BYTES + 1)
    else:
        with Path(path).open("rb") as file:
            data = file.read(PROBLEM_BYTES + 1)
    if len(data) > PROBLEM_BYTES:
        raise InvalidProblem(f"the problem is larger than {PROBLEM_BYTES} bytes")
    return data.decode("utf-8-sig")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
