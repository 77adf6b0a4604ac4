"""A port on loopback that notices whoever reaches it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Generator

POLL_SECONDS = 0.2


class Listener:
    """Accepts connections, counts them and closes them."""

    def __init__(self, server: socket.socket) -> None:
        """Listen with ``server``, which is bound to a port already."""
        self.port = cast("int", server.getsockname()[1])
        self.reached = 0
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._accept)

    def start(self) -> None:
        """Begin to accept."""
        self._server.settimeout(POLL_SECONDS)
        self._thread.start()

    def stop(self) -> None:
        """Accept what is waiting, and nothing after it."""
        self._stopped.set()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                if self._stopped.is_set():
                    return
                continue
            self.reached += 1
            connection.close()


@contextmanager
def listener() -> Generator[Listener]:
    """A listener on a free port until the end of the block; its count is final after it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listening = Listener(server)
        listening.start()
        try:
            yield listening
        finally:
            listening.stop()


def answers(url: str) -> bool:
    """Whether anybody listens where ``url`` leads."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except OSError:
        return False
    return True
