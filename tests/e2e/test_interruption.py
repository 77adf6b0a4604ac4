"""Ctrl-C and kill -9 at many moments; the same command again finishes the work.

The moments are what can be seen from outside: a file that appears, a request that
arrives, a lock that is waited for. The test looks without pause, so that it acts within
a fraction of a millisecond of what it waits for.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from spm_store.store import Store
from tests.support.program import Program, Run, snapshot, write_skill
from tests.support.projects import ended, manifest_of, started
from tests.support.raw_http import lying_server
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator, Iterator, Mapping

NAMES = [f"skill-{number}" for number in range(12)]
SECONDS = 30


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """One registry with a chain of skills; none of the tests publishes."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        for name, needed in zip(NAMES, [*NAMES[1:], None], strict=True):
            needs = {needed: "*"} if needed else {}
            extra = {f"references/{page}.md": f"{name} {page}\n".encode() * 99 for page in range(9)}
            running.publish(skill_archive(name, dependencies=needs, extra=extra))
        yield running


# Each is a path that appears while `spm add` runs, in the order in which they appear.
MOMENTS = [
    "project/.roundtable/skills/.lock",
    "cache/metadata/*",
    "project/.skills.toml.*.new",
    "data/store/v1/tmp/*",
    "data/store/v1/tmp/*/3",
    "data/store/v1/blobs/*/*",
    "data/store/v1/trees/*",
    "data/store/v1/index.sqlite",
    "data/store/v1/shelves/*",
    "project/.roundtable/skills/skill-0",
    "project/.roundtable/skills/skill-7",
    "project/.roundtable/skills/index.json",
    "project/skills.lock",
    "project/.roundtable/skills/.cache/*.json",
]


def signalled_when(
    process: subprocess.Popen[str], happened: Callable[[], bool], number: int
) -> Run:
    """Send the signal as soon as it ``happened``, or let the process end before."""
    deadline = time.monotonic() + SECONDS
    while process.poll() is None and not happened():
        assert time.monotonic() < deadline, "it neither happened nor ended"
    if process.poll() is None:
        process.send_signal(number)
    return ended(process)


def assert_whole(program: Program, project: Path, run: Run) -> None:
    """Everything is installed and verified, and nothing is left over."""
    assert run.code == 0, run.err
    assert sorted(path.name for path in project.glob(".roundtable/skills/[!.]*/")) == sorted(NAMES)
    for name in NAMES:
        assert (project / f".roundtable/skills/{name}/1.0.0/SKILL.md").is_file()
    store = Store.open(program.root / "data/store/v1")
    assert store.verify() == ()
    assert store.leftovers() == ()
    left = [
        path
        for pattern in ("**/*.new", "**/*.spm-*", "data/store/v1/tmp/*", "data/store/v1/trash/*")
        for path in program.root.glob(pattern)
    ]
    assert left == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_add_that_is_killed_is_finished_by_the_same_command(
    program: Program, registry: RunningRegistry, moment: str
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    process = started(program, "add", "skill-0", folder=project)
    signalled_when(process, lambda: any(program.root.glob(moment)), signal.SIGKILL)

    run = program("add", "skill-0", folder=project)

    assert_whole(program, project, run)


@pytest.mark.parametrize("moment", MOMENTS[1::3])
def test_an_add_that_is_interrupted_says_so_and_is_finished_by_the_same_command(
    program: Program, registry: RunningRegistry, moment: str
) -> None:
    project = program.project(manifest=manifest_of(registry.url))
    process = started(program, "add", "skill-0", folder=project)
    stopped = signalled_when(process, lambda: any(program.root.glob(moment)), signal.SIGINT)

    run = program("add", "skill-0", folder=project)

    # When all is done and Python itself is ending, the signal ends it without a word.
    assert stopped.code in {130, 0, -signal.SIGINT}, stopped.err
    assert "Traceback" not in stopped.err
    if stopped.code == 130:
        assert stopped.err == "error: interrupted\nhint: run the same command again to finish\n"
    assert_whole(program, project, run)


@pytest.mark.parametrize("moment", ["project/.roundtable/skills/skill-3", "cache/locks/*"])
def test_a_frozen_install_that_is_killed_is_finished_by_a_warm_one(
    program: Program, registry: RunningRegistry, moment: str
) -> None:
    """The second project takes the way of the hot commands, which link by themselves."""
    first = program.project("first", manifest_of(registry.url, "skill-0"))
    assert program("install", folder=first).code == 0
    project = program.project(manifest=(first / "skills.toml").read_text())
    (project / "skills.lock").write_bytes((first / "skills.lock").read_bytes())
    process = started(program, "install", "--frozen", folder=project)
    signalled_when(process, lambda: any(program.root.glob(moment)), signal.SIGKILL)

    run = program("install", "--frozen", folder=project)

    assert_whole(program, project, run)


def test_a_remove_that_is_killed_is_finished_by_the_same_command(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "skill-0", "skill-11"))
    assert program("install", folder=project).code == 0
    gone = project / ".roundtable/skills/skill-4"
    process = started(program, "remove", "skill-0", folder=project)
    signalled_when(process, lambda: not gone.is_symlink(), signal.SIGKILL)

    again = program("remove", "skill-0", folder=project)
    run = program("install", folder=project)

    assert again.code in {0, 3}, again.err
    assert run.code == 0, run.err
    assert [path.name for path in project.glob(".roundtable/skills/[!.]*/")] == ["skill-11"]


def test_a_registry_that_stalls_is_left_at_once_by_ctrl_c(program: Program) -> None:
    stalled, over = threading.Event(), threading.Event()

    def stall(_path: str, _headers: Mapping[str, str]) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
        stalled.set()
        over.wait(SECONDS)

    with lying_server(stall) as server:
        text = manifest_of(server.url, "alpha")
        project = program.project(manifest=text)
        process = started(program, "install", "--json", folder=project)
        run = signalled_when(process, stalled.is_set, signal.SIGINT)
        waited = not over.is_set()
        over.set()

    assert waited
    assert (run.code, run.out) == (130, "")
    assert run.err == (
        '{"error": {"kind": "interrupted", "message": "interrupted",'
        ' "hint": "run the same command again to finish"}}\n'
    )
    assert snapshot(project) == {"skills.toml": text.encode()}


@pytest.mark.needs("git")
def test_a_repository_that_stalls_is_left_at_once_by_ctrl_c(program: Program) -> None:
    project = program.project(manifest="[skills]\n")
    before = snapshot(project)
    with socket.create_server(("127.0.0.1", 0)) as server, accepting(server) as connected:
        address = f"git+https://127.0.0.1:{server.getsockname()[1]}/r"
        process = started(program, "add", address, folder=project)
        run = signalled_when(process, connected.is_set, signal.SIGINT)

    assert run.code == 130, run.err
    assert run.err == "error: interrupted\nhint: run the same command again to finish\n"
    assert snapshot(project) == before


@contextmanager
def accepting(server: socket.socket) -> Generator[threading.Event]:
    """Take one connection and never answer; the event says that it came."""
    connected, over = threading.Event(), threading.Event()

    def accept() -> None:
        connection, _ = server.accept()
        with connection:
            connected.set()
            over.wait(SECONDS)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield connected
    finally:
        over.set()
        thread.join()


def test_waiting_for_another_spm_is_ended_by_ctrl_c(program: Program) -> None:
    write_skill(program.root, "local")
    project = program.project(manifest="[skills]\n")
    held = project / ".roundtable/skills/.lock"
    held.parent.mkdir(parents=True)
    with held.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        process = started(program, "add", "path:../local", folder=project)
        run = signalled_when(process, lambda: _has_open(process.pid, held), signal.SIGINT)

    assert run.code == 130, run.err
    assert snapshot(project) == {"skills.toml": b"[skills]\n"}


def _has_open(pid: int, path: Path) -> bool:
    try:
        return path in [each.readlink() for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:  # it opens and closes others meanwhile
        return False


def test_reading_commands_do_not_wait_for_a_change(
    program: Program, registry: RunningRegistry
) -> None:
    project = program.project(manifest=manifest_of(registry.url, "skill-11"))
    assert program("install", folder=project).code == 0
    with (project / ".roundtable/skills/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        commands = [["list"], ["tree"], ["path", "skill-11"], ["load", "skill-11"], ["install"]]
        runs = [program(*words, folder=project) for words in commands]

    assert [run.code for run in runs] == [0] * 5
