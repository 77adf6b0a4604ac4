"""Download counts, gathered in memory and written together."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from spm_registry.backends.database import DatabaseUnavailable

if TYPE_CHECKING:
    from spm_registry.backends.database import Database

WRITE_SECONDS = 1.0
"""How far behind the counters in documents may be; a crash loses at most this much."""
WAITING_LIMIT = 10_000
"""Different archives counted between two writes; more than these go uncounted."""

log = logging.getLogger("spm_registry")


class DownloadCounter:
    """Counts without ever making a download wait."""

    def __init__(self, database: Database) -> None:
        """Start with nothing counted."""
        self._database = database
        self._waiting: Counter[str] = Counter()
        self._task: asyncio.Task[None] | None = None

    def count(self, sha256: str) -> None:
        """Count one download of an archive."""
        if sha256 in self._waiting or len(self._waiting) < WAITING_LIMIT:
            self._waiting[sha256] += 1

    async def write(self) -> None:
        """Write what was counted; on failure it stays counted."""
        counted, self._waiting = self._waiting, Counter()
        if not counted:
            return
        try:
            await self._database.add_downloads(counted)
        except DatabaseUnavailable as error:
            self._waiting.update(counted)
            log.warning("download counts not written yet: %s", error.message)

    def start(self) -> None:
        """Write from now on, again and again."""
        self._task = asyncio.create_task(self._write_forever())

    async def stop(self) -> None:
        """Write a last time."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.write()

    async def _write_forever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await asyncio.shield(self.write())
