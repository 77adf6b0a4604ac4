"""Listing and searching on SQLite: FTS5 with bm25 over name, tags and description.

Words come in already cut from the query text; each is quoted, so no part of FTS5's
query language can be reached. All words must match; if that finds nothing, any may.
The last word matches as a prefix, because it may still be being typed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Select,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    text,
)

from spm_registry.backends import tables
from spm_registry.backends.database import Found, Query, StoredSkill

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from spm_registry.backends.database import About

CREATE_INDEX = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS skill_words USING fts5("
    "name, tags, description, tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3 4')"
)
NAME_WEIGHT, TAGS_WEIGHT, DESCRIPTION_WEIGHT = 10.0, 5.0, 1.0

_words = table("skill_words", column("rowid"))
_skill = tables.skills.c
_at_least_one: ColumnElement[int] = func.max(_skill.rating_count, 1)
_ORDERS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "recent": (_skill.updated_at.desc(), _skill.name),
    "downloads": (_skill.downloads.desc(), _skill.name),
    "rating": (
        (cast(_skill.rating_total, Float) / _at_least_one).desc(),
        _skill.rating_count.desc(),
        _skill.name,
    ),
    "name": (_skill.name,),
}


async def index(connection: AsyncConnection, skill_id: int, about: About) -> None:
    """Make a skill found by the words of ``about`` and no others."""
    await connection.execute(
        text("DELETE FROM skill_words WHERE rowid = :skill"), {"skill": skill_id}
    )
    await connection.execute(
        text(
            "INSERT INTO skill_words (rowid, name, tags, description)"
            " VALUES (:skill, :name, :tags, :description)"
        ),
        {
            "skill": skill_id,
            "name": about.name,
            "tags": " ".join(about.tags),
            "description": about.description,
        },
    )


async def find(connection: AsyncConnection, query: Query) -> Found:
    """Return one page of summaries and the number of all that match."""
    if not query.words:
        return await _page(connection, query, None)
    found = await _page(connection, query, _match(query.words, " AND "))
    if found.total == 0 and len(query.words) > 1:
        return await _page(connection, query, _match(query.words, " OR "))
    return found


def _match(words: tuple[str, ...], joiner: str) -> str:
    quoted = ['"' + word.replace('"', '""') + '"' for word in words]
    return joiner.join(quoted) + " *"


async def _page(connection: AsyncConnection, query: Query, match: str | None) -> Found:
    chosen = _chosen(query, match)
    total = await connection.scalar(select(func.count()).select_from(chosen.subquery()))
    columns = (_skill.summary, _skill.downloads, _skill.rating_total, _skill.rating_count)
    page = chosen.with_only_columns(*columns, maintain_column_froms=True)
    page = page.order_by(*_order(query, match)).limit(query.limit).offset(query.offset)
    rows = await connection.execute(page)
    return Found(tuple(StoredSkill(*row) for row in rows), int(total or 0))


def _chosen(query: Query, match: str | None) -> Select[tuple[int]]:
    chosen = select(_skill.id)
    if match is not None:
        chosen = chosen.select_from(tables.skills.join(_words, _words.c.rowid == _skill.id))
        chosen = chosen.where(text("skill_words MATCH :match").bindparams(match=match))
    for tag in query.tags:
        tagged = select(tables.skill_tags.c.skill_id).where(tables.skill_tags.c.tag == tag)
        chosen = chosen.where(_skill.id.in_(tagged))
    return chosen


def _order(query: Query, match: str | None) -> tuple[ColumnElement[Any], ...]:
    if query.sort != "relevance":
        return _ORDERS[query.sort]
    if match is None:
        return _ORDERS["recent"]
    weights = f"{NAME_WEIGHT}, {TAGS_WEIGHT}, {DESCRIPTION_WEIGHT}"
    return (literal_column(f"bm25(skill_words, {weights})"), _skill.name)
