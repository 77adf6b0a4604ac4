"""The JSON documents of the registry protocol, checked the same way in both directions.

The server builds these models before it stores or sends anything; the client reads a
registry's answer through them, so what one side may not send the other does not accept.
Nothing here knows HTTP, files or the clock. ``spec/registry.md`` is the normative text.

A document may carry fields this version does not know; they are ignored.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.functional_validators import AfterValidator

from spm_spec.digests import Digest
from spm_spec.errors import HostileDataError, SpmError
from spm_spec.names import parse_skill_name
from spm_spec.versions import Version

API = "/api/v1"
DOCUMENT_BYTES = 8 * 1024 * 1024
"""The largest JSON document either side sends or reads."""
ARCHIVE_BYTES = 64 * 1024 * 1024
"""The largest archive a registry takes or a client downloads."""

DESCRIPTION_CHARACTERS = 1024
LABEL_CHARACTERS = 256
"""The longest author or host package name."""
URL_CHARACTERS = 2048
TAG_CHARACTERS = 64
TAG_COUNT = 64
RANGE_CHARACTERS = 1024
DEPENDENCY_COUNT = 1024
VERSION_COUNT = 10_000
PAGE_DEFAULT = 20
PAGE_LIMIT = 100
OFFSET_LIMIT = 1_000_000
STARS_LIMIT = 5
_SHOWN_PROBLEMS = 3

# C0 and C1 controls except tab and line feed, and everything that reorders text on a screen.
_UNSAFE_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SURROGATES = re.compile(r"[\ud800-\udfff]")

Sort = Literal["recent", "downloads", "rating", "name", "relevance"]


class RegistryLied(HostileDataError):
    """A registry sent something no honest registry sends."""

    kind = "registry-lied"

    def __init__(self, url: str, what: str) -> None:
        """Name the registry (or the exact URL) and what it said."""
        super().__init__(
            f"{url}: {what}", hint="do not retry; ask whoever runs the registry what happened"
        )
        self.url, self.what = url, what


class InvalidDocument(HostileDataError):
    """A document of the protocol is not what ``spec/registry.md`` says it must be."""

    kind = "invalid-document"

    def __init__(self, origin: str, problems: tuple[str, ...]) -> None:
        """Keep every problem; the message shows the first few."""
        shown = "; ".join(problems[:_SHOWN_PROBLEMS])
        super().__init__(f"{origin}: not a document of the registry protocol: {shown}")
        self.origin, self.problems = origin, problems


def printable(text: str, limit: int) -> str:
    """Return ``text`` with control and bidi characters escaped, at most ``limit`` characters."""
    escaped = _UNSAFE_CHARACTERS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    escaped = _SURROGATES.sub("\ufffd", escaped)
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def _plain_text(text: str) -> str:
    if _UNSAFE_CHARACTERS.search(text):
        raise ValueError("has control or text-reordering characters")
    return text


def _name(text: str) -> str:
    try:
        return parse_skill_name(text)
    except SpmError as error:
        raise ValueError(error.message) from error


def _version(value: object) -> Version:
    if isinstance(value, Version):
        return value
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004  # pydantic collects ValueError alone
    try:
        return Version.parse(value)
    except SpmError as error:
        raise ValueError(error.message) from error


def _digest(value: object) -> Digest:
    if isinstance(value, Digest):
        return value
    if not isinstance(value, str):
        raise ValueError("is not text")  # noqa: TRY004  # pydantic collects ValueError alone
    try:
        return Digest.parse(value)
    except SpmError as error:
        raise ValueError(error.message) from error


def instant_text(instant: datetime) -> str:
    """Return a moment in UTC as the protocol writes it, to the second."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _instant(value: object) -> datetime:
    if isinstance(value, datetime) and value.utcoffset() == timedelta(0):
        return value
    if not isinstance(value, str) or _INSTANT.fullmatch(value) is None:
        raise ValueError("is not a moment in UTC like 2026-11-23T00:00:00Z")
    return datetime.fromisoformat(value)


SafeText = Annotated[str, AfterValidator(_plain_text)]
Label = Annotated[SafeText, Field(min_length=1, max_length=LABEL_CHARACTERS)]
Tag = Annotated[SafeText, Field(min_length=1, max_length=TAG_CHARACTERS)]
Url = Annotated[SafeText, Field(min_length=1, max_length=URL_CHARACTERS)]
Name = Annotated[str, AfterValidator(_name)]
RangeText = Annotated[SafeText, Field(max_length=RANGE_CHARACTERS)]
Checksum = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
VersionField = Annotated[
    Version,
    PlainValidator(_version),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "semver", "maxLength": 256}),
]
DigestField = Annotated[
    Digest,
    PlainValidator(_digest),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": "^blake3:[0-9a-f]{64}$"}),
]
Instant = Annotated[
    datetime,
    PlainValidator(_instant),
    PlainSerializer(instant_text),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": f"^{_INSTANT.pattern}$"}),
]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Document(BaseModel):
    """What every document shares: camelCase fields, no guessing at types, no change after."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="ignore",
        alias_generator=_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    def to_json(self) -> bytes:
        """Return the document as compact UTF-8 JSON, fields in the order of the class."""
        return self.model_dump_json().encode()

    def as_document(self) -> dict[str, Any]:
        """Return the document as plain JSON values with the field names of the protocol."""
        return self.model_dump(mode="json")


class ReleaseDocument(Document):
    """All a client needs to choose, fetch and check one version of a skill."""

    version: VersionField
    dependencies: dict[Label, RangeText] = Field(max_length=DEPENDENCY_COUNT)
    checksum: Checksum
    tree: DigestField
    size: int = Field(ge=1, le=ARCHIVE_BYTES)
    yanked: bool
    permissions: dict[str, Any]
    download_url: Url
    created_at: Instant

    @property
    def archive_sha256(self) -> str:
        """The 64 hexadecimal digits of the checksum."""
        return self.checksum.removeprefix("sha256:")


class SkillDocument(Document):
    """A skill as seen at one version; its fields are the fields of the public API.

    Asked for by name, ``version`` is the newest release and ``versions`` holds every
    release, newest first. In listings and when asked for by version, ``versions`` holds
    the one entry of ``version``.
    """

    name: Name
    version: VersionField
    description: Annotated[SafeText, Field(max_length=DESCRIPTION_CHARACTERS)]
    author: Label | None
    tags: tuple[Tag, ...] = Field(max_length=TAG_COUNT)
    downloads: int = Field(ge=0)
    rating: float | None = Field(ge=0, le=STARS_LIMIT)
    created_at: Instant
    updated_at: Instant
    homepage: Url | None
    dependencies: dict[Label, RangeText] = Field(max_length=DEPENDENCY_COUNT)
    checksum: Checksum
    download_url: Url
    versions: tuple[ReleaseDocument, ...] = Field(min_length=1, max_length=VERSION_COUNT)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> SkillDocument:
        """Refuse a version listed twice and top-level fields that contradict their entry."""
        entries = {entry.version: entry for entry in self.versions}
        if len(entries) != len(self.versions):
            raise ValueError("versions lists a version twice")
        entry = entries.get(self.version)
        if entry is None:
            raise ValueError(f"versions has no entry for version {self.version}")
        for field in ("checksum", "dependencies", "download_url"):
            if getattr(entry, field) != getattr(self, field):
                raise ValueError(f"{_camel(field)} differs from the entry of {self.version}")
        return self

    def release(self, version: Version) -> ReleaseDocument | None:
        """Return the entry of ``version``, or ``None``."""
        return next((entry for entry in self.versions if entry.version == version), None)


class SkillPage(Document):
    """One page of a listing or a search; ``total`` counts what matched on all pages."""

    skills: tuple[SkillDocument, ...] = Field(max_length=PAGE_LIMIT)
    total: int = Field(ge=0)
    limit: int = Field(ge=1, le=PAGE_LIMIT)
    offset: int = Field(ge=0)


class TagCount(Document):
    """A tag and how many skills carry it."""

    name: Tag
    count: int = Field(ge=1)


class TagPage(Document):
    """Every tag in use, the most used first."""

    tags: tuple[TagCount, ...]


class Health(Document):
    """What the registry says about itself."""

    status: Literal["ok"]
    skills: int = Field(ge=0)
    releases: int = Field(ge=0)


class RatingRequest(Document):
    """The body of a rating."""

    stars: int = Field(ge=1, le=STARS_LIMIT)


class Rating(Document):
    """The average of all ratings of a skill after one more was given."""

    rating: float = Field(ge=1, le=STARS_LIMIT)
    ratings: int = Field(ge=1)


class ErrorDetail(Document):
    """Why a request was refused; ``problems`` lists each thing to fix in a package."""

    kind: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    message: str
    hint: str | None = None
    problems: tuple[str, ...] = ()


class ErrorDocument(Document):
    """The one shape of every error body."""

    error: ErrorDetail


Model = TypeVar("Model", bound=Document)


def parse_document(model: type[Model], body: bytes, *, origin: str) -> Model:
    """Read ``body`` as ``model``; every document enters through here.

    Raises:
        InvalidDocument: the body is too large, is not JSON, or breaks a rule of the model.
    """
    if len(body) > DOCUMENT_BYTES:
        raise InvalidDocument(origin, (f"{len(body)} bytes, limit {DOCUMENT_BYTES}",))
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise InvalidDocument(origin, problems_of(error)) from error


def problems_of(error: ValidationError) -> tuple[str, ...]:
    """Return what is wrong, one `field: reason` a problem, without the values."""
    return tuple(
        printable(f"{'.'.join(map(str, detail['loc'])) or 'document'}: {detail['msg']}", 200)
        for detail in error.errors(include_url=False, include_context=False, include_input=False)
    )
