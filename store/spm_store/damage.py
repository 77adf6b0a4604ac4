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
]
"""``foreign-entry`` is a symlink, a device, or anything else the store never makes."""


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was stored."""

    kind: DamageKind
    path: Path
    digest: Digest
    """Of the tree it belongs to, or of the blob itself."""

    def __str__(self) -> str:
        """Return kind and place, for people."""
        return f"{self.kind}: {self.path}"
