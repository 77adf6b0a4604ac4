"""The four doors through which foreign bytes come in, and what must not change behind them.

``import`` is `spm store import FILE`, ``pack`` is `spm pack FOLDER`, ``publish`` is
`spm publish FILE` and, because nobody has to use that, the registry it sends to;
``client`` is `spm install` from a registry that serves the bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from spm import SkillManager
from spm.bundling import import_trees
from spm.packing import NotPublishable, pack_folder
from spm.reach import Reach
from spm_registry.errors import RegistryRefused
from spm_spec.errors import SpmError
from tests.support.program import Program, write_skill
from tests.support.projects import manifest_of
from tests.support.raw_http import lying_server, reply
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.stored import contents

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from pathlib import Path

GOOD = 'good = { path = "../good" }\n'
ARCHIVE_DOORS = ("import", "publish", "client")


@dataclass
class World:
    """A machine with a store, a project with a skill, a registry, and one that lies."""

    program: Program
    project: Path
    registry: RunningRegistry
    store: Path
    served: list[bytes] = field(default_factory=list[bytes])

    @property
    def root(self) -> Path:
        """What everything is below."""
        return self.program.root

    def refuses(self, door: str, attack: bytes, reason: str) -> None:
        """Hold that ``door`` refuses ``attack`` for ``reason``, and nothing is changed."""
        before = self.state()

        refused = self.at(door, attack)

        assert refused == reason
        assert self.state() == before

    def at(self, door: str, attack: bytes) -> str:
        """Return the reason for which ``door`` refuses ``attack``; empty if it does not."""
        doors = {"import": self._import, "publish": self._publish, "client": self._client}
        return doors[door](attack)

    def packing_refuses(self, folder: Path, reason: str) -> None:
        """Hold that ``folder`` is refused by `pack` and `publish`, and nothing is changed."""
        before = self.state()

        packed = reason_of(lambda: pack_folder(folder))
        published = reason_of(lambda: asyncio.run(self._manager().publish(folder)))

        assert (packed, published) == (reason, reason)
        assert self.state() == before

    def state(self) -> dict[str, tuple[str, bytes]]:
        """Names, modes and bytes of the store, the project, and what the registry keeps."""
        below = {
            "store": self.store,
            "project": self.project,
            "registry": self.registry.data / "objects",
        }
        return {
            f"{part}/{path}": found
            for part, folder in below.items()
            for path, found in contents(folder).items()
            if not _is_of_sqlite(path, found[1])
        }

    def _manager(self) -> SkillManager:
        return SkillManager(self.project, token="secret", environment=self.program.environment)

    def _import(self, attack: bytes) -> str:
        file = self.root / "attack"
        file.write_bytes(attack)
        return reason_of(lambda: import_trees(self.program.environment, file))

    def _publish(self, attack: bytes) -> str:
        file = self.root / "attack"
        file.write_bytes(attack)
        sent = len(self.served)
        by_program = reason_of(lambda: asyncio.run(self._manager().publish(file)))
        assert len(self.served) == sent, "the program sent what it should have refused"
        by_registry = reason_of(lambda: self.registry.publish(attack))
        assert by_registry == by_program
        return by_program

    def _client(self, attack: bytes) -> str:
        self.served.append(attack)
        return reason_of(lambda: asyncio.run(self._manager().install()))


def _is_of_sqlite(path: str, data: bytes) -> bool:
    """Tell what SQLite has beside an open index: locks, and a log in which nothing is."""
    return path.endswith("index.sqlite-shm") or (path.endswith("index.sqlite-wal") and not data)


def reason_of(action: Callable[[], object]) -> str:
    """Return the kind of the refusal that ``action`` ends with; empty if it ends well."""
    try:
        action()
    except SpmError as refusal:
        assert all(line.isprintable() for line in refusal.message.splitlines())  # noqa: PT017
        return _kind_of(refusal)
    return ""


def _kind_of(refusal: SpmError) -> str:
    """Return the most exact word a refusal has for what is wrong."""
    if isinstance(refusal, NotPublishable):
        return "not-publishable"
    if isinstance(refusal, RegistryRefused) and refusal.reason == "bad-package":
        return refusal.problems[0].partition(":")[0]
    return str(getattr(refusal, "reason", refusal.kind))


@contextmanager
def world_below(root: Path) -> Generator[World]:
    """Make a world; its project has one skill installed and asks for another, `evil`."""
    program = Program.below(root)
    project = program.project(manifest=f"[skills]\n{GOOD}")
    write_skill(root, "good", files={"scripts/run.sh": "#!/bin/sh\n"})
    asyncio.run(SkillManager(project, environment=program.environment).install())
    with Reach.of(program.environment).store() as opened:
        store = opened.root
    served: list[bytes] = []
    with (
        running_registry(root) as registry,
        lying_server(lambda path, _: _answer(path, served)) as liar,
    ):
        manifest = manifest_of(liar.url, "evil").replace(
            "[skills]\n", '[skills]\ngood = { path = "../good" }\n'
        )
        (project / "skills.toml").write_text(manifest, "utf-8")
        yield World(program, project, registry, store, served)


def _answer(path: str, served: list[bytes]) -> Iterable[bytes]:
    """Answer as a registry whose only skill is ``evil``, of the bytes served last."""
    archive = served[-1] if served else b""
    sha256 = hashlib.sha256(archive).hexdigest()
    if path.startswith("/packages/"):
        return reply(archive)
    if path.partition("?")[0] == "/api/v1/skills/evil":
        return reply(json.dumps(_document(sha256, len(archive))).encode())
    return reply(b"{}", status="404 Not Found")


def _document(sha256: str, size: int) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "version": "1.0.0",
        "dependencies": {},
        "checksum": f"sha256:{sha256}",
        "downloadUrl": f"/packages/{sha256}.spm",
        "createdAt": "2026-11-23T00:00:00Z",
    }
    about: Mapping[str, Any] = {
        "name": "evil",
        "description": "Does something.",
        "author": None,
        "tags": [],
        "downloads": 0,
        "rating": None,
        "updatedAt": "2026-11-23T00:00:00Z",
        "homepage": None,
    }
    version: dict[str, Any] = {
        "tree": "blake3:" + "0" * 64,
        "size": size,
        "yanked": False,
        "permissions": {},
    }
    return {**shared, **about, "versions": [shared | version]}


def through(doors: Iterable[str], attacks: Mapping[str, tuple[bytes, str]]) -> pytest.MarkDecorator:
    """Give a test each door with each attack: its bytes, and the reason of the refusal."""
    return pytest.mark.parametrize(
        ("door", "attack", "reason"),
        [
            pytest.param(door, attack, reason, id=f"{door}-{name}".replace(" ", "-"))
            for door in doors
            for name, (attack, reason) in attacks.items()
        ],
    )
