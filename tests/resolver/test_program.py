"""``python -m spm_resolver``: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SOLVABLE = '{"universe": {"a": {"1.0.0": {"b": ">=1.0.0,<2.0.0"}}, "b": {"1.5.0": {}}}, "requirements": {"a": "*"}}'  # noqa: E501 - one problem on one line


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spm_resolver", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )


def test_program_prints_the_solution_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "problem.json"
    file.write_text(SOLVABLE, encoding="utf-8")

    done = run(str(file))

    assert json.loads(done.stdout) == {"solution": {"a": "1.0.0", "b": "1.5.0"}}
    assert (done.returncode, done.stderr) == (0, "")


def test_program_explains_a_problem_on_standard_input() -> None:
    done = run("-", given='{"universe": {}, "requirements": {"a": "^1.0.0"}}')

    assert json.loads(done.stdout) == {
        "unsatisfiable": True,
        "explanation": "because skills.toml requires a ^1.0.0, which does not exist, "
        "skills.toml cannot be satisfied",
        "hint": "check the spelling of a, or name the source it comes from",
    }
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "the problem is not JSON: Expecting value: line 1 column 2 (char 1)"),
        ("[]", "the problem is not an object"),
        ("{}", "universe is missing"),
        ('{"universe": {}}', "requirements is missing"),
        ('{"univers": {}}', "the problem has an unknown key `univers`"),
        ('{"universe": {}, "universe": {}}', "the key `universe` is written twice in one object"),
        ('{"universe": {"a": []}, "requirements": {}}', "universe.a is not an object"),
        ('{"universe": {"a": {"1.0.0": {"b": 1}}}, "requirements": {}}',
         "universe.a.1.0.0.b is not a range in a string"),
        ('{"universe": {"a": {"1.0.0": {}, "1.0.0+x": {}}}, "requirements": {}}',
         "universe.a has 1.0.0+x twice"),
        ('{"universe": {"a": {"1.0": {}}}, "requirements": {}}',
         "universe.a: version `1.0` is not MAJOR.MINOR.PATCH of SemVer 2.0.0"),
        ('{"universe": {}, "requirements": {"": "*"}}',
         "requirements has the name ``, which is not 1 to 256 printable characters without blanks"),
        ('{"universe": {}, "requirements": {}, "lowest": 1}', "lowest is neither true nor false"),
        ('{"universe": {}, "requirements": {}, "prereleases": "a"}', "prereleases is not a list"),
        ("[" * 200_000, "the problem is not JSON: nested too deeply"),
    ],
)  # fmt: skip
def test_program_refuses_what_is_not_a_problem(text: str, message: str) -> None:
    done = run("-", given=text)

    assert done.stderr == f"error: {message}\n"
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("--help",)])
def test_program_says_how_to_use_it(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)

    assert done.stderr == "usage: python -m spm_resolver FILE.json|-\n"
    assert done.returncode == 2


def test_program_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = run(str(tmp_path / "absent.json"))

    assert done.stderr.startswith("error: [Errno 2] No such file or directory")
    assert done.returncode == 2
