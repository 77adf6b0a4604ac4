"""A registry that lies to the installed program: refused, named, and nothing is changed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from spm_spec.digests import sha256_hex
from spm_spec.package import read_package
from spm_spec.tree import build_tree
from tests.support.program import Program
from tests.support.projects import everything, manifest_of
from tests.support.raw_http import lying_server, reply
from tests.support.registry_server import running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

ALPHA = skill_archive("alpha")
BETA = skill_archive("beta")
NEWER = skill_archive("alpha", "2.0.0")
NEEDY = skill_archive("alpha", dependencies={"beta": "^1.0"})


@dataclass(frozen=True)
class Tale:
    """What a registry tells of `alpha` 1.0.0; honest until a test changes it."""

    archive: bytes = ALPHA
    served: bytes | None = None
    name: str = "alpha"
    tree: str | None = None
    sha256: str | None = None
    dependencies: Mapping[str, str] | None = None
    permissions: Mapping[str, Any] | None = None

    def document(self) -> bytes:
        sha256 = self.sha256 or sha256_hex(self.archive)
        tree = self.tree or str(build_tree(read_package(self.archive, origin="tale")).digest)
        shared: dict[str, Any] = {
            "version": "1.0.0",
            "dependencies": dict(self.dependencies or {}),
            "checksum": f"sha256:{sha256}",
            "downloadUrl": f"/packages/{sha256}.spm",
            "createdAt": "2026-11-23T00:00:00Z",
        }
        entry = {
            "tree": tree,
            "size": len(self.archive),
            "yanked": False,
            "permissions": dict(self.permissions or {}),
        }
        whole = shared | {
            "name": self.name,
            "description": "Does something.",
            "author": None,
            "tags": [],
            "downloads": 0,
            "rating": None,
            "updatedAt": "2026-11-23T00:00:00Z",
            "homepage": None,
            "versions": [shared | entry],
        }
        return json.dumps(whole).encode()

    def answer(self, path: str, _headers: Mapping[str, str]) -> Iterable[bytes]:
        if path.endswith(".spm"):
            return reply(self.archive if self.served is None else self.served)
        return reply(self.document(), headers={"Content-Type": "application/json"})


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.below(tmp_path)


def refused(
    program: Program,
    answer: Callable[[str, Mapping[str, str]], Iterable[bytes]],
    **settings: str,
) -> tuple[int, str, str]:
    """The exit code, the error and the hint of an install, which must change nothing."""
    with lying_server(answer) as server:
        project = program.project(manifest=manifest_of(server.url, "alpha"))
        before = everything(program, project)

        run = program("install", "--json", folder=project, **settings)

        assert run.out == ""
        assert everything(program, project) == before
    assert run.err.count("\n") == 1, run.err
    error = json.loads(run.err)["error"]
    return run.code, error["message"].replace(server.url, "URL"), error["hint"] or ""


def test_the_honest_tale_is_believed(program: Program) -> None:
    with lying_server(Tale().answer) as server:
        project = program.project(manifest=manifest_of(server.url, "alpha"))

        run = program("install", folder=project)

    assert run.code == 0, run.err


OTHER = "ab" * 32
LIES: dict[str, tuple[Tale, str]] = {
    "another skill's document": (Tale(name="beta"), "asked for alpha, got beta"),
    "another skill's package": (Tale(archive=BETA), "`alpha` 1.0.0 from URL: it is `beta` in"),
    "another version's package": (Tale(archive=NEWER), "`alpha` 1.0.0 from URL: it is 2.0.0 in"),
    "a need that is hidden": (Tale(archive=NEEDY), "it needs other skills than were stated"),
    "rights that are invented": (
        Tale(permissions={"network": ["evil.example:443"]}),
        "it asks for other rights than were stated",
    ),
    "another tree": (Tale(tree=f"blake3:{OTHER}"), f"alpha: expected blake3:{OTHER}, got blake3:"),
    "another archive": (Tale(served=ALPHA[:-1] + b"?"), sha256_hex(ALPHA)),
    "a cut archive": (Tale(served=ALPHA[:-1]), "URL/"),
    "a longer archive": (Tale(served=ALPHA + b"?"), "URL/"),
    "no archive": (Tale(served=b""), "URL/"),
    "an archive that is none": (replace(Tale(), archive=ALPHA, served=bytes(len(ALPHA))), "URL/"),
    "a range that is none": (Tale(dependencies={"beta": "^^1"}), "`^^1` is not a version range"),
    "a need that is none": (Tale(dependencies={"../beta": "*"}), "../beta"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_registry_that_lies_is_caught(program: Program, lie: str) -> None:
    tale, said = LIES[lie]

    code, message, _ = refused(program, tale.answer)

    assert (code, said in message) == (6, True), message


@pytest.mark.parametrize(
    "body", [b"<html>Welcome to the hotel Wi-Fi</html>", b"{", b"[]", b"\xff", b"{}"]
)
def test_a_body_that_is_no_document_is_caught(program: Program, body: bytes) -> None:
    code, message, _ = refused(program, lambda _path, _headers: reply(body))

    assert code == 6
    assert message.startswith("URL/api/v1/skills/alpha: ")


def test_a_body_without_end_is_cut_off(program: Program) -> None:
    def endless(_path: str, _headers: Mapping[str, str]) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        while True:
            yield b" " * 65536

    code, message, _ = refused(program, endless)

    assert code == 6
    assert message.startswith("URL/api/v1/skills/alpha: ")


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        ("401 Unauthorized", 3, "put a token of this registry into SPM_TOKEN"),
        ("403 Forbidden", 3, ""),
        ("404 Not Found", 5, "check the registry's address"),
        ("500 Internal Server Error", 5, "try again"),
        ("503 Service Unavailable", 5, "try again"),
    ],
)
def test_a_status_that_is_no_answer_is_named(
    program: Program, status: str, code: int, hint: str
) -> None:
    answer = refused(program, lambda _path, _headers: reply(b"<html>", status=status))

    assert answer[0] == code
    assert answer[1].startswith(f"URL/api/v1/skills/alpha: {status[:3]}")
    assert hint in answer[2]


def test_a_registry_that_hangs_up_is_an_environment_failure(program: Program) -> None:
    code, message, hint = refused(program, lambda _path, _headers: [b""])

    assert code == 5
    assert message.startswith("URL/api/v1/skills/alpha: ")
    assert hint == "check the address and the network, then try again"


def test_a_redirect_to_elsewhere_takes_no_token_along(program: Program) -> None:
    with lying_server(Tale().answer) as elsewhere:
        headers = {"Location": f"{elsewhere.url}/api/v1/skills/alpha"}

        code, message, _ = refused(
            program,
            lambda _path, _headers: reply(status="302 Found", headers=headers),
            SPM_TOKEN="spm_secret",
        )

    assert code in {5, 6}, message
    assert "spm_secret" not in message
    assert not any("spm_secret" in str(asked) for asked in elsewhere.seen)


def test_a_package_that_rots_on_the_registrys_disk_is_never_installed(
    program: Program, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "registry") as registry:
        registry.publish(ALPHA)
        project = program.project(manifest=manifest_of(registry.url, "alpha"))
        assert program("lock", folder=project).code == 0
        before = everything(program, project)
        stored = [path for path in registry.data.rglob("*") if _holds(path, ALPHA)]
        for path in stored:
            path.chmod(0o644)
            path.write_bytes(ALPHA[:99] + bytes([ALPHA[99] ^ 1]) + ALPHA[100:])

        run = program("install", "--frozen", folder=project)

    assert stored
    assert run.code == 6, run.err
    assert sha256_hex(ALPHA) in run.err
    assert everything(program, project) == before


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def test_what_is_offline_never_opens_a_connection(program: Program) -> None:
    with lying_server(Tale().answer) as server:
        project = program.project(manifest=manifest_of(server.url, "alpha"))
        before = everything(program, project)

        option = program("install", "--offline", folder=project)
        setting = program("search", "x", folder=project, SPM_OFFLINE="1")

        assert (option.code, setting.code) == (5, 5)
        assert "spm is offline" in option.err
        assert server.seen == []
        assert everything(program, project) == before
