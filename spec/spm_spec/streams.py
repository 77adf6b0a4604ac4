"""Files whose bytes come in chunks, so that nobody has to hold a whole archive.

Who gives a stream keeps each chunk at most ``CHUNK_BYTES`` long; who takes one
consumes a file's chunks before asking for the next file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1024 * 1024  # the longest chunk of a stream


class Source(Protocol):
    """What is read from: a file opened in binary mode, or anything that seeks like one."""

    def read(self, size: int, /) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        ...

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to ``offset``; ``whence`` 0 counts from the start, 2 from the end."""
        ...


@dataclass(frozen=True, slots=True)
class StreamedFile:
    """One file on its way into a tree; ``path`` is relative, with ``/``.

    ``size`` is what ``chunks`` will add up to, or ``None`` where it is not known
    before. ``chunks`` can be consumed once; it raises what its giver raises when the
    bytes are not what they should be, so nothing is accepted before it has ended.
    """

    path: str
    executable: bool
    size: int | None
    chunks: Iterator[bytes]
