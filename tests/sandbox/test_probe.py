"""A host that lacks a layer is refused, with the layer, the kernel's answer and a remedy.

The missing layer is imitated by a filter of system calls on a child of the test, which
everything it starts inherits; nothing on the host changes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from spm_sandbox.native import libc, seccomp
from spm_sandbox.native.syscalls import numbers_of, this_architecture
from spm_sandbox.probe import HostReport, probe_host
from tests.support.sandbox_host import require_sandbox

pytestmark = pytest.mark.needs("sandbox")

CHILD = """
import sys
from tests.sandbox.test_probe import deny_and_report
deny_and_report(int(sys.argv[1]), sys.argv[2:])
"""
NAMESPACE_CALLS = ["unshare", "setns", "mount", "umount2", "pivot_root", "mount_setattr"]
MOUNT_CALLS = ["mount", "umount2", "pivot_root", "mount_setattr"]


@pytest.fixture(scope="module", autouse=True)
def sandbox_on_this_host() -> None:
    require_sandbox()


def deny_and_report(code: int, names: list[str]) -> None:
    """Refuse system calls to this process for ever, and print what the probe finds."""
    numbers = numbers_of(this_architecture())
    denied = [numbers[name] for name in names]
    allow = seccomp.verdict(seccomp.ALLOW)
    libc.process_control(libc.PR_SET_NO_NEW_PRIVS, 1)
    program = seccomp.load(0, seccomp.one_of(denied, seccomp.refuse(code), allow))
    seccomp.install(seccomp.assemble(program))
    report = probe_host()
    missing = [[one.layer, one.stage, one.errno, one.remedy] for one in report.missing]
    sys.stdout.write(json.dumps({"tier": report.tier, "missing": missing}))


def degraded(code: int, names: list[str]) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(code), *names],
        capture_output=True,
        check=True,
        timeout=30,
    )
    return json.loads(done.stdout)


def test_this_host_gives_the_strong_tier() -> None:
    assert probe_host() == HostReport("strong", ())


@pytest.mark.parametrize(
    ("code", "names", "layer", "stage", "remedy"),
    [
        pytest.param(1, NAMESPACE_CALLS, "namespaces", "namespaces", "Docker", id="Docker"),
        pytest.param(
            28, ["unshare"], "namespaces", "namespaces", "max_user_namespaces", id="no quota"
        ),
        pytest.param(13, MOUNT_CALLS, "mounts", "file system", "AppArmor", id="AppArmor"),
        pytest.param(38, ["mount_setattr"], "mounts", "file system", "5.12", id="old kernel"),
        pytest.param(
            38, ["landlock_create_ruleset"], "Landlock", "landlock", "5.13", id="no Landlock"
        ),
        pytest.param(22, ["seccomp"], "seccomp", "system calls", "CONFIG_SECCOMP", id="no seccomp"),
        pytest.param(38, ["close_range"], "descriptors", "descriptors", "5.9", id="older kernel"),
    ],
)
def test_a_missing_layer_is_refused_and_named(
    code: int, names: list[str], layer: str, stage: str, remedy: str
) -> None:
    report = degraded(code, names)

    assert report["tier"] == "none"
    ((found_layer, found_stage, errno, found_remedy),) = report["missing"]
    assert (found_layer, found_stage, errno) == (layer, stage, code)
    assert remedy in found_remedy
