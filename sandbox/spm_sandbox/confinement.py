"""What a launcher must enforce, as plain values that travel to it as JSON.

The launcher knows nothing of skills and policies; it makes exactly this, or fails.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Bind:
    """A folder or file of the host, shown at ``destination``."""

    source: str
    destination: str
    access: Literal["read", "write"] = "read"
    execute: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Rlimits:
    """Limits of each process, in bytes, seconds and pieces."""

    address_space: int
    cpu_seconds: int
    processes: int
    open_files: int
    file_bytes: int


@dataclass(frozen=True, slots=True)
class Confinement:
    """One sandbox: what is visible, what may be used, what runs in it.

    ``hidden`` folders are covered with an empty one. ``tree_memory`` bounds what all
    processes together hold in memory, ``wall_seconds`` how long the sandbox lives.
    """

    binds: tuple[Bind, ...]
    hidden: tuple[str, ...]
    scratch_bytes: int
    rlimits: Rlimits
    tree_memory: int
    wall_seconds: float
    working_folder: str
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    outside_user: int = 65534

    def as_document(self) -> dict[str, Any]:
        """Return the JSON shape that ``confinement_from`` reads."""
        return asdict(self)


def confinement_from(document: Mapping[str, Any]) -> Confinement:
    """Read what ``Confinement.as_document`` wrote; the document is our own, not a stranger's."""
    return Confinement(
        binds=tuple(Bind(**bind) for bind in document["binds"]),
        hidden=tuple(document["hidden"]),
        scratch_bytes=document["scratch_bytes"],
        rlimits=Rlimits(**document["rlimits"]),
        tree_memory=document["tree_memory"],
        wall_seconds=document["wall_seconds"],
        working_folder=document["working_folder"],
        command=tuple(document["command"]),
        environment=tuple((name, value) for name, value in document["environment"]),
        outside_user=document["outside_user"],
    )
