"""Ordinary tools and scripts work in the sandbox, and each limit is named when it is hit."""

from __future__ import annotations

import asyncio
import re
import resource
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from spm_sandbox.errors import (
    EntryPointMissing,
    InvalidArguments,
    LimitExceeded,
    ProtocolViolation,
    RuntimeMissing,
    SandboxUnavailable,
    ToolFailed,
    UngrantablePath,
)
from spm_sandbox.loader import Loader, ToolResult
from spm_sandbox.verdict import exit_status
from spm_spec.policy import Limits, Policy
from spm_spec.skill import EntryPoint, Tool
from tests.support.sandbox_call import python_tool
from tests.support.sandbox_host import require_sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.needs("sandbox")

MIB = 1 << 20
TOOLS = """
import asyncio, csv, io, json, os, sqlite3, subprocess, sys, tempfile, threading, time
from sibling import ANSWER
import package.inner

print("imported")

def echo(**arguments):
    return arguments


def stdlib():
    rows = list(csv.reader(io.StringIO("a,b\\n1,2\\n")))
    database = sqlite3.connect(":memory:")
    return {"rows": rows, "sum": database.execute("select 1 + 2").fetchone(), "answer": ANSWER}


def threads():
    found = []
    workers = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sorted(found)


def scratch():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 1000)
        file.flush()
        return os.path.getsize(file.name), os.listdir("/tmp") != []


async def later(text):
    first, second = await asyncio.gather(asyncio.sleep(0.01, "a"), asyncio.sleep(0, text))
    return [first, second]


def runs_programs():
    command = ["sh", "-c", "echo $((6 * 7)) | cat"]
    return subprocess.run(command, capture_output=True, text=True).stdout


def runs_processes():
    import multiprocessing

    with multiprocessing.Pool(2) as pool:
        return pool.map(abs, [-1, -2, -3])


def numbers_of_bytes():
    return bytes(range(256))


def prints():
    print("to you \\x1b[31mred")
    print("to the log", file=sys.stderr)


def environment():
    return dict(os.environ)


def reads(path):
    return open(path).read()


def writes(path):
    return open(path, "w").write("written")


def fails(text):
    raise ValueError(text)


def fails_deep(text):
    json.loads(text)


def leaves():
    sys.exit(3)


def vanishes():
    os._exit(9)


def returns_a_set():
    return {"a": {1}}


def returns_too_much():
    return "x" * (3 << 20)


def sleeps():
    time.sleep(60)


def spins():
    while True:
        pass


def eats_memory():
    return len(bytearray(4 << 30))


def eats_memory_slowly():
    kept = []
    while True:
        kept.append(bytearray(os.urandom(1 << 20)))


def eats_memory_in_children():
    for _ in range(6):
        if os.fork() == 0:
            kept = [os.urandom(1 << 20) for _ in range(100)]
            time.sleep(30)
    time.sleep(30)


def forks_for_ever():
    children = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(30)
            children += 1
    except OSError:
        return children


def threads_for_ever():
    while True:
        threading.Thread(target=time.sleep, args=(30,)).start()


def opens_for_ever():
    return [open("/dev/null") for _ in range(10_000)]


def writes_for_ever():
    with open("/tmp/big", "wb") as file:
        while True:
            file.write(bytes(1 << 20))


def fills_scratch():
    for number in range(1000):
        with open(f"/tmp/{number}", "wb") as file:
            file.write(bytes(1 << 20))


def prints_for_ever():
    while True:
        print("x" * 10_000)


def leaves_a_daemon_behind():
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    return "done"


def prints_from_a_thread_after_the_answer():
    threading.Thread(target=prints_for_ever, daemon=True).start()
    return "done"


def answers_twice():
    os.write(4, b"\\x00\\x00\\x00\\x01\\xc0")
"""
SCRIPTS = {
    "count.sh": "#!/bin/sh\nwc -c | tr -d ' '\n",
    "words.sh": '#!/usr/bin/env bash\nread line\necho "got ${line}" "$@"\n',
    "given.py": "import json, sys\nprint(json.dumps({'given': json.load(sys.stdin)}))\n",
    "fails.sh": "#!/bin/sh\necho 'no such \033[1mthing' >&2\nexit 4\n",
    "perl.pl": "#!/usr/bin/perl\nprint 1;\n",
    "sibling.sh": "#!/bin/sh\n. /skill/scripts/part.inc\nanswer\n",
    "lies.sh": "#!/bin/sh\nprintf '\\000\\000\\000\\001\\300' > /proc/$PPID/fd/4\n",
    "part.inc": "answer() { echo 42; }\n",
}


@pytest.fixture(scope="module", autouse=True)
def sandbox_on_this_host() -> None:
    require_sandbox()


@pytest.fixture(scope="module")
def skill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("trees") / "a-skill"
    files = {
        "SKILL.md": "---\nname: a-skill\ndescription: For tests.\n---\n",
        "src/skill.py": TOOLS,
        "src/sibling.py": "ANSWER = 42\n",
        "src/package/__init__.py": "",
        "src/package/inner.py": "",
        "src/broken.py": "import nothing_that_exists\n",
        **{f"scripts/{name}": text for name, text in SCRIPTS.items()},
    }
    for name, text in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tree / "src" / "link.py").symlink_to("skill.py")
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
    return tree


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader() as one:
        yield one


class Caller:
    """Calls tools of the one skill by name."""

    def __init__(self, loader: Loader, skill: Path) -> None:
        self.loader, self.skill = loader, skill

    def __call__(self, name: str, policy: Policy | None = None, **arguments: object) -> ToolResult:
        tool = python_tool("src/skill.py", name)
        return self.loader.call(self.skill, tool, arguments, policy or Policy())

    def limited(self, name: str, *, subprocess: bool = False, **limits: int) -> LimitExceeded:
        """Call a tool that must hit a limit; return the error."""
        with pytest.raises(LimitExceeded) as caught:
            self(name, Policy(subprocess=subprocess, limits=Limits(**limits)))
        return caught.value

    def script(self, name: str, **arguments: object) -> object:
        entry = EntryPoint(f"scripts/{name}", None)
        tool = Tool(name, "A script.", {"type": "object"}, "executable", entry, 1)
        return self.loader.call(self.skill, tool, arguments, Policy()).value


@pytest.fixture
def call(loader: Loader, skill: Path) -> Caller:
    return Caller(loader, skill)


def test_a_tool_gets_its_arguments_and_returns_json_like_values(call: Caller) -> None:
    value: dict[str, object] = {
        "text": "ä\n",
        "number": -5,
        "float": 0.5,
        "list": [None, True],
        "bytes": b"\x00",
    }

    result = call("echo", None, **value)

    assert result.value == value
    assert result.tier == "strong"


def test_a_tool_uses_the_standard_library_and_modules_beside_it(call: Caller) -> None:
    assert call("stdlib").value == {"rows": [["a", "b"], ["1", "2"]], "sum": [3], "answer": 42}


def test_a_tool_uses_threads_without_any_grant(call: Caller) -> None:
    assert call("threads").value == list(range(8))


def test_a_tool_has_a_private_scratch_folder(call: Caller) -> None:
    assert call("scratch").value == [1000, True]


def test_an_asynchronous_tool_is_awaited(call: Caller) -> None:
    assert call("later", text="b").value == ["a", "b"]


def test_a_tool_returns_bytes(call: Caller) -> None:
    assert call("numbers_of_bytes").value == bytes(range(256))


def test_what_a_tool_prints_is_kept_apart_and_made_printable(call: Caller) -> None:
    result = call("prints")

    assert result.value is None
    assert result.stdout == "imported\nto you \\x1b[31mred\n"
    assert result.stderr == "to the log\n"


def test_programs_run_only_where_the_policy_grants_them(call: Caller) -> None:
    assert call("runs_programs", Policy(subprocess=True)).value == "42\n"

    with pytest.raises(ToolFailed, match="PermissionError"):
        call("runs_programs")


def test_processes_run_only_where_the_policy_grants_them(call: Caller) -> None:
    assert call("runs_processes", Policy(subprocess=True)).value == [1, 2, 3]

    with pytest.raises(ToolFailed, match="PermissionError"):
        call("runs_processes")


def test_only_granted_names_of_the_environment_are_seen(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPM_GRANTED", "yes")
    monkeypatch.setenv("SPM_SECRET", "no")

    value = call("environment", Policy(environment=("SPM_GRANTED", "SPM_ABSENT"))).value

    seen = cast("dict[str, str]", value)
    assert seen.pop("LD_LIBRARY_PATH", "/python/lib") == "/python/lib"
    assert seen == {
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin",
        "SPM_GRANTED": "yes",
        "TMPDIR": "/tmp",
    }


def test_a_granted_file_is_read_and_not_written(call: Caller, tmp_path: Path) -> None:
    granted = tmp_path / "granted.txt"
    granted.write_text("content", encoding="ascii")
    granted.chmod(0o666)
    policy = Policy(read=(str(granted),))

    assert call("reads", policy, path=str(granted)).value == "content"
    with pytest.raises(ToolFailed, match=r"OSError: .*Read-only file system"):
        call("writes", policy, path=str(granted))
    assert granted.read_text(encoding="ascii") == "content"


def test_a_granted_folder_is_written_and_its_neighbour_is_not_there(
    call: Caller, tmp_path: Path
) -> None:
    granted, other = tmp_path / "granted", tmp_path / "other"
    for folder in (granted, other):
        folder.mkdir()
        folder.chmod(0o777)
    policy = Policy(write=(str(granted),))

    call("writes", policy, path=f"{granted}/new")

    assert (granted / "new").read_text(encoding="ascii") == "written"
    with pytest.raises(ToolFailed, match=r"Read-only file system|No such file"):
        call("writes", policy, path=f"{other}/new")
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("path", ["/", "/tmp", "/skill/x", "/proc"])
def test_a_grant_that_would_cover_the_sandbox_is_refused(call: Caller, path: str) -> None:
    with pytest.raises(UngrantablePath, match=f"granted path {re.escape(path)}: "):
        call("echo", Policy(read=(path,)))


def test_paths_of_the_project_and_of_the_home_are_found_where_a_skill_looks(
    skill: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    for file in (project / "data" / "a.txt", home / ".config" / "tool"):
        file.parent.mkdir(parents=True)
        file.write_text(f"content of {file.name}", encoding="ascii")
    monkeypatch.setenv("HOME", str(home))
    policy = Policy(read=("data", "~/.config/tool"))
    tool = python_tool("src/skill.py", "reads")

    with Loader(project=project) as loader:
        of_project = loader.call(skill, tool, {"path": "data/a.txt"}, policy).value
        of_home = loader.call(skill, tool, {"path": "/tmp/.config/tool"}, policy).value

    assert (of_project, of_home) == ("content of a.txt", "content of tool")


def test_a_grant_does_not_follow_a_link_that_a_skill_could_have_made(
    skill: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to("/etc")

    with Loader(project=tmp_path) as loader, pytest.raises(UngrantablePath) as caught:
        loader.call(skill, python_tool("src/skill.py", "echo"), {}, Policy(read=("out/link",)))

    assert caught.value.message == "granted path out/link: is or passes a symbolic link"


def test_a_relative_grant_needs_a_project(call: Caller) -> None:
    with pytest.raises(UngrantablePath, match="there is no project to take it from"):
        call("echo", Policy(read=("data",)))


def test_a_granted_path_that_is_not_there_is_named(call: Caller) -> None:
    with pytest.raises(UngrantablePath, match="granted path /nowhere: does not exist"):
        call("echo", Policy(read=("/nowhere",)))


def test_granted_network_is_refused_in_words(call: Caller) -> None:
    with pytest.raises(SandboxUnavailable) as caught:
        call("echo", Policy(network=("api.example.org:443",)))

    assert caught.value.message == (
        "no sandbox: network: network access to api.example.org:443 was granted, "
        "but this version cannot open single hosts to a sandbox"
    )
    assert caught.value.exit_code == 7


def test_an_exception_is_told_with_the_skill_s_own_lines_only(call: Caller) -> None:
    with pytest.raises(ToolFailed) as caught:
        call("fails_deep", text="{")

    first, *lines = caught.value.message.split("\n")
    assert first.startswith("tool `fails_deep` failed: JSONDecodeError: Expecting property name")
    assert len(lines) == 1
    assert lines[0].startswith("  src/skill.py:")
    assert lines[0].endswith(" in fails_deep: json.loads(text)")


def test_an_exception_cannot_print_to_the_terminal(call: Caller) -> None:
    with pytest.raises(ToolFailed) as caught:
        call("fails", text="\x1b]0;owned\x07 \u202e")

    assert caught.value.reason == "ValueError: \\x1b]0;owned\\x07 \\u202e"


def test_a_module_that_cannot_be_imported_is_the_tool_s_failure(call: Caller, skill: Path) -> None:
    with pytest.raises(ToolFailed) as caught:
        call.loader.call(skill, python_tool("src/broken.py", "x"), {}, Policy())

    assert caught.value.message == (
        "tool `x` failed: ModuleNotFoundError: No module named 'nothing_that_exists'\n"
        "  src/broken.py:1 in <module>: import nothing_that_exists"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("leaves", "tool `leaves` failed: SystemExit: the tool called exit (3)"),
        ("vanishes", "tool `vanishes` failed: it ended with exit status 9 before it answered"),
        ("returns_a_set", "tool `returns_a_set` failed: the tool returned a value of type set"),
    ],
)
def test_a_tool_that_does_not_answer_properly_failed(call: Caller, name: str, message: str) -> None:
    with pytest.raises(ToolFailed) as caught:
        call(name)

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("path", "attribute", "message"),
    [
        ("src/skill.py", "nothing", "src/skill.py has no function `nothing`"),
        ("src/absent.py", "x", "src/absent.py is not in the skill"),
        ("src/link.py", "echo", "src/link.py is or passes a symbolic link"),
        ("src", "echo", "src is not a file"),
        ("../outside.py", "x", "../outside.py is not a path inside the skill"),
        ("/etc/passwd", "x", "/etc/passwd is not a path inside the skill"),
    ],
)
def test_an_entry_point_that_is_not_there_is_named(
    call: Caller, skill: Path, path: str, attribute: str, message: str
) -> None:
    with pytest.raises(EntryPointMissing) as caught:
        call.loader.call(skill, python_tool(path, attribute), {}, Policy())

    assert caught.value.message == f"tool `{attribute}`: {message}"


def test_arguments_are_checked_before_anything_runs(skill: Path) -> None:
    schema: dict[str, object] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    tool = python_tool("src/skill.py", "echo", schema)

    with Loader() as loader, pytest.raises(InvalidArguments) as caught:
        loader.call(skill, tool, {"n": "x"}, Policy())

    assert caught.value.message == "tool `echo`: argument /n: 'x' is not of type 'integer'"
    assert loader._zygote._process is None


def test_arguments_that_hold_themselves_are_refused(call: Caller) -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(InvalidArguments, match="more than 200000 values"):
        call("echo", None, a=endless)


def test_arguments_that_are_not_json_like_are_refused(call: Caller) -> None:
    with pytest.raises(InvalidArguments, match="cannot be sent"):
        call("echo", None, a={1, 2})


def test_a_typescript_tool_says_that_its_runtime_is_missing(call: Caller, skill: Path) -> None:
    entry = EntryPoint("src/skill.py", "run")
    tool = Tool("run", "d", {"type": "object"}, "typescript", entry, 1)

    with pytest.raises(RuntimeMissing, match="no runtime for typescript"):
        call.loader.call(skill, tool, {}, Policy())


# Limits


def test_a_call_is_stopped_at_its_wall_time(call: Caller) -> None:
    began = time.monotonic()

    error = call.limited("sleeps", wall_seconds=1)

    assert error.message == "tool `sleeps` was stopped at its limit: wall seconds 1"
    assert time.monotonic() - began < 20


def test_a_limit_in_bytes_is_named_to_the_byte(call: Caller) -> None:
    error = call.limited("prints_for_ever", output_bytes=8 * MIB)

    assert error.message == (
        "tool `prints_for_ever` was stopped at its limit: output bytes 8388608"
    )
    assert error.hint == (
        "it is set by `limits` in the skill's `permissions` and in the project's grant"
    )


def test_a_timeout_of_the_caller_is_a_wall_time(call: Caller, skill: Path) -> None:
    with pytest.raises(LimitExceeded, match=r"wall seconds 0\.5"):
        call.loader.call(skill, python_tool("src/skill.py", "sleeps"), {}, Policy(), timeout=0.5)


@pytest.mark.parametrize(
    ("name", "limit", "limits", "policy"),
    [
        ("spins", "cpu_seconds", {"cpu_seconds": 1}, Policy()),
        ("eats_memory", "memory_bytes", {"memory_bytes": 256 * MIB}, Policy()),
        ("eats_memory_slowly", "memory_bytes", {"memory_bytes": 128 * MIB}, Policy()),
        (
            "eats_memory_in_children",
            "memory_bytes",
            {"memory_bytes": 256 * MIB},
            Policy(subprocess=True),
        ),
        ("threads_for_ever", "processes", {"processes": 16}, Policy()),
        ("opens_for_ever", "open_files", {"open_files": 32}, Policy()),
        ("writes_for_ever", "file_bytes", {"file_bytes": MIB}, Policy()),
        ("fills_scratch", "scratch_bytes", {"scratch_bytes": 2 * MIB}, Policy()),
        ("prints_for_ever", "output_bytes", {"output_bytes": MIB}, Policy()),
        ("returns_too_much", "output_bytes", {"output_bytes": MIB}, Policy()),
    ],
)
def test_the_limit_that_was_hit_is_named(
    call: Caller, name: str, limit: str, limits: dict[str, int], policy: Policy
) -> None:
    error = call.limited(name, subprocess=policy.subprocess, **limits)

    assert error.limit == limit
    assert error.amount == limits[limit]
    assert error.exit_code == 8


def test_a_fork_bomb_is_bounded(call: Caller) -> None:
    policy = Policy(subprocess=True, limits=Limits(processes=16))

    children = call("forks_for_ever", policy).value

    assert isinstance(children, int)
    assert 8 <= children <= 16


def test_what_a_tool_leaves_running_ends_with_the_call(call: Caller) -> None:
    began = time.monotonic()

    result = call("leaves_a_daemon_behind", Policy(subprocess=True))

    assert result.value == "done"
    assert time.monotonic() - began < 20


def test_output_after_the_answer_cannot_hold_up_the_host(call: Caller) -> None:
    began = time.monotonic()

    try:
        value = call("prints_from_a_thread_after_the_answer").value
    except LimitExceeded as error:
        value = error.limit

    assert value in {"done", "output_bytes"}
    assert time.monotonic() - began < 20


# Scripts


def test_a_script_gets_json_and_its_output_is_the_result(call: Caller) -> None:
    assert call.script("count.sh", a=1) == len('{"a": 1}')
    assert call.script("given.py", a=[1]) == {"given": {"a": [1]}}
    assert call.script("words.sh", a=1) == 'got {"a": 1}\n'
    assert call.script("sibling.sh") == 42


def test_a_script_that_fails_shows_its_errors(call: Caller) -> None:
    with pytest.raises(ToolFailed) as caught:
        call.script("fails.sh")

    assert caught.value.message == ("tool `fails.sh` failed: exit status 4: no such \\x1b[1mthing")


def test_a_script_of_another_interpreter_is_refused(call: Caller) -> None:
    with pytest.raises(RuntimeMissing, match="its interpreter is 'perl'"):
        call.script("perl.pl")


def test_a_script_is_run_with_arguments_and_input(call: Caller, skill: Path) -> None:
    result = call.loader.run_script(
        skill, "scripts/words.sh", ["-x", "a b"], Policy(), stdin=b"line\n"
    )

    assert result.exit_status == 0
    assert result.stdout == b"got line -x a b\n"


def test_a_script_cannot_answer_for_the_worker(call: Caller, skill: Path) -> None:
    result = call.loader.run_script(skill, "scripts/lies.sh", [], Policy())

    assert result.exit_status == 2
    assert b"cannot create /proc/2/fd/4: " in result.stderr


@pytest.mark.parametrize("value", [None, True, "0", [], 256, -65, 1.0])
def test_an_exit_status_that_is_none_is_a_violation(value: object) -> None:
    with pytest.raises(ProtocolViolation, match="an exit status that is none"):
        exit_status(value)


def test_a_host_without_descriptors_is_told_so(skill: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    tool = python_tool("src/skill.py", "echo")
    with Loader() as loader:
        loader.call(skill, tool, {}, Policy())
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(_descriptors()) + 3, hard))
        try:
            with pytest.raises(SandboxUnavailable, match=r"channels: .*Too many open files"):
                loader.call(skill, tool, {}, Policy())
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert loader.call(skill, tool, {}, Policy()).value == {}


def test_a_script_s_exit_status_is_a_result(call: Caller, skill: Path) -> None:
    result = call.loader.run_script(skill, "scripts/fails.sh", [], Policy())

    assert result.exit_status == 4
    assert result.stderr == b"no such \x1b[1mthing\n"


# The host


def test_calls_from_many_threads_do_not_mix(call: Caller) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call, "echo", n=n) for n in range(12)]
        results = [one.result().value for one in calls]

    assert results == [{"n": n} for n in range(12)]


def test_calls_do_not_hold_up_an_event_loop(call: Caller, skill: Path) -> None:
    async def both() -> list[object]:
        tool = python_tool("src/skill.py", "echo")
        calls = (call.loader.call_async(skill, tool, {"n": n}, Policy()) for n in range(3))
        return [result.value for result in await asyncio.gather(*calls)]

    assert asyncio.run(both()) == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_loader_leaves_no_descriptors_and_no_processes(skill: Path) -> None:
    before = _descriptors()
    children = _children()

    with Loader() as loader:
        for name in ("echo", "vanishes", "returns_a_set"):
            with pytest.raises((ToolFailed, EntryPointMissing)) if name != "echo" else _nothing():
                loader.call(skill, python_tool("src/skill.py", name), {}, Policy())

    assert _descriptors() == before
    assert _children() == children


def test_a_loader_whose_zygote_died_starts_another(call: Caller, skill: Path) -> None:
    with Loader() as loader:
        tool = python_tool("src/skill.py", "echo")
        loader.call(skill, tool, {}, Policy())
        process = loader._zygote._process
        assert process is not None
        process.kill()
        process.wait()

        assert loader.call(skill, tool, {"n": 1}, Policy()).value == {"n": 1}


def test_an_interrupted_call_ends_its_sandbox(skill: Path) -> None:
    """As on Ctrl-C: an exception inside the exchange, here from closing the channels."""
    with Loader() as loader:
        tool = python_tool("src/skill.py", "sleeps")
        failed: list[BaseException] = []

        def run() -> None:
            try:
                loader.call(skill, tool, {}, Policy(limits=Limits(wall_seconds=20)))
            except (ToolFailed, SandboxUnavailable) as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        deadline = time.monotonic() + 5
        while loader._zygote._process is None and time.monotonic() < deadline:
            thread.join(0.05)
        loader.close()
        thread.join(10)

        assert not thread.is_alive()


def _descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def _children() -> list[str]:
    tasks = Path("/proc/self/task").iterdir()
    found: list[str] = []
    for task in tasks:
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found += (task / "children").read_text().split()
    return sorted(found)


class _nothing:  # noqa: N801 - reads as a word beside pytest.raises
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None
