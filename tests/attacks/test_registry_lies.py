"""A registry that lies, stalls or floods: the client refuses and says so."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from spm_registry.client import RegistryClient
from spm_registry.download import ArchiveMismatch
from spm_registry.errors import RegistryRefused, RegistryUnreachable
from spm_registry.metadata_cache import FolderMetadataCache
from spm_registry.transport import Patience
from spm_registry.wire import DOCUMENT_BYTES, RegistryLied
from spm_spec.versions import Version
from tests.support.raw_http import lying_server, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import TypeVar

    Result = TypeVar("Result")

HASTY = Patience(connect=2, stall=1, total=1, attempts=2, first_pause=0.001, longest_pause=0.01)
ARCHIVE = b"the archive"
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


def ask(
    url: str,
    question: Callable[[RegistryClient], Awaitable[Result]],
    *,
    token: str | None = None,
    cache: FolderMetadataCache | None = None,
) -> Result:
    async def run() -> Result:
        async with RegistryClient(url, token=token, cache=cache, patience=HASTY) as client:
            return await question(client)

    return asyncio.run(run())


def document(**changes: Any) -> dict[str, Any]:
    """An honest document of `alpha` 1.0.0, with changes."""
    shared: dict[str, Any] = {
        "version": "1.0.0",
        "dependencies": {},
        "checksum": f"sha256:{SHA256}",
        "downloadUrl": f"/packages/{SHA256}.spm",
        "createdAt": "2026-11-23T00:00:00Z",
    }
    entry: dict[str, Any] = {
        "tree": "blake3:" + "0" * 64,
        "size": 11,
        "yanked": False,
        "permissions": {},
    }
    honest = shared | {
        "name": "alpha",
        "description": "Does something.",
        "author": None,
        "tags": [],
        "downloads": 0,
        "rating": None,
        "updatedAt": "2026-11-23T00:00:00Z",
        "homepage": None,
        "versions": [shared | entry],
    }
    return honest | changes


def entry(**changes: Any) -> list[dict[str, Any]]:
    """The one entry of `versions`, with changes."""
    return [document()["versions"][0] | changes]


def test_the_honest_document_of_these_tests_is_believed() -> None:
    with lying_server(lambda _path, _headers: reply(json.dumps(document()).encode())) as server:
        found = ask(server.url, lambda client: client.skill("alpha"))

    assert found is not None
    assert found.name == "alpha"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "beta"}, "asked for alpha, got beta"),
        ({"name": "../alpha"}, "name: "),
        ({"version": "1.0"}, "version: "),
        ({"version": "2.0.0"}, "versions has no entry for version 2.0.0"),
        ({"versions": []}, "versions: "),
        ({"versions": entry() + entry()}, "versions lists a version twice"),
        ({"versions": entry(checksum="sha256:" + "1" * 64)}, "checksum differs from the entry"),
        ({"versions": entry(tree="sha256:" + "0" * 64)}, "versions.0.tree: "),
        ({"versions": entry(size=-1)}, "versions.0.size: "),
        ({"versions": entry(size=2**40)}, "versions.0.size: "),
        ({"versions": entry(size="11")}, "versions.0.size: "),
        ({"versions": entry(yanked=0)}, "versions.0.yanked: "),
        ({"versions": {"1.0.0": {}}}, "versions: "),
        ({"dependencies": {"b": "^1"}}, "dependencies differs from the entry"),
        ({"checksum": "md5:0"}, "checksum: "),
        ({"checksum": f"sha256:{SHA256}\n"}, "checksum: "),
        ({"description": "x\x1b[2J"}, "description: "),
        ({"author": "\u202egnp.exe"}, "author: "),
        ({"tags": "data"}, "tags: "),
        ({"rating": float("nan")}, "rating: "),
        ({"rating": 6}, "rating: "),
        ({"downloads": True}, "downloads: "),
        ({"createdAt": 0}, "createdAt: "),
    ],
)
def test_a_document_that_breaks_a_rule_is_a_lie(changes: dict[str, Any], said: str) -> None:
    body = json.dumps(document(**changes)).encode()

    with (
        lying_server(lambda _path, _headers: reply(body)) as server,
        pytest.raises(RegistryLied) as caught,
    ):
        ask(server.url, lambda client: client.skill("alpha"))

    assert said in caught.value.message
    assert caught.value.message.startswith(f"{server.url}/api/v1/skills/alpha: ")
    assert "\x1b" not in caught.value.message


def test_another_version_than_the_one_asked_for_is_a_lie() -> None:
    body = json.dumps(document()).encode()
    version = Version.parse("1.0.1")

    with (
        lying_server(lambda _path, _headers: reply(body)) as server,
        pytest.raises(RegistryLied, match=r"asked for alpha 1\.0\.1, got alpha 1\.0\.0"),
    ):
        ask(server.url, lambda client: client.release("alpha", version))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"name": "' + b"x" * 10**6],
)
def test_what_is_no_document_is_a_lie(body: bytes) -> None:
    with (
        lying_server(lambda _path, _headers: reply(body)) as server,
        pytest.raises(RegistryLied),
    ):
        ask(server.url, lambda client: client.skill("alpha"))


def test_a_lie_is_not_kept_as_a_document_that_works(tmp_path: Path) -> None:
    """What is in the cache passes the same checks as what comes from the network."""
    cache = FolderMetadataCache(tmp_path)
    with lying_server(lambda _p, _h: reply(b"{}", headers={"ETag": '"x"'})) as server:
        for _ in range(2):
            with pytest.raises(RegistryLied):
                ask(server.url, lambda client: client.skill("alpha"), cache=cache)


def test_a_document_larger_than_the_cap_is_cut_off() -> None:
    def endless(_path: str, _headers: Mapping[str, str]) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(DOCUMENT_BYTES // 2**16 + 64):
            yield b" " * 2**16

    with lying_server(endless) as server, pytest.raises(RegistryLied, match="more than 8388608"):
        ask(server.url, lambda client: client.skill("alpha"))


def test_a_length_larger_than_the_cap_is_refused_before_reading() -> None:
    with (
        lying_server(lambda _p, _h: reply(headers={"Content-Length": str(2**40)})) as server,
        pytest.raises(RegistryLied, match="1099511627776 bytes, limit 8388608"),
    ):
        ask(server.url, lambda client: client.skill("alpha"))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_an_encoding_nobody_asked_for_is_refused(encoding: str) -> None:
    """A small answer must not become a large one."""
    headers = {"Content-Encoding": encoding}

    with (
        lying_server(lambda _path, _headers: reply(b"x", headers=headers)) as server,
        pytest.raises(RegistryLied, match="encoded"),
    ):
        ask(server.url, lambda client: client.skill("alpha"))


@pytest.mark.parametrize(
    ("sent", "error", "said"),
    [
        (b"the archivE", ArchiveMismatch, f"expected sha256 {SHA256}, got "),
        (b"the archive!", RegistryLied, "12 bytes, limit 11"),
        (b"the", RegistryLied, "expected 11 bytes, got 3"),
        (b"", RegistryLied, "expected 11 bytes, got 0"),
    ],
)
def test_other_bytes_than_promised_are_refused(
    sent: bytes, error: type[RegistryLied], said: str
) -> None:
    with (
        lying_server(lambda _path, _headers: reply(sent)) as server,
        pytest.raises(error) as caught,
    ):
        ask(server.url, lambda client: client.download_archive(SHA256, len(ARCHIVE)))

    assert said in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/packages/x.spm",
        "https://evil.example/x.spm",
        "//evil.example/x.spm",
        "file:///etc/passwd",
        "http://user@127.0.0.1/x.spm",
        "ht tp://x",
    ],
)
def test_an_archive_of_another_origin_is_not_fetched(address: str) -> None:
    body = json.dumps(document(downloadUrl=address, versions=entry(downloadUrl=address))).encode()

    async def fetch(client: RegistryClient) -> bytes:
        found = await client.skill("alpha")
        assert found is not None
        return await client.download(found.versions[0])

    with (
        lying_server(lambda _path, _headers: reply(body)) as server,
        pytest.raises(RegistryLied, match="is not an address of this registry"),
    ):
        ask(server.url, fetch)
    assert len(server.seen) == 1


def test_a_token_is_not_carried_to_another_origin_and_http_is_not_followed() -> None:
    with lying_server(lambda _path, _headers: reply()) as thief:
        elsewhere = {"Location": f"{thief.url}/api/v1/skills/alpha"}
        with (
            lying_server(lambda _p, _h: reply(status="302 Found", headers=elsewhere)) as server,
            pytest.raises(RegistryLied, match="which is not https"),
        ):
            ask(server.url, lambda client: client.skill("alpha"), token="secret")

    assert thief.seen == []
    assert server.seen[0][1]["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "location", ["", "file:///etc/passwd", "gopher://x", "http://[::1", "\x7f"]
)
def test_a_redirect_to_no_address_is_a_lie(location: str) -> None:
    def answer(path: str, _headers: Mapping[str, str]) -> Iterable[bytes]:
        return reply(status="302 Found", headers={"Location": location})

    with lying_server(answer) as server, pytest.raises(RegistryLied, match="redirects"):
        ask(server.url, lambda client: client.skill("alpha"))


def test_a_redirect_in_circles_ends() -> None:
    headers = {"Location": "/api/v1/skills/alpha"}

    with (
        lying_server(lambda _p, _h: reply(status="302 Found", headers=headers)) as server,
        pytest.raises(RegistryLied, match="redirects more than 5 times"),
    ):
        ask(server.url, lambda client: client.skill("alpha"))
    assert len(server.seen) == 6


def test_a_redirect_of_a_publish_is_not_followed() -> None:
    headers = {"Location": "/elsewhere"}

    with (
        lying_server(lambda _p, _h: reply(status="307 Moved", headers=headers)) as server,
        pytest.raises(RegistryLied, match="status 307 is no answer to this question"),
    ):
        ask(server.url, lambda client: client.publish(b"archive"), token="secret")
    assert len(server.seen) == 1


def test_an_answer_that_drips_is_cut_off_at_the_deadline() -> None:
    """Each piece comes in time, the whole never does."""
    import threading

    pause = threading.Event()

    def drip(_path: str, _headers: Mapping[str, str]) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        for _ in range(1000):
            pause.wait(0.05)
            yield b" "

    started = time.monotonic()
    with lying_server(drip) as server, pytest.raises(RegistryUnreachable) as caught:
        ask(server.url, lambda client: client.skill("alpha"))

    assert caught.value.what == "no whole answer within 1 s"
    assert time.monotonic() - started < 20


def test_a_retry_after_of_a_year_is_not_waited_for() -> None:
    headers = {"Retry-After": str(365 * 86400)}
    started = time.monotonic()

    with (
        lying_server(lambda _p, _h: reply(status="503 Busy", headers=headers)) as server,
        pytest.raises(RegistryUnreachable),
    ):
        ask(server.url, lambda client: client.skill("alpha"))
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    "raw",
    [
        [b"\x00\x01\x02\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10**6 + b"\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef"],
    ],
)
def test_what_is_no_http_is_an_error_of_ours(raw: list[bytes]) -> None:
    with (
        lying_server(lambda _path, _headers: raw) as server,
        pytest.raises((RegistryLied, RegistryUnreachable)),
    ):
        ask(server.url, lambda client: client.skill("alpha"))


def test_an_error_message_cannot_command_the_terminal() -> None:
    error: dict[str, Any] = {
        "kind": "forbidden",
        "message": "no\x1b[2J\u202e",
        "hint": "\x07",
        "problems": [],
    }
    body = json.dumps({"error": error}).encode()

    with (
        lying_server(lambda _path, _headers: reply(body, status="403 No")) as server,
        pytest.raises(RegistryRefused) as caught,
    ):
        ask(server.url, lambda client: client.skill("alpha"))

    assert caught.value.message.endswith("403 forbidden: no\\u001b[2J\\u202e")
    assert caught.value.hint == "\\u0007"
