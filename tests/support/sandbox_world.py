"""A host worth attacking: secrets, services and a process, and one skill full of attacks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema

from spm_sandbox.native.syscalls import numbers_of, this_architecture
from tests.support import sandbox_call

if TYPE_CHECKING:
    from collections.abc import Generator

NOBODY = 65534
CANARY = "canary-7f3a91"
PROBES = "src/probes.py"
_HERE = Path(__file__).parents[1]
_ATTACKER = _HERE / "attacks" / "sandbox_skill"
_FOLDERS = ("spec", "sandbox", ".")


def other_user_python() -> str | None:
    """Return a Python that an ordinary user can run spm with, if there is one."""
    probe = "import jsonschema, msgpack, blake3, sys; assert sys.version_info >= (3, 11)"
    for candidate in (shutil.which("python3", path="/usr/bin:/usr/local/bin"), sys.executable):
        if candidate is not None:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):
                _as_nobody([candidate, "-c", probe], b"")
                return candidate
    return None


def _as_nobody(command: list[str], data: bytes) -> bytes:
    packages = str(Path(jsonschema.__file__).parents[1])
    path = [str(_HERE.parent / folder) for folder in _FOLDERS]
    done = subprocess.run(
        command,
        input=data,
        capture_output=True,
        check=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={
            "PYTHONPATH": ":".join([*path, packages]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SPM_CANARY": CANARY,
        },
        timeout=50,
    )
    return done.stdout


@dataclass
class Services:
    """Listeners on this host that count who reached them."""

    folder: Path
    tcp: int = 0
    udp: int = 0
    reached: list[str] = field(default_factory=list[str])
    sockets: list[socket.socket] = field(default_factory=list[socket.socket])

    def open(self) -> None:
        """Start listening on TCP, UDP, a UNIX socket and an abstract one."""
        tcp = socket.create_server(("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self.tcp, self.udp = tcp.getsockname()[1], udp.getsockname()[1]
        self.sockets = [tcp, udp]
        for name, address in (("unix", self.unix), ("abstract", "\0" + self.abstract)):
            one = socket.socket(socket.AF_UNIX)
            one.bind(address)
            one.listen()
            self.sockets.append(one)
            threading.Thread(target=self._serve, args=(name, one), daemon=True).start()
        Path(self.unix).chmod(0o777)
        threading.Thread(target=self._serve, args=("tcp", tcp), daemon=True).start()

    @property
    def unix(self) -> str:
        return str(self.folder / "service.sock")

    @property
    def abstract(self) -> str:
        return f"spm-{self.folder.name}"

    def _serve(self, name: str, one: socket.socket) -> None:
        while True:
            try:
                connection, _ = one.accept()
            except OSError:
                return
            self.reached.append(name)
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"secret")

    def close(self) -> None:
        """Count waiting datagrams and stop."""
        self.sockets[1].setblocking(False)  # noqa: FBT003
        with contextlib.suppress(BlockingIOError):
            self.sockets[1].recv(1)
            self.reached.append("udp")
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@dataclass
class World:
    """One host: what it keeps, and who asks for the sandbox."""

    folder: Path
    user: int | None
    services: Services
    victim: subprocess.Popen[bytes]

    @property
    def skill(self) -> Path:
        return self.folder / "store" / "trees" / "a1-probes"

    def facts(self, *, inside: bool, may_fork: bool) -> dict[str, Any]:
        """Return what an attacker who knows everything knows."""
        return {
            "home": str(self.folder / "home"),
            "other_skill": str(self.folder / "store" / "trees" / "b2-other"),
            "outside": str(self.folder / "outside"),
            "skill": "/skill" if inside else str(self.skill),
            "tmp": "/tmp" if inside else str(self.folder / "scratch"),
            "victim": self.victim.pid,
            "canary": CANARY,
            "tcp": self.services.tcp,
            "udp": self.services.udp,
            "unix": self.services.unix,
            "abstract": self.services.abstract,
            "numbers": numbers_of(this_architecture()),
            "may_fork": may_fork,
        }

    def attack(self, names: list[str], *, may_fork: bool) -> dict[str, str]:
        """Run the probes in a sandbox; map each to what came of it."""
        facts = self.facts(inside=True, may_fork=may_fork)
        request = {
            "tree": str(self.skill),
            "path": PROBES,
            "attribute": "run",
            "arguments": {"names": names, "facts": facts},
            "subprocess": may_fork,
        }
        outcomes: dict[str, str]
        if self.user is None:
            leaked = os.open(self.folder, os.O_RDONLY)
            os.set_inheritable(leaked, True)  # noqa: FBT003 - a careless host
            os.environ["SPM_CANARY"] = CANARY
            try:
                outcomes = sandbox_call.call(request)
            finally:
                os.close(leaked)
                del os.environ["SPM_CANARY"]
            return outcomes
        python = other_user_python()
        assert python is not None
        data = json.dumps(request).encode()
        outcomes = json.loads(_as_nobody([python, sandbox_call.__file__], data))
        return outcomes

    def attack_without_sandbox(self, names: list[str]) -> dict[str, str]:
        """Run the probes in a plain process of the same user."""
        facts = self.facts(inside=False, may_fork=True)
        program = (
            "import json, sys; request = json.load(sys.stdin); sys.path.insert(0, request[0]);"
            "import probes; print(json.dumps(probes.run(request[1], request[2])))"
        )
        data = json.dumps([str(self.skill / "src"), names, facts]).encode()
        python = sys.executable if self.user is None else other_user_python()
        assert python is not None
        command = [python, "-B", "-c", program]
        if self.user is not None:
            return dict(json.loads(_as_nobody(command, data)))
        environment = {**os.environ, "SPM_CANARY": CANARY}
        leaked = os.open("/", os.O_RDONLY)
        done = subprocess.run(
            command,
            input=data,
            stdout=subprocess.PIPE,
            check=True,
            env=environment,
            pass_fds=(leaked,),
            timeout=50,
        )
        os.close(leaked)
        return dict(json.loads(done.stdout))


@contextlib.contextmanager
def world(user: int | None) -> Generator[World]:
    """Make a host for ``user`` (None: whoever runs the tests), and take it down."""
    with tempfile.TemporaryDirectory(prefix="spm-world-", dir="/var/tmp") as name:
        folder = Path(name)
        _furnish(folder)
        if user is not None:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user)
        folder.chmod(0o755)
        services = Services(folder)
        services.open()
        environment = {"SPM_CANARY": CANARY}
        with subprocess.Popen(
            ["/bin/sleep", "300"], env=environment, user=user, group=user
        ) as victim:
            try:
                yield World(folder, user, services, victim)
            finally:
                victim.kill()
                services.close()


def _furnish(folder: Path) -> None:
    for part in ("home/.ssh", "store/trees/b2-other", "outside", "scratch"):
        (folder / part).mkdir(parents=True)
    (folder / "home/.ssh/id_secret").write_text("a private key", encoding="ascii")
    (folder / "store/trees/b2-other/SKILL.md").write_text("of another", encoding="ascii")
    shutil.copytree(_ATTACKER, folder / "store/trees/a1-probes")
