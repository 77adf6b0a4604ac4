"""A plan says everything that will be enforced, and refuses what this version cannot."""

from __future__ import annotations

import json

import pytest

from spm_sandbox.confinement import Bind, confinement_from
from spm_sandbox.errors import RuntimeMissing, SandboxUnavailable, UngrantablePath
from spm_sandbox.plan import Interpreter, plan_for
from spm_sandbox.scripts import command_for
from spm_spec.policy import Limits, Policy

PYTHON = Interpreter("/usr/bin/python3", hidden=("/usr/lib/python3/dist-packages",))


def test_the_default_policy_shows_the_skill_and_nothing_of_the_host() -> None:
    plan = plan_for(Policy(), "python", tree="/store/a", interpreter=PYTHON)

    assert plan.confinement.binds == (Bind("/store/a", "/skill", "read", execute=True),)
    assert dict(plan.confinement.environment) == {
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "TMPDIR": "/tmp",
    }
    assert plan.forbids_processes
    assert plan.filters == 2
    assert plan.tier == "strong"


def test_granted_processes_take_the_second_filter_away() -> None:
    plan = plan_for(Policy(subprocess=True), "python", tree="/a", interpreter=PYTHON)

    assert not plan.forbids_processes
    assert plan.filters == 1


def test_a_deeper_grant_comes_after_the_folder_it_is_in() -> None:
    policy = Policy(read=("/data/private", "/data-2"), write=("/data",))

    plan = plan_for(policy, "python", tree="/a", interpreter=PYTHON)

    assert [(bind.destination, bind.access) for bind in plan.confinement.binds[1:]] == [
        ("/data", "write"),
        ("/data/private", "read"),
        ("/data-2", "read"),
    ]


def test_a_grant_is_shown_under_its_own_name_wherever_it_leads() -> None:
    plan = plan_for(
        Policy(read=("/link",)),
        "python",
        tree="/a",
        interpreter=PYTHON,
        real_paths={"/link": "/srv/real"},
    )

    assert plan.confinement.binds[1] == Bind("/srv/real", "/link")


def test_paths_of_project_and_home_have_their_places() -> None:
    plan = plan_for(
        Policy(read=(".", "~/notes")),
        "python",
        tree="/a",
        interpreter=PYTHON,
        real_paths={".": "/home/me/work", "~/notes": "/home/me/notes"},
    )

    assert set(plan.confinement.binds[1:]) == {
        Bind("/home/me/work", "/project"),
        Bind("/home/me/notes", "/tmp/notes"),
    }
    assert plan.confinement.working_folder == "/project"


@pytest.mark.parametrize("path", ["relative", "~", "~/x", "/a/../b", "../x"])
def test_a_grant_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(UngrantablePath, match="must lead somewhere"):
        plan_for(Policy(read=(path,)), "python", tree="/a", interpreter=PYTHON)


def test_a_grant_that_leads_to_the_whole_host_is_refused() -> None:
    with pytest.raises(UngrantablePath, match="granted path /link: would cover"):
        plan_for(
            Policy(read=("/link",)),
            "python",
            tree="/a",
            interpreter=PYTHON,
            real_paths={"/link": "/"},
        )


def test_limits_become_limits_of_each_process_and_of_all() -> None:
    limits = Limits(memory_bytes=1 << 20, cpu_seconds=2, processes=3)

    confinement = plan_for(
        Policy(limits=limits), "python", tree="/a", interpreter=PYTHON
    ).confinement

    assert confinement.tree_memory == 1 << 20
    assert confinement.rlimits.cpu_seconds == 2
    assert confinement.rlimits.processes == 5  # pid 1 and the worker count too


def test_a_confinement_survives_the_way_to_the_launcher() -> None:
    policy = Policy(read=("/data",), environment=("A",))
    plan = plan_for(policy, "python", tree="/a", interpreter=PYTHON, environment={"A": "ä"})

    document = json.loads(json.dumps(plan.confinement.as_document()))

    assert confinement_from(document) == plan.confinement


def test_what_is_not_there_yet_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="network access to a:1, b:2 was granted"):
        plan_for(Policy(network=("a:1", "b:2")), "python", tree="/a", interpreter=PYTHON)
    with pytest.raises(RuntimeMissing, match="no runtime for typescript"):
        plan_for(Policy(), "typescript", tree="/a", interpreter=PYTHON)


@pytest.mark.parametrize(
    ("path", "beginning", "program"),
    [
        ("a", b"#!/bin/sh\n", "/bin/sh"),
        ("a", b"#! /usr/bin/env -S bash -e\n", "/bin/bash"),
        ("a", b"#!/usr/local/bin/python3 -u\n", "/usr/bin/python3"),
        ("a.sh", b"echo", "/bin/sh"),
        ("a.PY", b"", "/usr/bin/python3"),
    ],
)
def test_a_script_s_interpreter_is_one_of_few(path: str, beginning: bytes, program: str) -> None:
    assert command_for(path, beginning, python="/usr/bin/python3")[0] == program


@pytest.mark.parametrize(
    ("path", "beginning", "message"),
    [
        ("a", b"", "no runtime for script a: it names no interpreter"),
        ("a.sh", b"#!/skill/scripts/own\n", "no runtime for script a.sh: its interpreter is 'own'"),
        ("a", b"\x7fELF", "no runtime for script a: it names no interpreter"),
    ],
)
def test_a_script_of_another_interpreter_is_refused(
    path: str, beginning: bytes, message: str
) -> None:
    with pytest.raises(RuntimeMissing) as caught:
        command_for(path, beginning, python="/usr/bin/python3")

    assert caught.value.message == message
