"""Commands that use a skill: load, call, demo."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from spm import console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    app.command("load")(load)
    app.command("call")(call)
    app.command("demo")(demo)


def load(
    name: Annotated[str, typer.Argument(help="An installed skill.")],
    framework: Annotated[
        str,
        typer.Option(
            "--for", metavar="FRAMEWORK", help="claude, openai or google; detected if left out."
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Print a skill in the shape of a framework.

    The skill's files are verified first.

    Example: spm load csv-tools --for openai --json
    """
    from spm.loaded import load_skill
    from spm.project import Project
    from spm.reach import Reach

    skill = load_skill(Project.here(), name, Reach.of())
    shape = skill.shape(framework or None)
    if as_json:
        console.put_document(shape.as_document())
        return
    console.put(console.printable(f"{skill.name} {skill.version} for {shape.framework}"))
    console.put(console.printable(skill.description))
    for tool in shape.tools:
        console.put_document(tool)
    for note in shape.notes:
        console.talk(f"note: {note}")


def call(
    name: Annotated[str, typer.Argument(help="An installed skill.")],
    tool: Annotated[str, typer.Argument(help="One of its tools.")],
    arguments: Annotated[
        str, typer.Argument(help="The arguments as a JSON object; `-` reads them from stdin.")
    ] = "{}",
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds the call may take.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Call a tool in the sandbox; print its result as JSON.

    Example: spm call csv-tools describe '{"text": "a,b"}'
    """
    from spm.loaded import load_skill, parse_arguments
    from spm.project import Project
    from spm.reach import Reach

    text = sys.stdin.read() if arguments == "-" else arguments
    skill = load_skill(Project.here(), name, Reach.of())
    result = skill.call_now(tool, parse_arguments(text), timeout=timeout)
    if result.stdout:
        console.talk(result.stdout.rstrip())
    if result.stderr:
        console.talk(result.stderr.rstrip())
    if as_json:
        console.put_document(
            {
                "skill": skill.name,
                "tool": tool,
                "result": result.value,
                "tier": result.tier,
                "seconds": round(result.seconds, 6),
                "stdout": result.stdout,
                "stderr": result.stderr,
            }
        )
    else:
        console.put_document(result.value)


def demo(
    keep: Annotated[
        str,
        typer.Option(
            "--keep", metavar="FOLDER", help="Work in this new folder and leave it there."
        ),
    ] = "",
) -> int:
    """Tell the whole story on this terminal, in a minute.

    Everything happens on loopback, in a folder that is removed afterwards.

    Exits non-zero if anything it claims did not happen.

    Example: spm demo --keep story
    """
    from spm.commands.serving import need_registry_extra
    from spm.demo.story import tell

    need_registry_extra()
    return tell(keep or None)
