"""Remembered documents are never older than a change made here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from spm_registry.backends.database import Database, StoredSkill
from spm_registry.server.documents import REMEMBER_SECONDS, Documents

if TYPE_CHECKING:
    from collections.abc import Callable


class Shelf:
    """A database of one skill that says how often it was asked."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.asked, self.during = 0, during

    async def skill(self, name: str) -> StoredSkill | None:
        self.asked += 1
        self.during()
        return None if name == "none" else StoredSkill(f"{{{self.asked}}}", 0, 0, 0)


def documents(shelf: Shelf, now: list[float]) -> Documents:
    return Documents(cast("Database", shelf), lambda: now[0])


def test_a_document_is_asked_for_once_a_moment() -> None:
    shelf, now = Shelf(), [10.0]
    remembering = documents(shelf, now)

    first = asyncio.run(remembering.skill("alpha"))
    again = asyncio.run(remembering.skill("alpha"))
    now[0] += REMEMBER_SECONDS
    later = asyncio.run(remembering.skill("alpha"))

    assert first is again
    assert later != first
    assert shelf.asked == 2


def test_a_change_is_seen_at_once_even_if_a_query_was_under_way() -> None:
    shelf, now = Shelf(during=lambda: remembering.forget("alpha")), [10.0]
    remembering = documents(shelf, now)
    asyncio.run(remembering.skill("alpha"))

    asyncio.run(remembering.skill("alpha"))

    assert shelf.asked == 2


def test_that_there_is_none_is_not_remembered() -> None:
    shelf, now = Shelf(), [10.0]
    remembering = documents(shelf, now)

    assert asyncio.run(remembering.skill("none")) is None
    assert asyncio.run(remembering.skill("none")) is None
    assert shelf.asked == 2
