"""Commands that change or read a project, from `init` to `path`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spm import console
from spm_spec.errors import EXIT_DONE, EXIT_NO, UserMistake

if TYPE_CHECKING:
    from spm.installation import InstallReport

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Offline = Annotated[
    bool, typer.Option("--offline", help="Use what this machine has; never open a connection.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace what stands in the way of a skill's link.")
]
RegistryOption = Annotated[
    str, typer.Option("--registry", metavar="URL", help="Use this registry as the default one.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    app.command("init")(init)
    app.command("add")(add)
    app.command("remove")(remove)
    app.command("lock")(lock)
    # A name after `install` is a habit from elsewhere; it gets an answer, not a usage error.
    app.command("install", context_settings={"allow_extra_args": True})(install)
    app.command("update")(update)
    app.command("list")(list_installed)
    app.command("tree")(tree)
    app.command("path")(path)
    app.command("status")(status)
    app.command("rollback")(rollback)


def init(
    registry: Annotated[
        str, typer.Option("--registry", metavar="URL", help="The project's default registry.")
    ] = "",
) -> None:
    """Make this folder a project: write skills.toml.

    Example: spm init --registry http://127.0.0.1:8080
    """
    from spm.beginning import start_project

    project = start_project(Path.cwd(), registry=registry or None)
    console.talk(f"made `{project.manifest_path.name}`; next: `spm add NAME`")


def add(
    requirements: Annotated[
        list[str],
        typer.Argument(
            help="NAME, NAME@RANGE, path:FOLDER or git+URL[@REF][#subdirectory=FOLDER]."
        ),
    ],
    registry: RegistryOption = "",
    offline: Offline = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Add skills to the project, lock them and install them.

    Example: spm add "csv-tools@^1.2" path:../my-skill
    """
    from asyncio import run

    from spm.manager import SkillManager

    manager = SkillManager(registry=registry, offline=offline)
    _report(run(manager.install(*requirements, force=force)), as_json=as_json)


def remove(
    names: Annotated[list[str], typer.Argument(help="The skills to drop.")],
    offline: Offline = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Drop skills, and whatever only they needed.

    Example: spm remove csv-tools
    """
    from asyncio import run

    from spm.manager import SkillManager

    _report(run(SkillManager(offline=offline).uninstall(*names, force=force)), as_json=as_json)


def lock(
    registry: RegistryOption = "",
    offline: Offline = False,
    as_json: AsJson = False,
) -> None:
    """Write skills.lock without installing.

    What the lock already pins stays as it is while it still fits; `spm update` moves it.

    Example: spm lock --json
    """
    from asyncio import run

    from spm.manager import SkillManager

    changes = run(SkillManager(registry=registry, offline=offline).lock())
    if as_json:
        console.put_document({"changes": [change.as_document() for change in changes]})
        return
    for change in changes:
        console.talk(str(change))
    console.talk("wrote `skills.lock`" if changes else "`skills.lock` is up to date")


def install(
    context: typer.Context,
    frozen: Annotated[
        bool,
        typer.Option(
            "--frozen", help="Install exactly the lock; fail if it differs from skills.toml."
        ),
    ] = False,
    profile: Annotated[
        str,
        typer.Option(
            "--profile", metavar="NAME", help="Install the lock there, not in the project."
        ),
    ] = "",
    registry: RegistryOption = "",
    offline: Offline = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Install what skills.lock pins.

    A profile belongs to no project and keeps its skills until it is removed: for CI
    images, and for skills of a whole machine.

    Example for CI: spm install --frozen
    """
    from asyncio import run

    from spm.manager import SkillManager

    if context.args:
        raise UserMistake(
            "`install` takes no names: it installs what skills.lock pins",
            hint=f"run `spm add {' '.join(context.args)}` to add to the project and install",
        )
    manager = SkillManager(registry=registry, offline=offline)
    if profile:
        _report(run(manager.install_profile(profile, force=force)), as_json=as_json)
        return
    _report(run(manager.install(frozen=frozen, force=force)), as_json=as_json)


def update(
    names: Annotated[
        list[str] | None, typer.Argument(help="The skills to move; none moves all.")
    ] = None,
    registry: RegistryOption = "",
    offline: Offline = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Move skills to the newest versions that fit.

    Example: spm update csv-tools
    """
    from asyncio import run

    from spm.manager import SkillManager

    manager = SkillManager(registry=registry, offline=offline)
    _report(run(manager.update(*(names or ()), force=force)), as_json=as_json)


def _report(report: InstallReport, *, as_json: bool) -> None:
    if as_json:
        console.put_document(report.as_document())
        return
    for change in report.changes:
        console.talk(str(change))
    for warning in report.warnings:
        console.warn(warning)
    done: list[str] = []
    if report.linked:
        origin = f"{report.downloaded} downloaded, {report.reused} from the store"
        done.append(f"installed {console.counted(len(report.linked), 'skill')} ({origin})")
    elif report.downloaded:
        done.append(f"stored {console.counted(report.downloaded, 'skill')} again")
    if report.unlinked:
        done.append(f"removed {console.counted(len(report.unlinked), 'skill')}")
    in_place = f"everything is in place ({console.counted(report.total, 'skill')})"
    console.talk(", ".join(done) or in_place)


def list_installed(as_json: AsJson = False) -> None:
    """List the skills installed in this project.

    Example: spm list --json
    """
    from spm.listing import put_installed

    put_installed(as_json=as_json)


def tree(as_json: AsJson = False) -> None:
    """Show which skill needs which, as skills.lock has it.

    Example: spm -C my-project tree
    """
    from spm.listing import draw_tree, locked_skills
    from spm.project import Project

    skills = locked_skills(Project.above(Path.cwd()))
    if as_json:
        console.put_document([skill.as_document() for skill in skills.values()])
        return
    for line in draw_tree(skills):
        console.put(line)


def path(
    name: Annotated[str, typer.Argument(help="An installed skill.")],
    as_json: AsJson = False,
) -> None:
    """Print the folder of an installed skill.

    Example: cat "$(spm path csv-tools)/SKILL.md"
    """
    from spm.listing import path_of

    found = path_of(name)
    if as_json:
        console.put_document({"name": name, "version": found.name, "path": str(found)})
    else:
        console.put(str(found))


def status(as_json: AsJson = False) -> int:
    """Say what is not as skills.lock has it; exit code 1 if anything is not.

    Example: spm status --json
    """
    from spm.project import Project
    from spm.reach import Reach
    from spm.status import status_of

    found = status_of(Project.here(), Reach.of())
    if as_json:
        console.put_document(found.as_document())
        return EXIT_DONE if found.is_clean else EXIT_NO
    for line in found.lines():
        console.put(console.printable(line))
    if found.is_clean:
        counted = console.counted(len(found.skills), "skill")
        console.talk(f"everything is as skills.lock has it ({counted})")
        return EXIT_DONE
    console.talk("`spm install` puts back what is missing, `--force` what was changed")
    return EXIT_NO


def rollback(force: Force = False, as_json: AsJson = False) -> None:
    """Go back to the skills, skills.toml and skills.lock before the last change.

    Twice goes back twice. Nothing is downloaded.

    Example: spm rollback
    """
    from asyncio import run

    from spm.manager import SkillManager

    done = run(SkillManager(offline=True).rollback(force=force))
    if as_json:
        console.put_document(done.as_document())
        return
    for change in done.changes:
        console.talk(str(change))
    counted = console.counted(done.total, "skill")
    console.talk(f"went back from generation {done.left} to {done.generation} ({counted})")
