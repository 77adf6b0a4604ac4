"""Whatever happens to the host program, nothing of a sandbox outlives it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spm_sandbox.supervisor import tree_memory
from tests.support.sandbox_host import require_sandbox

pytestmark = pytest.mark.needs("sandbox")

PROGRAM = """
import sys
from pathlib import Path
from spm_sandbox.loader import Loader
from spm_spec.policy import Policy
from tests.support.sandbox_call import python_tool

with Loader() as loader:
    loader.call(Path(sys.argv[1]), python_tool("src/skill.py", "waits"), {}, Policy())
"""
TOOL = """
import sys, time

def waits():
    sys.stdout.write("x")
    time.sleep(25)
"""


@pytest.fixture(scope="module", autouse=True)
def sandbox_on_this_host() -> None:
    require_sandbox()


def descendants(process: int) -> list[int]:
    found: list[int] = []
    waiting = [process]
    while waiting:
        tasks = Path(f"/proc/{waiting.pop()}/task")
        for task in tasks.iterdir():
            below = [int(child) for child in (task / "children").read_text().split()]
            found += below
            waiting += below
    return found


def wait_for_worker(process: int) -> list[int]:
    """Wait until the worker runs: zygote, supervisor, launcher, pid 1 and worker."""
    poller = select.poll()
    for _ in range(200):
        try:
            found = descendants(process)
        except OSError:
            found = []
        if len(found) >= 5:
            return found
        poller.poll(50)
    pytest.fail("the worker did not start")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_of_a_sandbox_outlives_the_program(tmp_path: Path, number: int) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "skill.py").write_text(TOOL, encoding="ascii")
    tmp_path.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], stderr=subprocess.DEVNULL
    ) as program:
        watched = [os.pidfd_open(pid) for pid in wait_for_worker(program.pid)]
        program.send_signal(number)
        program.wait(10)

    poller = select.poll()
    for descriptor in watched:
        poller.register(descriptor, select.POLLIN)
        ended = poller.poll(5000)
        poller.unregister(descriptor)
        os.close(descriptor)

        assert ended


def test_the_memory_of_a_tree_counts_its_children() -> None:
    before = tree_memory(os.getpid())
    program = "x = bytearray(50_000_000); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()

        assert tree_memory(os.getpid()) - before > 50_000_000


def test_opening_a_loader_imports_nothing_heavy() -> None:
    program = (
        "import sys; from spm_sandbox.loader import Loader; Loader();"
        "print([name for name in ('asyncio', 'aiohttp', 'pydantic', 'jsonschema', 'msgpack')"
        " if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert done.stdout == b"[]\n"
