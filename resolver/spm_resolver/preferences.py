"""Which of several solutions is wanted; spec/resolver.md section 5 gives the order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.versions import Version


def _nothing_locked() -> Mapping[str, Version]:
    return {}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What to prefer where the requirements leave a choice.

    ``locked`` versions come first and may be yanked. ``prereleases`` names the
    packages whose pre-releases are candidates wherever the range holds them.
    ``lowest`` asks for the oldest versions instead of the newest.
    """

    locked: Mapping[str, Version] = field(default_factory=_nothing_locked)
    prereleases: frozenset[str] = frozenset()
    lowest: bool = False
