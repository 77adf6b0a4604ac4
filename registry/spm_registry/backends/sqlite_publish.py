"""The publish transaction on SQLite: ownership, uniqueness, document, tags, search words.

`publish` runs inside ``BEGIN IMMEDIATE``, so that nothing it reads can change before it
writes; the unique constraints of the tables stand behind it all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from spm_registry.backends import sqlite_search, tables
from spm_registry.backends.documents import about_text, newest, release_body, version_key
from spm_registry.wire import instant_text
from spm_spec.versions import Version

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.ext.asyncio import AsyncConnection

    from spm_registry.backends.database import Submission, Verdict


async def standing(
    connection: AsyncConnection, submission: Submission, account: str
) -> Verdict | None:
    """Return why the submission cannot become a new release, or ``None``."""
    skill, release = tables.skills.c, tables.releases.c
    found = select(skill.id, skill.owner).where(skill.name == submission.about.name)
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        return None
    skill_id, owner = row
    if owner != account:
        return "name-taken"
    key = version_key(str(submission.release.version))
    taken = await connection.scalar(
        select(release.archive_sha256).where(
            release.skill_id == skill_id, release.version_key == key
        )
    )
    if taken is None:
        return None
    same = taken == submission.release.archive_sha256
    return "already-published" if same else "version-taken"


async def publish(
    connection: AsyncConnection, submission: Submission, account: str, now: datetime
) -> Verdict:
    """Make the rows of one release, or change nothing and say why."""
    refusal = await standing(connection, submission, account)
    if refusal is not None:
        return refusal
    moment = instant_text(now)
    skill_id, created_at = await _skill_row(connection, submission, account, moment)
    await connection.execute(
        insert(tables.releases).values(
            skill_id=skill_id,
            version=str(submission.release.version),
            version_key=version_key(str(submission.release.version)),
            archive_sha256=submission.release.archive_sha256,
            entry=submission.release.to_json().decode(),
            about=about_text(submission.about),
            account=account,
        )
    )
    is_newest = await _write_documents(connection, skill_id, submission, created_at, moment)
    if is_newest:
        await _describe(connection, skill_id, submission)
    return "published"


async def _skill_row(
    connection: AsyncConnection, submission: Submission, account: str, moment: str
) -> tuple[int, str]:
    skill = tables.skills.c
    found = select(skill.id, skill.created_at).where(skill.name == submission.about.name)
    row = (await connection.execute(found)).one_or_none()
    if row is not None:
        return row[0], row[1]
    made = await connection.execute(
        insert(tables.skills)
        .values(
            name=submission.about.name,
            owner=account,
            body="",
            summary="",
            created_at=moment,
            updated_at=moment,
        )
        .returning(skill.id)
    )
    return made.scalar_one(), moment


async def _write_documents(
    connection: AsyncConnection, skill_id: int, submission: Submission, created: str, moment: str
) -> bool:
    """Store the skill's body and summary; say whether this release is the newest."""
    release = tables.releases.c
    rows = await connection.execute(
        select(release.version, release.entry).where(release.skill_id == skill_id)
    )
    entries = {version: entry for version, entry in rows}  # noqa: C416  # rows are no pairs to mypy
    first = newest(list(entries))
    about = await connection.scalar(
        select(release.about).where(release.skill_id == skill_id, release.version == first)
    )
    if about is None:
        raise AssertionError("a release row without its text")
    ordered = [entries[text] for text in sorted(entries, key=Version.parse, reverse=True)]
    dates = (created, moment)
    summary = release_body(about, entries[first], [entries[first]], dates)
    body = release_body(about, entries[first], ordered, dates)
    await connection.execute(
        update(tables.skills)
        .where(tables.skills.c.id == skill_id)
        .values(body=body, summary=summary, updated_at=moment)
    )
    return first == str(submission.release.version)


async def _describe(connection: AsyncConnection, skill_id: int, submission: Submission) -> None:
    """Make tags and search words those of the newest version."""
    about = submission.about
    tags = tables.skill_tags
    await connection.execute(delete(tags).where(tags.c.skill_id == skill_id))
    if about.tags:
        rows = [{"skill_id": skill_id, "tag": tag} for tag in sorted(set(about.tags))]
        await connection.execute(insert(tags), rows)
    await sqlite_search.index(connection, skill_id, about)
