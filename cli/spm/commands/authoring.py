"""Commands for people who write skills: new, check, pack, publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spm import console
from spm_spec.errors import EXIT_DONE, EXIT_NO

if TYPE_CHECKING:
    from spm.checking import CheckedSkill

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
VersionOption = Annotated[
    str,
    typer.Option(
        "--version", metavar="VERSION", help="The version to give a skill that states none."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    app.command("new")(new)
    app.command("check")(check)
    app.command("pack")(pack)
    app.command("publish")(publish)


def new(
    name: Annotated[str, typer.Argument(help="The name of the skill, as in `csv-tools`.")],
    folder: Annotated[
        str, typer.Option("--in", metavar="FOLDER", help="Where to make its folder.")
    ] = ".",
    python: Annotated[
        bool, typer.Option("--python", help="Include a Python tool and its test.")
    ] = False,
) -> None:
    """Start a skill: a folder that passes `spm check`.

    Example: spm new csv-tools --python
    """
    from spm.scaffold import write_skill

    path = write_skill(Path(folder), name, with_python=python)
    console.talk(f"made `{path}`; next: edit SKILL.md, then `spm check {path}`")


def check(
    paths: Annotated[
        list[str], typer.Argument(help="Skill folders, folders of skills, or archives.")
    ],
    as_json: AsJson = False,
) -> int:
    """Say whether skills load and may be published.

    Exit code 0: all may be published; 1: some may not.

    Example: spm check skills/ --json
    """
    from spm.checking import check_paths

    checked = check_paths([Path(path) for path in paths])
    if as_json:
        console.put_document([entry.as_document() for entry in checked])
    else:
        for entry in checked:
            _put_checked(entry)
    return EXIT_DONE if all(entry.publishable for entry in checked) else EXIT_NO


def _put_checked(entry: CheckedSkill) -> None:
    verdict = (
        "may be published" if entry.publishable else "loads" if entry.loads else "does not load"
    )
    console.put(console.printable(f"{entry.path}: {verdict}"))
    for problem in entry.problems:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        blocks = "" if problem.blocks == "nothing" else f" (blocks {problem.blocks})"
        text = f"  {place}: {problem.severity}: {problem.message} [{problem.code}]{blocks}"
        console.put(console.printable(text))
        if problem.hint:
            console.put(console.printable(f"    hint: {problem.hint}"))


def pack(
    path: Annotated[str, typer.Argument(help="The skill's folder.")],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to write; default NAME-VERSION.spm."
        ),
    ] = "",
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="tar.zst, tar.gz or zip.")
    ] = "tar.zst",
    version: VersionOption = "",
    as_json: AsJson = False,
) -> None:
    """Write a skill as one archive file.

    The same folder gives the same bytes on any machine and any day.

    Example: spm pack skills/csv-tools
    """
    from spm.packing import pack_folder, write_archive

    packed = pack_folder(Path(path), version=version, form=form)
    target = write_archive(packed, Path(output) if output else None)
    if as_json:
        console.put_document({"path": str(target), **packed.as_document()})
    else:
        console.put(str(target))
        console.talk(f"{packed.name} {packed.version}, {len(packed.archive)} bytes, {packed.tree}")


def publish(
    path: Annotated[str, typer.Argument(help="The skill's folder, or a packed archive.")],
    registry: Annotated[
        str, typer.Option("--registry", metavar="URL", help="Where to publish.")
    ] = "",
    version: VersionOption = "",
    as_json: AsJson = False,
) -> None:
    """Release a version of a skill to a registry.

    A version is never replaced.

    The token is taken from the environment variable SPM_TOKEN.

    Example: SPM_TOKEN=... spm publish skills/csv-tools --registry http://127.0.0.1:8080
    """
    from asyncio import run

    from spm.manager import SkillManager

    document = run(SkillManager(registry=registry).publish(path, version=version))
    if as_json:
        console.put_document(document)
    else:
        console.talk(f"published {document['name']} {document['version']} ({document['checksum']})")
