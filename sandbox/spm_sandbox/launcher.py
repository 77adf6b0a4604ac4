"""The inside of one launch: three processes, each with less than the one before.

``enter`` runs in a child of the supervisor. It moves into new namespaces and starts
pid 1, which builds the file system, gives up every privilege and starts the worker;
the worker limits itself and becomes the interpreter. The order of the steps is the
order of spec/sandbox.md section 4. A step that fails ends the launch: the stage and
the errno are reported, and nothing of the skill has run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from spm_sandbox.native import capabilities, landlock, libc, limits, namespaces, seccomp
from spm_sandbox.native.descriptors import arrange, close_all_but
from spm_sandbox.native.mounts import build_root
from spm_sandbox.native.report import fail, tell

if TYPE_CHECKING:
    from spm_sandbox.confinement import Confinement

REPORT = 5
GO = 6
_WRITABLE = ("/tmp", "/dev/shm")  # noqa: S108 - paths inside the sandbox
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/libx32", "/bin", "/sbin")


class Launch(NamedTuple):
    """What is known before anything is forked, so that no step has to compute it."""

    confinement: Confinement
    files: Mapping[str, bytes]
    system_calls: bytes


Step = tuple[str, Callable[[], object]]


def enter(
    launch: Launch, channels: tuple[int, int, int, int, int], report: int, go: int
) -> NoReturn:
    """Confine this process's descendants and run the command; never returns.

    ``channels`` become descriptors 0 to 4 of the worker: input, output, errors,
    requests, responses. ``report`` gets the lines of spec/sandbox.md section 4;
    a byte on ``go`` says that the identity maps are written.
    """
    parent = os.getppid()
    _take(
        report,
        ("parent", libc.die_with_parent),
        ("parent", lambda: None if os.getppid() == parent else os._exit(1)),
        ("session", os.setsid),
        ("descriptors", lambda: arrange((*channels, report, go))),
    )
    os.set_inheritable(REPORT, False)  # noqa: FBT003 - the name of the function says what
    os.umask(0o022)
    _take(
        REPORT,
        ("keyring", libc.join_new_session_keyring),
        ("namespaces", namespaces.unshare_all),
        ("namespaces", lambda: tell(REPORT, unshared=True)),
    )
    if os.read(GO, 1) != b"g":
        os._exit(1)
    os.close(GO)
    first = os.fork()
    if first == 0:
        _be_first(launch)
    close_all_but(REPORT)
    _pid, status = os.waitpid(first, 0)
    os._exit(0 if os.WIFEXITED(status) else 1)


def _be_first(launch: Launch) -> NoReturn:
    """Be pid 1: build the sandbox, start the worker, reap until the worker ends."""
    confinement = launch.confinement
    _take(
        REPORT,
        ("parent", libc.die_with_parent),
        ("host name", namespaces.name_host),
        ("quotas", namespaces.forbid_nesting),
        ("file system", lambda: build_root(confinement, launch.files)),
        ("working folder", lambda: os.chdir(confinement.working_folder)),
        ("capabilities", capabilities.drop_bounding_set),
        ("identity", namespaces.become_inside_user),
        ("parent", libc.die_with_parent),  # a change of identity clears it
        ("tracing", libc.forbid_tracing),  # undone for the worker when it becomes the command
        ("capabilities", capabilities.drop_all),
        ("no new privileges", capabilities.gain_nothing),
    )
    os.umask(0o077)
    worker = os.fork()
    if worker == 0:
        _be_worker(launch)
    _take(
        REPORT,
        ("descriptors", lambda: close_all_but(REPORT)),
        ("landlock", landlock.gain_nothing_and_reach_nothing),
    )
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == worker:
            tell(REPORT, worker=status, cpu=usage.ru_utime + usage.ru_stime)
            os._exit(0)


def _be_worker(launch: Launch) -> NoReturn:
    """Limit this process and become the command."""
    confinement = launch.confinement
    _take(
        REPORT,
        ("parent", libc.die_with_parent),
        ("limits", lambda: limits.apply_limits(confinement.rlimits)),
        ("landlock", lambda: landlock.restrict(_rules(confinement))),
        ("memory", limits.deny_writable_code),
        ("system calls", lambda: seccomp.install(launch.system_calls)),
        (
            "command",
            lambda: os.execve(  # noqa: S606 - no shell is wanted
                confinement.command[0], confinement.command, dict(confinement.environment)
            ),
        ),
    )
    os._exit(1)


def _rules(confinement: Confinement) -> list[tuple[str, int]]:
    """Return what Landlock allows: read all that is mounted, run the system, write scratch."""
    everything = landlock.READ | landlock.EXECUTE
    writing = landlock.write_rights(landlock.landlock_version())
    rules = [("/", landlock.READ)]
    rules += [(path, everything) for path in _SYSTEM]
    rules += [(bind.destination, everything) for bind in confinement.binds if bind.execute]
    rules += [(path, writing) for path in _WRITABLE]
    rules += [(bind.destination, writing) for bind in confinement.binds if bind.access == "write"]
    rules += [(path, landlock.READ_FILE | landlock.WRITE_FILE) for path in _DEVICES]
    return rules


def _take(report: int, *steps: Step) -> None:
    for stage, step in steps:
        try:
            step()
        except OSError as error:
            fail(report, stage, error)
