"""Documents of skills, remembered for a moment, so that a hot one costs no query.

Whoever changes a skill in this process makes it forgotten before answering; what other
processes change is seen after `REMEMBER_SECONDS` at the latest.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from spm_registry.backends.database import Database, StoredSkill

REMEMBER_SECONDS = 1.0
REMEMBER_COUNT = 1024
REMEMBER_CHARACTERS = 32 * 1024
"""A longer document is read from the database each time."""


class Documents:
    """The database's documents; ``clock`` is monotonic seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """Start with nothing remembered."""
        self._database, self._clock = database, clock
        self._remembered: OrderedDict[str, tuple[float, StoredSkill]] = OrderedDict()
        self._changes = 0

    async def skill(self, name: str) -> StoredSkill | None:
        """Return the document of a skill; that there is none is not remembered."""
        moment, stored = self._remembered.get(name, (0.0, None))
        if stored is not None and self._clock() - moment < REMEMBER_SECONDS:
            return stored
        changes, now = self._changes, self._clock()
        stored = await self._database.skill(name)
        # A change during the query may or may not be in its answer.
        if stored is not None and changes == self._changes:
            self._remember(name, now, stored)
        return stored

    def forget(self, name: str) -> None:
        """Read a skill again next time, and trust no query that is still under way."""
        self._changes += 1
        self._remembered.pop(name, None)

    def _remember(self, name: str, now: float, stored: StoredSkill) -> None:
        if len(stored.body) > REMEMBER_CHARACTERS:
            return
        self._remembered[name] = (now, stored)
        self._remembered.move_to_end(name)
        if len(self._remembered) > REMEMBER_COUNT:
            self._remembered.popitem(last=False)
