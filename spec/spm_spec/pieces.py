"""Exact numbers of bytes out of pieces of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_spec.package_members import Flaw

if TYPE_CHECKING:
    from collections.abc import Iterator


class Pieces:
    """Takes exact numbers of bytes from pieces; never holds more than was asked for.

    ``what`` names the whole in the refusal of an input that ends before.
    """

    def __init__(self, pieces: Iterator[bytes], what: str) -> None:
        """Start at the first byte of the first piece."""
        self._pieces = pieces
        self._what = what
        self._piece = b""
        self._position = 0

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        end = self._position + count
        if end <= len(self._piece):
            taken = self._piece[self._position : end]
            self._position = end
            return taken
        return b"".join(self.chunks(count))

    def chunks(self, count: int) -> Iterator[bytes]:
        """Yield the next ``count`` bytes, in chunks no longer than the pieces."""
        while count:
            if self._position == len(self._piece):
                self._next()
            chunk = self._piece
            if self._position or count < len(chunk):
                chunk = chunk[self._position : self._position + count]
            self._position += len(chunk)
            count -= len(chunk)
            yield chunk

    def rest(self) -> Iterator[bytes]:
        """Yield all that is left."""
        yield self._piece[self._position :]
        self._piece, self._position = b"", 0
        yield from self._pieces

    def _next(self) -> None:
        """Take the next piece that holds anything."""
        self._piece, self._position = b"", 0
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                raise Flaw("truncated", f"{self._what} ends early")
            self._piece = piece
