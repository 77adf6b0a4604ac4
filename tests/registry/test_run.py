"""The server as a process, and tokens made beside it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from spm_registry.server import run, tokens
from spm_registry.server.run import CannotListen, InvalidPublicUrl
from spm_registry.server.tokens import InvalidAccount, UnknownToken
from tests.support.raw_http import send
from tests.support.registry_server import running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from pathlib import Path

SERVE = """
import sys
from pathlib import Path
from spm_registry.server.run import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, ready=lambda url: print(url, flush=True))
"""
OCTETS = {"Content-Type": "application/octet-stream"}


def started(data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(data)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_and_keeps_what_was_published(
    tmp_path: Path, number: signal.Signals
) -> None:
    token = tokens.create(tmp_path / "data", "ada")
    headers = OCTETS | {"Authorization": f"Bearer {token}"}
    process, url = started(tmp_path / "data")
    with process:
        sent = send(
            url, "/api/v1/skills", method="POST", headers=headers, body=skill_archive("alpha")
        )
        download = send(url, sent.json()["downloadUrl"].removeprefix(url))
        process.send_signal(number)
        ended = process.wait(20)

    assert (sent.status, download.status, ended) == (201, 200, 0)
    with running_registry(tmp_path) as _other, running_registry(tmp_path / "none"):
        pass
    process, url = started(tmp_path / "data")
    with process:
        document = send(url, "/api/v1/skills/alpha").json()
        process.kill()
    assert document["downloads"] == 1


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    token = tokens.create(tmp_path, "ada")
    headers = OCTETS | {"Authorization": f"Bearer {token}"}
    process, url = started(tmp_path)
    with process:
        send(url, "/api/v1/skills", method="POST", headers=headers, body=skill_archive("alpha"))
        process.kill()

    process, url = started(tmp_path)
    with process:
        document = send(url, "/api/v1/skills/alpha").json()
        archive = send(url, document["downloadUrl"].removeprefix(url))
        process.kill()

    assert archive.body == skill_archive("alpha")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(CannotListen, match=f"cannot listen on 127.0.0.1:{port}: "):
            run.serve(tmp_path, "127.0.0.1", port)


@pytest.mark.parametrize("text", ["", "example.org", 'https://x"y', "ftp://x", "javascript:x"])
def test_a_public_address_is_http(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidPublicUrl, match="is not the address of a registry"):
        run.serve(tmp_path, "127.0.0.1", 0, public_url=text)


def test_a_token_is_shown_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    token = tokens.create(tmp_path, "ada")

    (row,) = tokens.listing(tmp_path)
    assert token.startswith("spm_")
    assert len(token) == 47
    assert (row.account, row.revoked_at) == ("ada", None)
    assert set(row.as_document()) == {"identifier", "account", "createdAt", "revokedAt"}
    assert all(
        token.encode() not in file.read_bytes() for file in tmp_path.iterdir() if file.is_file()
    )


def test_a_revoked_token_stops_working_while_the_server_runs(tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry:
        (row,) = tokens.listing(registry.data)

        tokens.revoke(registry.data, row.identifier)

        headers = OCTETS | {"Authorization": f"Bearer {registry.token}"}
        reply = send(registry.url, "/api/v1/skills", method="POST", headers=headers, body=b"x")
        assert reply.error == (401, "unauthorised", "the token is unknown or revoked")
        assert tokens.listing(registry.data)[0].revoked_at is not None


def test_unknown_tokens_and_impossible_accounts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownToken, match="no token has the identifier `nope`"):
        tokens.revoke(tmp_path, "nope")
    for account in ("", "a b", "-x", "x" * 65, "a\nb"):
        with pytest.raises(InvalidAccount, match="is not 1 to 64 letters"):
            tokens.create(tmp_path, account)
    assert tokens.listing(tmp_path) == []
