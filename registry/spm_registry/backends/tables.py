"""The tables of a registry database, in SQLAlchemy Core.

``skills.body`` is the stored document of a skill, ``skills.summary`` the same with the
newest version alone. ``releases.version_key`` is the version without build metadata:
versions that differ in nothing else are the same version.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = 1

metadata = MetaData()

skills = Table(
    "skills",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("owner", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("updated_at", String, nullable=False),
    Column("downloads", Integer, nullable=False, default=0),
    Column("rating_total", Integer, nullable=False, default=0),
    Column("rating_count", Integer, nullable=False, default=0),
    Index("skills_by_update", "updated_at", "name"),
    Index("skills_by_downloads", "downloads", "name"),
)

releases = Table(
    "releases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("skill_id", Integer, ForeignKey("skills.id"), nullable=False),
    Column("version", String, nullable=False),
    Column("version_key", String, nullable=False),
    Column("archive_sha256", String, nullable=False, unique=True),
    Column("entry", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("account", String, nullable=False),
    Column("downloads", Integer, nullable=False, default=0),
    UniqueConstraint("skill_id", "version_key"),
)

skill_tags = Table(
    "skill_tags",
    metadata,
    Column("skill_id", Integer, ForeignKey("skills.id"), primary_key=True),
    Column("tag", String, primary_key=True),
    Index("skill_tags_by_tag", "tag", "skill_id"),
)

ratings = Table(
    "ratings",
    metadata,
    Column("skill_id", Integer, ForeignKey("skills.id"), primary_key=True),
    Column("account", String, primary_key=True),
    Column("stars", Integer, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("identifier", String, primary_key=True),
    Column("secret_hash", String, nullable=False, unique=True),
    Column("account", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("revoked_at", String, nullable=True),
)
