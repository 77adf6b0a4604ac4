"""An installed skill, verified and ready for an agent.

Loading hashes the skill's whole tree again; what is handed out is what the lock
pins. Calling one of its tools goes through the sandbox, with the rights that
skills.toml grants and none besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from spm.listing import NotInstalled
from spm.matching import check_same_skill
from spm.shown import version_text
from spm_spec.errors import HostileDataError, SpmError, UserMistake
from spm_spec.names import SkillName
from spm_spec.policy import NOTHING
from spm_spec.skill import read_skill
from spm_store.folder import read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from spm.project import Project
    from spm.reach import Reach
    from spm_sandbox.adapters.model import Translation
    from spm_sandbox.loader import ToolResult
    from spm_spec.digests import Digest
    from spm_spec.lock import LockEntry
    from spm_spec.policy import Policy
    from spm_spec.skill import Skill, Tool
    from spm_store.store import Store

MAX_ARGUMENTS_BYTES = 8 * 1024 * 1024


class UnknownTool(UserMistake):
    """A tool is called that the skill does not have."""

    def __init__(self, skill: str, tool: str, tools: Sequence[str]) -> None:
        """List the ``tools`` it does have."""
        hint = f"its tools are {', '.join(tools)}" if tools else "it has instructions, but no tools"
        super().__init__(f"`{skill}` has no tool `{tool}`", hint=hint)


class PackagesNotProvided(UserMistake):
    """A tool needs PyPI packages, which this version puts into no sandbox."""

    def __init__(self, skill: str, tool: str, packages: Iterable[str]) -> None:
        """Name the ``packages`` that the skill declares."""
        super().__init__(
            f"`{tool}` of `{skill}` needs the PyPI packages {', '.join(sorted(packages))},"
            " which this version of spm does not provide to tools",
            hint="ask the author for a tool that needs the standard library alone",
        )


@dataclass(frozen=True, slots=True)
class Shape:
    """A skill as one framework wants it."""

    framework: str
    name: str
    version: str
    description: str
    instructions: str
    tools: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...]
    """What the framework cannot express, and what was done about it."""

    def as_document(self) -> dict[str, object]:
        """The JSON form that `spm load --json` prints."""
        return {
            "framework": self.framework,
            "name": self.name,
            "version": self.version,
            "description": self.description,
            "instructions": self.instructions,
            "tools": [dict(tool) for tool in self.tools],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class LoadedSkill:
    """One verified skill of a project."""

    skill: Skill
    version: str
    path: Path
    """Its tree in the store, read-only."""
    project: Path
    """The folder of skills.toml, which granted relative paths begin from."""
    granted: Policy
    """What it asked for and was granted."""
    denied: tuple[str, ...]
    """What it asked for and was not granted, in plain words."""
    environment: Mapping[str, str]
    explicit: Mapping[str, bytes]
    """The files of its `.skill/` folder by framework."""
    texts: Mapping[str, bytes]
    folders: frozenset[str]
    """Names in the project's folder, which tell whose agent is asking."""
    store: Store
    tree: Digest

    @property
    def name(self) -> str:
        """The skill's name."""
        return str(self.skill.name)

    @property
    def description(self) -> str:
        """What it does and when to use it."""
        return self.skill.description

    @property
    def instructions(self) -> str:
        """The body of SKILL.md."""
        return self.skill.body

    def instructions_for(self, framework: str) -> str:
        """The instructions written for ``framework``, or those of SKILL.md."""
        family = framework.partition("-")[0]
        for wanted in self.skill.frameworks:
            if wanted.name in {framework, family} and wanted.instructions_file is not None:
                data = self.texts.get(wanted.instructions_file)
                if data is not None:
                    return data.decode("utf-8", errors="replace")
        return self.skill.body

    def shape(self, framework: str | None = None) -> Shape:
        """The skill for ``framework``, or for the one that seems to be asking.

        Raises:
            UnknownFramework: nobody knows that framework.
        """
        from spm_sandbox.adapters import detect_framework

        chosen = detect_framework(framework, self.environment, self.folders)
        translation = self._translated(chosen)
        return Shape(
            framework=chosen,
            name=self.name,
            version=self.version,
            description=self.description,
            instructions=self.instructions_for(chosen),
            tools=tuple(translation.payload),
            notes=tuple(str(note) for note in translation.notes),
        )

    def _translated(self, framework: str) -> Translation:
        from spm_sandbox.adapters import adapter_for

        return adapter_for(framework).tools(
            self.skill, self.explicit.get(framework.partition("-")[0])
        )

    def tool(self, name: str) -> Tool:
        """The tool called ``name``.

        Raises:
            UnknownTool: there is none.
        """
        for tool in self.skill.tools:
            if tool.name == name:
                return tool
        raise UnknownTool(self.name, name, [tool.name for tool in self.skill.tools])

    def call_now(
        self, tool: str, arguments: Mapping[str, object], *, timeout: float | None = None
    ) -> ToolResult:
        """Call ``tool`` in the sandbox and wait for its answer.

        Raises:
            UnknownTool: there is no such tool.
            PackagesNotProvided: the skill needs PyPI packages.
            InvalidArguments: the arguments do not fit the tool's schema.
            SandboxUnavailable: this host cannot enforce the sandbox; nothing was run.
            ToolFailed: the skill's own code failed.
            LimitExceeded: it used more than it was granted.
            TreeDamaged: its files were changed since it was loaded.
        """
        from spm_sandbox.loader import Loader

        meant = self.tool(tool)
        if meant.runtime == "python" and self.skill.python_requirements:
            raise PackagesNotProvided(self.name, tool, self.skill.python_requirements)
        # The tree is held, and hashed once more, for as long as its code runs.
        purpose = f"running {self.name} of {self.project}"
        with (
            self.store.pinned(self.tree, purpose) as pinned,
            Loader(project=self.project) as loader,
        ):
            return loader.call(pinned.path, meant, arguments, self.granted, timeout=timeout)

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, object],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  # the sandbox ends the call, not the loop
    ) -> ToolResult:
        """Call ``tool`` without blocking the event loop; raises what `call_now` raises."""
        from asyncio import to_thread

        return await to_thread(self.call_now, tool, arguments, timeout=timeout)

    async def answer(
        self, message: Mapping[str, object], framework: str | None = None
    ) -> dict[str, object]:
        """Run the call in a framework's ``message`` and return that framework's result.

        A refusal or a failure of the tool becomes the framework's error result, so
        that the model reads it. Hostile data is never an answer: it raises.

        Raises:
            InvalidCall, UnknownTool: the message is no call of a tool of this skill.
            ProtocolViolation: the sandboxed process lied and was killed.
        """
        from asyncio import to_thread

        return await to_thread(self.answer_now, message, framework)

    def answer_now(
        self, message: Mapping[str, object], framework: str | None = None
    ) -> dict[str, object]:
        """Do what `answer` does, and wait for it."""
        from spm_sandbox.adapters import adapter_for, detect_framework
        from spm_sandbox.adapters.calls import invocation_of

        adapter = adapter_for(detect_framework(framework, self.environment, self.folders))
        call = adapter.call(message)
        meant = invocation_of(call, [self.skill])
        try:
            result = self.call_now(meant.tool.name, meant.arguments)
        except HostileDataError:
            raise
        except SpmError as error:
            return adapter.result(call, None, error.message)
        return adapter.result(call, result.value, None)


def load_skill(project: Project, name: str, reach: Reach) -> LoadedSkill:
    """Verify and read one installed skill.

    Raises:
        NotInstalled: the project's lock has no such skill, or it was never installed.
        TreeDamaged: its files are not what the lock pins.
        NotTheLockedSkill: the lock was edited to say something else of them.
    """
    lock = project.lock()
    entries = {entry.name: entry for entry in lock.entries} if lock is not None else {}
    entry = next((entry for key, entry in entries.items() if key == name), None)
    if entry is None:
        raise NotInstalled(name, list(entries))
    store = reach.store()
    with store.pinned(entry.tree, f"loading {name} of {project.root}") as tree:
        return _loaded(project, entry, tree.path, reach, store)


def _loaded(
    project: Project, entry: LockEntry, path: Path, reach: Reach, store: Store
) -> LoadedSkill:
    files = {file.path: file.data for file in read_folder(path, everything=True)}
    reading = read_skill(files, folder=entry.name)
    if reading.skill is None:
        raise UserMistake(f"`{entry.name}` does not load", hint=f"see `spm check {path}`")
    check_same_skill(entry, reading.skill)
    granted = project.manifest().grants.get(SkillName(entry.name), NOTHING)
    return LoadedSkill(
        skill=reading.skill,
        version=version_text(entry),
        path=path,
        project=project.root,
        granted=entry.policy.granted_by(granted),
        denied=entry.policy.beyond(granted),
        environment=reach.environment,
        explicit={framework: files[file] for framework, file in _EXPLICIT.items() if file in files},
        texts=files,
        folders=frozenset(item.name for item in project.root.iterdir() if item.is_dir()),
        store=store,
        tree=entry.tree,
    )


_EXPLICIT = {
    "claude": ".skill/anthropic.json",
    "openai": ".skill/openai.json",
    "google": ".skill/google.json",
}


def parse_arguments(text: str) -> Mapping[str, object]:
    """The JSON object that a person typed as a tool's arguments.

    Raises:
        UserMistake: it is no JSON, or no object.
    """
    import json

    if len(text) > MAX_ARGUMENTS_BYTES:
        raise UserMistake(f"the arguments are larger than {MAX_ARGUMENTS_BYTES} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserMistake(
            f"the arguments are not JSON: {error}", hint="""for example '{"text": "hello"}'"""
        ) from error
    if not isinstance(value, dict):
        raise UserMistake("the arguments are not a JSON object", hint="""for example '{}'""")
    return cast("dict[str, object]", value)
