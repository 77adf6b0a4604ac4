"""From a policy to the one sandbox that enforces it (pure).

A plan is complete: everything that will be visible, usable or limited is in it, so it
can be shown to a person before it is run. What this version cannot enforce is refused
here, never weakened.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from spm_sandbox.confinement import Bind, Confinement, Rlimits
from spm_sandbox.errors import RuntimeMissing, SandboxUnavailable, UngrantablePath

if TYPE_CHECKING:
    from collections.abc import Mapping

    from spm_spec.policy import Policy

Runtime = Literal["python", "typescript", "executable"]
Tier = Literal["strong"]

SKILL_FOLDER = "/skill"
PROJECT_FOLDER = "/project"
WORKER_FOLDER = "/spm"
NO_PROCESSES = f"{WORKER_FOLDER}/no-processes.bpf"

_PROTECTED = ("/", SKILL_FOLDER, WORKER_FOLDER, "/proc", "/dev", "/tmp", "/usr", "/etc")  # noqa: S108
_NEVER_BELOW = (SKILL_FOLDER, WORKER_FOLDER, "/proc", "/dev")
_HOME = "/tmp"  # noqa: S108 - inside, /tmp is private
_FIXED_ENVIRONMENT = {
    "HOME": _HOME,
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "TMPDIR": _HOME,
}
# An address space is larger than the memory used in it: mapped libraries, thread stacks.
_ADDRESS_SPACE_BEYOND_MEMORY = 256 << 20
_OWN_PROCESSES = 2  # pid 1 and the worker


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that runs workers: where it is inside, and what must be bound for it.

    ``libraries`` is the folder for the dynamic linker, empty if it finds all by itself.
    """

    command: str
    binds: tuple[Bind, ...] = ()
    hidden: tuple[str, ...] = ()
    libraries: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be enforced, by which tier, and what the worker does with itself."""

    confinement: Confinement
    tier: Tier
    forbids_processes: bool
    output_bytes: int

    @property
    def filters(self) -> int:
        """How many system-call filters the worker must attest."""
        return 2 if self.forbids_processes else 1


def plan_for(
    policy: Policy,
    runtime: Runtime,
    *,
    tree: str,
    interpreter: Interpreter,
    environment: Mapping[str, str] | None = None,
    real_paths: Mapping[str, str] | None = None,
) -> Plan:
    """Return the plan for one call of a skill whose files are at ``tree``.

    ``policy`` is what was granted. ``environment`` is the host's; only the granted
    names are taken from it. ``real_paths`` says where on the host the granted paths are.
    A script is a program, so the runtime ``executable`` may
    always start processes inside; Python tools only where the policy says so.

    Raises:
        SandboxUnavailable: hosts of the network were granted.
        RuntimeMissing: ``typescript``.
        UngrantablePath: a granted path is relative or covers the sandbox's own.
    """
    _refuse_what_is_not_there_yet(policy, runtime)
    forbids = runtime == "python" and not policy.subprocess
    leads_to = real_paths or {}
    grants = [_grant(path, leads_to.get(path, path), "read") for path in policy.read]
    grants += [_grant(path, leads_to.get(path, path), "write") for path in policy.write]
    limits = policy.limits
    confinement = Confinement(
        binds=(
            *interpreter.binds,
            Bind(tree, SKILL_FOLDER, execute=True),
            *sorted(grants, key=lambda bind: PurePosixPath(bind.destination).parts),
        ),
        hidden=interpreter.hidden,
        scratch_bytes=limits.scratch_bytes,
        rlimits=Rlimits(
            address_space=limits.memory_bytes + _ADDRESS_SPACE_BEYOND_MEMORY,
            cpu_seconds=limits.cpu_seconds,
            processes=limits.processes + _OWN_PROCESSES,
            open_files=limits.open_files,
            file_bytes=limits.file_bytes,
        ),
        tree_memory=limits.memory_bytes,
        wall_seconds=limits.wall_seconds,
        working_folder=PROJECT_FOLDER if any(map(_is_in_project, grants)) else _HOME,
        command=_worker_command(interpreter, forbids_processes=forbids),
        environment=tuple(sorted(_environment(policy, interpreter, environment or {}).items())),
    )
    return Plan(confinement, "strong", forbids, limits.output_bytes)


def _refuse_what_is_not_there_yet(policy: Policy, runtime: Runtime) -> None:
    if policy.network:
        hosts = ", ".join(policy.network)
        raise SandboxUnavailable(
            "network",
            f"network access to {hosts} was granted, "
            "but this version cannot open single hosts to a sandbox",
            remedy="take the network out of the grant, or do the request outside the skill",
        )
    if runtime == "typescript":
        raise RuntimeMissing(
            "typescript",
            "this version runs Python tools and scripts only",
            hint="offer the tool as `src/*.py:function` or `scripts/*` too",
        )


def place_of(path: str) -> str:
    """Return where a granted path is shown inside.

    ``~/x`` is below the sandbox's home, a relative path below ``/project``, and an
    absolute one, which only a program that embeds spm can grant, at its own name.
    """
    if path.startswith("~/"):
        return str(PurePosixPath(_HOME, path.removeprefix("~/")))
    return str(PurePosixPath(PROJECT_FOLDER, path))


def _grant(path: str, leads_to: str, access: Literal["read", "write"]) -> Bind:
    destination = place_of(path)
    _check_grant(path, destination)
    _check_grant(path, leads_to)
    return Bind(str(PurePosixPath(leads_to)), destination, access)


def _check_grant(path: str, place: str) -> None:
    pure = PurePosixPath(place)
    if not pure.is_absolute() or ".." in pure.parts or path == "~":
        raise UngrantablePath(path, "must lead somewhere, and have no `..`")
    for protected in _PROTECTED:
        if PurePosixPath(protected).is_relative_to(pure):
            raise UngrantablePath(path, f"would cover {protected} of the sandbox")
    for folder in _NEVER_BELOW:
        if pure.is_relative_to(folder):
            raise UngrantablePath(path, f"{folder} belongs to the sandbox")


def _is_in_project(bind: Bind) -> bool:
    return PurePosixPath(bind.destination).is_relative_to(PROJECT_FOLDER)


def _environment(
    policy: Policy, interpreter: Interpreter, host: Mapping[str, str]
) -> dict[str, str]:
    granted = {name: host[name] for name in policy.environment if name in host}
    libraries = {"LD_LIBRARY_PATH": interpreter.libraries} if interpreter.libraries else {}
    return {**_FIXED_ENVIRONMENT, **granted, **libraries}


def _worker_command(interpreter: Interpreter, *, forbids_processes: bool) -> tuple[str, ...]:
    second_filter = repr(NO_PROCESSES) if forbids_processes else "None"
    program = (
        f"import sys; sys.path.insert(0, {WORKER_FOLDER!r}); "
        "from spm_sandbox.worker.bootstrap import main; "
        f"sys.path.remove({WORKER_FOLDER!r}); main({second_filter})"
    )
    return (interpreter.command, "-I", "-S", "-B", "-c", program)
