"""What ``verify`` can find wrong with a store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from spm_spec.digests import Digest

DamageKind: TypeAlias = Literal[
    "missing-tree",
    "missing-file",
    "missing-blob",
    "wrong-bytes",
    "wrong-mode",
    "extra-file",
    "foreign-entry",
    "unreadable",
    "wrong-index",
    "wrong-link",
    "wrong-set",
]
"""``foreign-entry`` is a symlink, a device, or anything else the store never makes;
``wrong-link`` is a link of a shelf or a set that leads elsewhere or nowhere;
``wrong-set`` is a set whose listing is not that of its digest."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was stored."""

    kind: DamageKind
    path: Path
    digest: Digest | None
    """Of the tree it belongs to, or of the blob or set itself; None if of neither."""

    def __str__(self) -> str:
        """Return kind and place, for people."""
        return f"{self.kind}: {self.path}"
