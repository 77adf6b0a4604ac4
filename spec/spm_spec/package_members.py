"""What every form of archive is reduced to, and what makes one unacceptable.

The readers of tar and zip yield ``Member`` values and raise ``Flaw``; the public face
in ``spm_spec.package`` turns them into validated files and one kind of refusal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from spm_spec.tree_names import InvalidTree, Limits, check_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RATIO = 100  # unpacked bytes for each byte of the archive, at most…
RATIO_FREE_BYTES = 1024 * 1024  # …above this size
WRAPPER_PATH_BYTES = 256  # a folder around the skill, with its slash


class Flaw(Exception):
    """Why an archive is not accepted: the kind, the place in it, the explanation."""

    def __init__(self, reason: str, explanation: str, path: str = "") -> None:
        """Keep the kind of refusal, what was wrong, and which member if any."""
        super().__init__(reason, explanation, path)
        self.reason = reason
        self.explanation = explanation
        self.path = path


@dataclass(frozen=True, slots=True)
class Member:
    """One file or directory of an archive; a directory has no data.

    ``chunks`` adds up to ``size`` bytes, or raises ``Flaw``.
    """

    path: str
    executable: bool
    is_directory: bool
    size: int
    chunks: Iterator[bytes]


class CheckedChunks:
    """The chunks of one file, whose flaws are refusals that nobody can pass over."""

    def __init__(
        self, chunks: Iterator[bytes], refusal: Callable[[Flaw | InvalidTree], Exception]
    ) -> None:
        """Give ``chunks``; ``refusal`` makes of a flaw what is raised."""
        self._chunks = chunks
        self._refusal = refusal
        self._refused: Exception | None = None

    def __iter__(self) -> CheckedChunks:
        """Return itself: chunks can be consumed once."""
        return self

    def __next__(self) -> bytes:
        """Return the next chunk, or raise the refusal, again and again."""
        if self._refused is not None:
            raise self._refused
        try:
            return next(self._chunks)
        except (Flaw, InvalidTree) as flaw:
            self._refused = self._refusal(flaw)
            raise self._refused from flaw

    def finish(self) -> None:
        """Pass over what is left, checking it."""
        for _ in self:
            pass


def expanded_limit(archive_bytes: int, limits: Limits) -> int:
    """Return the most bytes an archive of ``archive_bytes`` may unpack to.

    Room is left for what tar adds to each file: headers, a long name, padding.
    """
    total = limits.tree_bytes + 4096 * limits.entries + 1024 * 1024
    return min(total, max(RATIO_FREE_BYTES, RATIO * archive_bytes))


def member_path(raw: bytes, *, is_directory: bool, limits: Limits) -> str | None:
    """Return the checked path of a member; ``None`` for the archive's own ``./``.

    One leading ``./`` and, for a directory, one closing ``/`` are how ordinary tools
    write; anything else that is not a plain path is refused by ``check_path``.
    """
    try:
        path = raw.decode()
    except UnicodeDecodeError as error:
        raise Flaw("not-utf8", "a path is not UTF-8", ascii(raw[:120])) from error
    if is_directory and path.endswith("/"):
        path = path[:-1]
        if path == ".":
            return None
    path = path.removeprefix("./")
    wrapped = replace(
        limits,
        depth=limits.depth + 1,
        path_bytes=limits.path_bytes + WRAPPER_PATH_BYTES,
    )
    check_path(path, wrapped)
    return path
