"""What this version does not do yet is refused in so many words, and nothing of it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.program import write_skill

if TYPE_CHECKING:
    from tests.support.program import Program, Run

TOOL = """\
tools:
  - name: work
    description: Works.
    entry: {entry}
    input: {{type: object, properties: {{}}}}
"""


def _called(program: Program, entry: str, *, yaml: str = "", grants: str = "") -> Run:
    files = {entry.partition(":")[0].partition("#")[0]: "def work(): return 'it ran'\n"}
    write_skill(program.root, "worker", files=files, yaml=TOOL.format(entry=entry) + yaml)
    manifest = f'[skills]\nworker = {{ path = "../worker" }}\n{grants}'
    project = program.project(manifest=manifest)
    installed = program("install", folder=project)
    assert installed.code == 0, installed.err
    return program("call", "worker", "work", folder=project)


@pytest.mark.needs("sandbox")
def test_a_tool_that_needs_nothing_of_this_runs(program: Program) -> None:
    run = _called(program, "src/skill.py:work")

    assert (run.code, run.document) == (0, "it ran")


def test_a_tool_that_needs_pypi_packages_is_refused(program: Program) -> None:
    run = _called(
        program, "src/skill.py:work", yaml='dependencies:\n  python:\n    pandas: ">=2"\n'
    )

    assert run.code == 3
    assert run.err == (
        "error: `work` of `worker` needs the PyPI packages pandas,"
        " which this version of spm does not provide to tools\n"
        "hint: ask the author for a tool that needs the standard library alone\n"
    )


def test_a_typescript_tool_is_refused(program: Program) -> None:
    run = _called(program, "src/skill.ts#work")

    assert run.code == 7
    assert "typescript" in run.err
    assert "hint: " in run.err


def test_network_that_was_granted_is_refused_rather_than_opened(program: Program) -> None:
    run = _called(
        program,
        "src/skill.py:work",
        yaml='permissions:\n  network: ["example.org:443"]\n',
        grants='\n[grants.worker]\nnetwork = ["example.org:443"]\n',
    )

    assert run.code == 7
    assert "example.org:443" in run.err
    assert "hint: " in run.err
