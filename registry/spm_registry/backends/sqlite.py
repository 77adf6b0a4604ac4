"""The embedded database: one SQLite file, one writer, any number of readers.

Write transactions start with ``BEGIN IMMEDIATE``: a transaction that reads first and
then wants to write cannot be made to wait, it fails. ``busy_timeout`` is set before
anything else, so that even switching to WAL waits for another process.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from sqlalchemy import BindParameter, bindparam, delete, event, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from spm_registry.backends import sqlite_publish, sqlite_search, tables
from spm_registry.backends.database import (
    DatabaseUnavailable,
    Found,
    Query,
    StoredSkill,
    Submission,
    TokenRow,
    Verdict,
)
from spm_registry.backends.documents import release_body, version_key

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

BUSY_MILLISECONDS = 10_000
READERS = 4
_STORED = (
    tables.skills.c.downloads,
    tables.skills.c.rating_total,
    tables.skills.c.rating_count,
)


class SqliteDatabase:
    """A `Database` in one file; ``path``'s folder must exist."""

    def __init__(self, path: Path) -> None:
        """Remember where the file is; nothing is opened yet."""
        self._path = path
        self._writer = _engine(path, begin="BEGIN IMMEDIATE", connections=1)
        self._readers = _engine(path, begin=None, connections=READERS)

    async def __aenter__(self) -> Self:
        """Make the tables where they are missing.

        Raises:
            DatabaseUnavailable: the file is not a registry's, or a newer spm wrote it.
        """
        try:
            async with self._write() as connection:
                await _check_schema(connection, self._path)
                await connection.run_sync(tables.metadata.create_all)
                await connection.execute(text(sqlite_search.CREATE_INDEX))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *failure: object) -> None:
        """Close every connection."""
        await self._readers.dispose()
        await self._writer.dispose()

    @asynccontextmanager
    async def _write(self) -> AsyncGenerator[AsyncConnection]:
        with _unavailable(self._path):
            async with self._writer.begin() as connection:
                yield connection

    @asynccontextmanager
    async def _read(self) -> AsyncGenerator[AsyncConnection]:
        with _unavailable(self._path):
            async with self._readers.connect() as connection:
                yield connection

    async def standing(self, submission: Submission, account: str) -> Verdict | None:
        """Look ahead without the lock."""
        async with self._read() as connection:
            return await sqlite_publish.standing(connection, submission, account)

    async def publish(self, submission: Submission, account: str, now: datetime) -> Verdict:
        """Record a release, its document and its search words in one transaction."""
        async with self._write() as connection:
            return await sqlite_publish.publish(connection, submission, account, now)

    async def skill(self, name: str) -> StoredSkill | None:
        """Read one row by its name."""
        query = select(tables.skills.c.body, *_STORED).where(tables.skills.c.name == name)
        async with self._read() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else StoredSkill(*row)

    async def release(self, name: str, version: str) -> StoredSkill | None:
        """Read one release and complete it with what its skill counts."""
        columns = (
            tables.releases.c.about,
            tables.releases.c.entry,
            tables.skills.c.created_at,
            tables.skills.c.updated_at,
        )
        query = (
            select(*columns, *_STORED)
            .join_from(tables.skills, tables.releases)
            .where(tables.skills.c.name == name)
            .where(tables.releases.c.version_key == version_key(version))
        )
        async with self._read() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        about, entry, created_at, updated_at, *counters = row
        return StoredSkill(release_body(about, entry, [entry], (created_at, updated_at)), *counters)

    async def find(self, query: Query) -> Found:
        """Search, or list when there are no words."""
        async with self._read() as connection:
            # The page and its total are of the same moment.
            await connection.exec_driver_sql("BEGIN")
            return await sqlite_search.find(connection, query)

    async def tags(self) -> Sequence[tuple[str, int]]:
        """Count by tag."""
        tag, count = tables.skill_tags.c.tag, func.count()
        query = select(tag, count).group_by(tag).order_by(count.desc(), tag)
        async with self._read() as connection:
            return [(row[0], row[1]) for row in await connection.execute(query)]

    async def count(self) -> tuple[int, int]:
        """Count both tables in one snapshot."""
        query = select(
            select(func.count()).select_from(tables.skills).scalar_subquery(),
            select(func.count()).select_from(tables.releases).scalar_subquery(),
        )
        async with self._read() as connection:
            row = (await connection.execute(query)).one()
        return row[0], row[1]

    async def add_downloads(self, by_archive: Mapping[str, int]) -> None:
        """Add all counters in one transaction."""
        archive: BindParameter[str] = bindparam("archive")
        more: BindParameter[int] = bindparam("more")
        release = tables.releases.c
        skill = select(release.skill_id).where(release.archive_sha256 == archive).scalar_subquery()
        rows = [{"archive": sha256, "more": number} for sha256, number in by_archive.items()]
        async with self._write() as connection:
            await connection.execute(
                update(tables.releases)
                .where(release.archive_sha256 == archive)
                .values(downloads=release.downloads + more),
                rows,
            )
            await connection.execute(
                update(tables.skills)
                .where(tables.skills.c.id == skill)
                .values(downloads=tables.skills.c.downloads + more),
                rows,
            )

    async def rate(self, name: str, account: str, stars: int) -> StoredSkill | None:
        """Replace the account's rating and take the sums again."""
        async with self._write() as connection:
            skill_id = await connection.scalar(
                select(tables.skills.c.id).where(tables.skills.c.name == name)
            )
            if skill_id is None:
                return None
            mine = (tables.ratings.c.skill_id == skill_id) & (tables.ratings.c.account == account)
            await connection.execute(delete(tables.ratings).where(mine))
            await connection.execute(
                insert(tables.ratings).values(skill_id=skill_id, account=account, stars=stars)
            )
            sums = select(func.sum(tables.ratings.c.stars), func.count()).where(
                tables.ratings.c.skill_id == skill_id
            )
            total, number = (await connection.execute(sums)).one()
            await connection.execute(
                update(tables.skills)
                .where(tables.skills.c.id == skill_id)
                .values(rating_total=total, rating_count=number)
            )
            query = select(tables.skills.c.body, *_STORED).where(tables.skills.c.id == skill_id)
            return StoredSkill(*(await connection.execute(query)).one())

    async def add_token(self, row: TokenRow, secret_hash: str) -> None:
        """Insert one row."""
        async with self._write() as connection:
            await connection.execute(
                insert(tables.tokens).values(
                    identifier=row.identifier,
                    secret_hash=secret_hash,
                    account=row.account,
                    created_at=row.created_at,
                )
            )

    async def account_of(self, secret_hash: str) -> str | None:
        """Look the hash up in its index; a hash leaks nothing through timing."""
        query = select(tables.tokens.c.account).where(
            tables.tokens.c.secret_hash == secret_hash, tables.tokens.c.revoked_at.is_(None)
        )
        async with self._read() as connection:
            account: str | None = await connection.scalar(query)
        return account

    async def tokens(self) -> Sequence[TokenRow]:
        """Read all rows."""
        token = tables.tokens.c
        query = select(token.identifier, token.account, token.created_at, token.revoked_at)
        async with self._read() as connection:
            rows = await connection.execute(query.order_by(token.created_at, token.identifier))
            return [TokenRow(*row) for row in rows]

    async def revoke_token(self, identifier: str, now: str) -> bool:
        """Set the moment once."""
        token = tables.tokens.c
        async with self._write() as connection:
            known = await connection.scalar(
                select(token.identifier).where(token.identifier == identifier)
            )
            await connection.execute(
                update(tables.tokens)
                .where(token.identifier == identifier, token.revoked_at.is_(None))
                .values(revoked_at=now)
            )
        return known is not None


def _engine(path: Path, *, begin: str | None, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}", pool_size=connections, max_overflow=0
    )

    def configure(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_MILLISECONDS}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "trusted_schema = OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(engine.sync_engine, "connect", configure)
    if begin is not None:
        statement = begin

        def start(connection: Connection) -> None:
            connection.exec_driver_sql(statement)

        event.listen(engine.sync_engine, "begin", start)
    return engine


class _unavailable:  # noqa: N801  # a context manager that reads as an adverb
    """Turn what SQLite says about files and locks into `DatabaseUnavailable`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Start watching."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Convert at the boundary."""
        if isinstance(error, (DBAPIError, TimeoutError)):
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseUnavailable(f"{self._path}: {reason}") from error


async def _check_schema(connection: AsyncConnection, path: Path) -> None:
    found = int(await connection.scalar(text("PRAGMA user_version")) or 0)
    if found > tables.SCHEMA_VERSION:
        raise DatabaseUnavailable(
            f"{path}: schema version {found}, this spm knows {tables.SCHEMA_VERSION}",
            hint="a newer spm wrote it; upgrade spm",
        )
    await connection.execute(text(f"PRAGMA user_version = {tables.SCHEMA_VERSION}"))
