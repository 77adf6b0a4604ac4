"""The shape of every document as pydantic models; JSON Schemas are made from them.

A schema says what an editor can check while typing: keys, types, simple grammars. What
needs more than one value (order, completeness, digests of other files) is in the
parsers alone. Nothing else imports this module: the parsers do not need pydantic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from spm_spec.names import NAME_CHARACTERS, NAME_PATTERN
from spm_spec.policy_limits import BOUNDS

_HEX64 = "[0-9a-f]{64}"
_SEMVER = (
    r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
)

SizeText = Annotated[str, Field(pattern=r"^[0-9]{1,15} ?(B|KiB|MiB|GiB|kB|MB|GB)$")]
Name = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$", min_length=1, max_length=NAME_CHARACTERS)]
VersionText = Annotated[str, Field(pattern=_SEMVER, max_length=256)]
Range = Annotated[str, Field(min_length=1, max_length=1024)]
Sha256 = Annotated[str, Field(pattern=f"^{_HEX64}$")]
PrefixedSha256 = Annotated[str, Field(pattern=f"^sha256:{_HEX64}$")]
TreeDigest = Annotated[str, Field(pattern=f"^blake3:{_HEX64}$")]
HttpUrl = Annotated[str, Field(pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^@?#\s]+$", max_length=2048)]
HttpsUrl = Annotated[str, Field(pattern=r"^https://[A-Za-z0-9]", max_length=2048)]
GitUrl = Annotated[str, Field(pattern=r"^[A-Za-z]+://[!-~]+$", max_length=2048)]
Commit = Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})$")]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9._/+=,!-]+$", max_length=255)]
Folder = Annotated[str, Field(min_length=1, max_length=1024)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9]+([-._:+][a-z0-9]+)*$", max_length=64)]
Line = Annotated[str, Field(min_length=1, max_length=8192)]


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class _Strict(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", alias_generator=_kebab)


def _bound(key: str) -> Any:
    return Field(ge=BOUNDS[key].lowest, le=BOUNDS[key].highest)


class LimitsTable(_Strict):
    """Upper bounds of one call, see policy.md."""

    memory: Annotated[int, _bound("memory")] | SizeText = 0
    cpu: Annotated[int, _bound("cpu")] = 0
    wall: Annotated[int, _bound("wall")] = 0
    processes: Annotated[int, _bound("processes")] = 0
    open_files: Annotated[int, _bound("open-files")] = 0
    file_size: Annotated[int, _bound("file-size")] | SizeText = 0
    scratch: Annotated[int, _bound("scratch")] | SizeText = 0
    output: Annotated[int, _bound("output")] | SizeText = 0


class PolicyTable(_Strict):
    """What a skill asks for, or is granted, see policy.md."""

    network: Annotated[
        list[Annotated[str, Field(pattern=r"^[^*/\s]+:[1-9][0-9]{0,4}$")]], Field(max_length=64)
    ] = []
    read: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=64)] = []
    write: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=64)] = []
    environment: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]],
        Field(max_length=64),
    ] = []
    subprocess: bool = False
    limits: LimitsTable = Field(default_factory=LimitsTable)


class FromRegistry(_Strict):
    """A release of a registry."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    version: Range = "*"
    registry: Name = "default"


class FromPath(_Strict):
    """A folder beside or below the project."""

    path: Folder


class FromGit(_Strict):
    """A folder of a git repository."""

    git: GitUrl
    ref: Reference = "HEAD"
    subdirectory: Folder = "."


class RegistryTable(_Strict):
    """A registry and the names bound to it."""

    url: HttpUrl
    skills: list[Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*(-?\*)?$")]] = []


class Settings(_Strict):
    """How this project is installed."""

    link_mode: Literal["symlink", "copy", "reflink"] = "symlink"
    prerelease: list[Name] = []


class ManifestDocument(_Strict):
    """skills.toml: what a project asks for, see manifest.md."""

    skills: Annotated[
        dict[Name, Range | FromRegistry | FromPath | FromGit], Field(max_length=10_000)
    ] = {}
    registries: dict[Name, HttpUrl | RegistryTable] = {}
    hosts: dict[Name, VersionText] = {}
    overrides: dict[Name, Range] = {}
    constraints: dict[Name, Range] = {}
    settings: Settings = Field(default_factory=Settings)
    grants: dict[Name, PolicyTable] = {}


class LockedRegistry(_Strict):
    """A registry, and the root of trust its answers were checked against."""

    registry: HttpUrl
    root: PrefixedSha256 = ""


class LockedGit(_Strict):
    """A folder of a git repository at one commit."""

    git: GitUrl
    commit: Commit
    reference: Reference = ""
    subdirectory: Folder = ""


class Archive(_Strict):
    """The package file of a release."""

    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=10**12 - 1)]


class PythonTable(_Strict):
    """One PyPI distribution."""

    name: Word
    version: Annotated[str, Field(min_length=1, max_length=128)]
    marker: Annotated[str, Field(min_length=1, max_length=1024)] = ""
    hashes: Annotated[list[PrefixedSha256], Field(min_length=1)]


class _Entry(_Strict):
    name: Name
    tree: TreeDigest
    publisher: Commit = ""
    dependencies: list[Line] = []
    policy: PolicyTable = Field(default_factory=PolicyTable)
    python: list[PythonTable] = []


class ReleaseEntry(_Entry):
    """A release of a registry: version and archive are pinned."""

    version: VersionText
    source: LockedRegistry
    archive: Archive


class SourceEntry(_Entry):
    """A skill of a folder or a repository."""

    version: VersionText = ""
    source: LockedGit | FromPath


class LockDocument(_Strict):
    """skills.lock: what a project gets, see lock.md."""

    version: Literal[1]
    requirements: list[Line] = []
    overrides: list[Line] = []
    constraints: list[Line] = []
    prereleases: list[Name] = []
    hosts: dict[Name, VersionText] = {}
    skill: Annotated[list[ReleaseEntry | SourceEntry], Field(max_length=10_000)] = []


class InstalledEntry(BaseModel):
    """One installed skill; other programs may add fields."""

    name: Name
    version: Line
    installedAt: Line  # noqa: N815 - the written key
    source: Line
    checksum: TreeDigest


class IndexDocument(BaseModel):
    """.roundtable/skills/index.json, see installed.md."""

    installedSkills: list[InstalledEntry] = []  # noqa: N815 - the written key
    lastSyncTime: Line | None = None  # noqa: N815 - the written key


class FrontMatterDocument(_Strict):
    """The front matter of a SKILL.md that may be published, see skill.md."""

    name: Name
    description: Annotated[str, Field(min_length=1, max_length=1024)]
    license: str = ""
    compatibility: Annotated[str, Field(min_length=1, max_length=500)] = "any"
    metadata: dict[str, str | int | float | bool] = {}
    allowed_tools: str = ""


class FrameworkTable(_Strict):
    """A framework that the skill works with."""

    name: Name
    compatibility: Range = "*"
    instructions_file: Folder = ""


class ToolTable(_Strict):
    """Something the skill can be called to do."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: Annotated[str, Field(min_length=1)]
    entry: Annotated[
        str, Field(pattern=r"^([^:#]+\.py:[^:#]+|[^:#]+\.[jt]s#[^:#]+|scripts/[^:#]+)$")
    ]
    input: dict[str, Any] = {}
    runtime: Literal["python", "typescript", "executable"] = "python"


class Dependencies(RootModel[dict[Name, Range | int | float | dict[str, str]]]):
    """Skills and host packages by range; ``python`` may be a table of PyPI requirements."""

    model_config = ConfigDict(title="Dependencies")


class SkillDocument(_Strict):
    """skill.yaml of a skill that may be published, see skill.md."""

    version: VersionText
    name: Name = "skill"
    description: Annotated[str, Field(min_length=1, max_length=1024)] = "a skill"
    license: str = ""
    compatibility: Annotated[str, Field(min_length=1, max_length=500)] = "any"
    author: Annotated[str, Field(min_length=1, max_length=200)] = "unknown"
    repository: HttpsUrl = ""
    homepage: HttpsUrl = ""
    tags: Annotated[list[Word], Field(max_length=32)] = []
    capabilities: Annotated[list[Word], Field(max_length=32)] = []
    frameworks: Annotated[list[Name | FrameworkTable], Field(max_length=32)] = []
    dependencies: Dependencies = Field(default_factory=lambda: Dependencies({}))
    tools: Annotated[list[ToolTable], Field(max_length=128)] = []
    permissions: PolicyTable = Field(default_factory=PolicyTable)
    checksum: PrefixedSha256 = ""
    signing: dict[str, Any] = {}
