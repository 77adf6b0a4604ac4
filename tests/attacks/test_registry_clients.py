"""Clients that attack a registry: it refuses in its error shape and goes on serving."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import pytest

from spm_registry.server.limits import Limits, Rate
from spm_registry.wire import ARCHIVE_BYTES
from tests.support.raw_http import send
from tests.support.registry_server import RunningRegistry, running_registry
from tests.support.skill_archives import skill_archive

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def registry(tmp_path: Path) -> Generator[RunningRegistry]:
    with running_registry(tmp_path) as running:
        running.publish(skill_archive("alpha", tags=["data"]))
        yield running
        assert send(running.url, "/api/v1/health").json()["skills"] == 1


@pytest.fixture
def strict(tmp_path: Path) -> Generator[RunningRegistry]:
    limits = Limits(reads=Rate(0.001, 3), writes=Rate(0.001, 3), request_seconds=0.3)
    with running_registry(tmp_path, limits=limits) as running:
        yield running


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""',
        "'",
        "*",
        "a*",
        "name:alpha",
        "alpha AND",
        "NEAR(alpha beta, 5)",
        "^alpha",
        "alpha - beta",
        "{name}:alpha",
        "alpha; DROP TABLE skills; --",
        "\0",
        "alpha\0beta",
        "%",
        "\\",
        "()" * 100,
        "e\u0301" * 100,
        "\U0001f600",
        "\u202ealpha",
        "a " * 1000,
        "x" * 5000,
        "-alpha",
        "OR",
        "NOT NOT",
    ],
)
def test_no_query_reaches_the_query_language_of_the_index(
    registry: RunningRegistry, query: str
) -> None:
    reply = send(registry.url, f"/api/v1/search?q={quote(query)}")

    assert reply.status == 200
    assert set(reply.json()) == {"skills", "total", "limit", "offset"}


def test_a_query_of_broken_text_and_one_that_is_too_long_are_answered(
    registry: RunningRegistry,
) -> None:
    assert send(registry.url, "/api/v1/search?q=%ff%fe").status == 200
    assert send(registry.url, "/api/v1/search?q=" + "x" * 10_000).status in {400, 414}
    assert send(registry.url, "/api/v1/skills?tags=%00").status == 400
    assert send(registry.url, "/api/v1/skills?tags=a'%20OR%201=1").json()["total"] == 0
    assert send(registry.url, "/api/v1/skills?limit=%D9%A1").status == 400


@pytest.mark.parametrize(
    "path",
    [
        "/packages/../registry.sqlite",
        "/packages/%2e%2e%2fregistry.sqlite",
        "/packages/" + "0" * 64 + "/../../registry.sqlite",
        "/packages/" + "A" * 64 + ".spm",
        "/packages/" + "0" * 64 + ".spm%00",
        "/packages/",
        "/api/v1/skills/..%2f..%2fregistry.sqlite",
        "/api/v1/skills/%00",
        "/api/v1/skills/ALPHA",
        "/api/v1/skills/alpha'--",
        "/api/v1/skills/" + "a" * 5000,
        "//etc/passwd",
        "/\\..\\..",
    ],
)
def test_no_path_leads_to_a_file(registry: RunningRegistry, path: str) -> None:
    reply = send(registry.url, path)

    assert reply.status in {400, 404}
    assert b"SQLite" not in reply.body


@pytest.mark.parametrize(
    "version", ["1", "latest", "1.0.0%0a", "%00", "9" * 500, "1.0.0-" + "a" * 400]
)
def test_a_version_that_is_none_is_refused(registry: RunningRegistry, version: str) -> None:
    status, kind, _ = send(registry.url, f"/api/v1/skills/alpha/{version}").error

    assert (status, kind) == (400, "bad-version")


def test_an_archive_larger_than_the_cap_is_refused_before_it_is_read(
    registry: RunningRegistry,
) -> None:
    parts = urlsplit(registry.url)
    head = (
        "POST /api/v1/skills HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {registry.token}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {ARCHIVE_BYTES + 1}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_is_not_read_for_a_stranger(registry: RunningRegistry) -> None:
    parts = urlsplit(registry.url)
    head = "POST /api/v1/skills HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_body_that_drips_is_cut_off(strict: RunningRegistry) -> None:
    parts = urlsplit(strict.url)
    head = (
        "POST /api/v1/skills HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {strict.token}\r\nContent-Type: application/octet-stream\r\n"
        "Content-Length: 1000\r\n\r\nx"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_address_that_asks_too_often_is_told_to_wait(strict: RunningRegistry) -> None:
    """No header can claim another address."""
    replies = [
        send(strict.url, "/api/v1/health", headers={"X-Forwarded-For": f"10.0.0.{number}"})
        for number in range(4)
    ]

    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert replies[-1].error[1] == "too-many-requests"
    assert int(replies[-1].headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"POST /api/v1/skills HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        (
            b"POST /api/v1/skills HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
    ],
)
def test_what_is_no_http_is_refused(registry: RunningRegistry, raw: bytes) -> None:
    parts = urlsplit(registry.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
        connection.sendall(raw)
        answer = connection.recv(65536)

    assert answer == b"" or answer.split(b" ")[1].startswith(b"4")


def test_a_host_header_cannot_break_a_document(registry: RunningRegistry) -> None:
    for host in ('x","name":"evil', "x/../..", "a b", "x@y"):
        reply = send(registry.url, "/api/v1/skills/alpha", headers={"Host": host})

        if reply.status == 200:
            assert reply.json()["downloadUrl"].startswith("/packages/")


def test_text_that_looks_like_a_download_address_stays_text(registry: RunningRegistry) -> None:
    """Documents are completed as text; a publisher must not be able to write into them."""
    text = 'x\\",\\"downloadUrl\\":\\"/packages/evil'
    headers = OCTETS | {"Authorization": f"Bearer {registry.token}"}
    archive = skill_archive("alpha", "2.0.0", description=text)
    sent = send(registry.url, "/api/v1/skills", method="POST", headers=headers, body=archive)

    document = send(registry.url, "/api/v1/skills/alpha").json()

    assert sent.status == 201
    assert document["description"] == 'x","downloadUrl":"/packages/evil'
    assert document["downloadUrl"].startswith(registry.url)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"stars": 0}',
        b'{"stars": 6}',
        b'{"stars": "5"}',
        b'{"stars": 1e99}',
        b"[" * 900,
    ],
)
def test_a_rating_that_is_none_is_refused(registry: RunningRegistry, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {registry.token}"}

    reply = send(
        registry.url, "/api/v1/skills/alpha/rating", method="PUT", headers=headers, body=body
    )

    assert reply.error[:2] == (422, "bad-rating")
    assert send(registry.url, "/api/v1/skills/alpha").json()["rating"] is None


def test_a_rating_too_large_is_refused(registry: RunningRegistry) -> None:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {registry.token}"}

    reply = send(
        registry.url,
        "/api/v1/skills/alpha/rating",
        method="PUT",
        headers=headers,
        body=b" " * 100_000,
    )

    assert reply.status == 413


@pytest.mark.parametrize("sent", [b"", b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nA"])
def test_a_connection_that_asks_nothing_whole_is_hung_up_on(tmp_path: Path, sent: bytes) -> None:
    """Headers that never end must not hold a connection for ever."""
    with running_registry(tmp_path, limits=Limits(idle_seconds=0.2)) as registry:
        parts = urlsplit(registry.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), 10) as connection:
            connection.sendall(sent)

            assert connection.recv(65536) == b""
