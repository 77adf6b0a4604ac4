"""HTTP said by hand: a client that sends exactly what it is told, a server that lies."""

from __future__ import annotations

import http.client
import json
import socketserver
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """The body as JSON values."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """The status and the error document's kind and message."""
        error = self.json()["error"]
        return self.status, error["kind"], error["message"]


def send(
    url: str,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
) -> Reply:
    """Send one request; ``path`` goes out as it is."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, response.headers, response.read())
    finally:
        connection.close()


@dataclass(slots=True)
class Liar:
    """A server under a test's control, and what it was asked."""

    url: str = ""
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])


@contextmanager
def lying_server(
    answer: Callable[[str, Mapping[str, str]], Iterable[bytes]],
) -> Generator[Liar]:
    """Answer each request with the raw bytes ``answer(path, headers)`` gives, then hang up."""
    liar = Liar()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            words = self.rfile.readline(65536).decode("latin-1").split(" ")
            headers: dict[str, str] = {}
            while (line := self.rfile.readline(65536)) not in {b"\r\n", b""}:
                name, _, value = line.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            self.rfile.read(int(headers.get("content-length", "0")))
            path = words[1] if len(words) > 1 else ""
            liar.seen.append((path, headers))
            with suppress(OSError):
                for piece in answer(path, headers):
                    self.wfile.write(piece)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        liar.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield liar
        finally:
            server.shutdown()
            thread.join()


def reply(
    body: bytes = b"", *, status: str = "200 OK", headers: Mapping[str, str] | None = None
) -> list[bytes]:
    """Raw bytes of one whole answer."""
    lines = {"Content-Length": str(len(body)), "Connection": "close"} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return [f"HTTP/1.1 {status}\r\n{head}\r\n".encode(), body]
