"""Commands that ask a registry: search, info, tags."""

from __future__ import annotations

from typing import Annotated

import typer

from spm import console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
RegistryOption = Annotated[
    str,
    typer.Option("--registry", metavar="URL", help="Ask this registry instead of the project's."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    app.command("search")(search)
    app.command("info")(info)
    app.command("tags")(tags)


def search(
    query: Annotated[str, typer.Argument(help="Words to look for; none lists everything.")] = "",
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Only skills with this tag; may be repeated.")
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="relevance, recent, downloads, rating or name.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="At most so many.")] = 20,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Leave out the first ones.")] = 0,
    registry: RegistryOption = "",
    as_json: AsJson = False,
) -> None:
    """Find skills by what they do.

    Example: spm search "csv table" --tag data
    """
    from asyncio import run

    from spm.manager import SkillManager

    page = run(
        SkillManager(registry=registry).search(
            query, tags=tuple(tag or ()), sort=sort or None, limit=limit, offset=offset
        )
    )
    if as_json:
        console.put_document(page.model_dump(mode="json"))
        return
    console.put_table((skill.name, str(skill.version), skill.description) for skill in page.skills)
    console.talk(f"{len(page.skills)} of {page.total}")


def info(
    name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")],
    registry: RegistryOption = "",
    as_json: AsJson = False,
) -> None:
    """Show what a registry knows of one skill.

    Example: spm info csv-tools@1.2.0
    """
    from asyncio import run

    from spm.manager import SkillManager

    wanted, _, version = name.partition("@")
    skill = run(SkillManager(registry=registry).get_skill(wanted, version=version or None))
    document = skill.model_dump(mode="json")
    if as_json:
        console.put_document(document)
        return
    for label in ("name", "version", "description", "author", "homepage", "rating", "downloads"):
        if document.get(label) not in (None, ""):
            console.put(console.printable(f"{label}: {document[label]}"))
    console.put(console.printable(f"tags: {', '.join(skill.tags)}"))
    for release in skill.versions:
        needs = ", ".join(f"{need} {text}" for need, text in sorted(release.dependencies.items()))
        yanked = "  yanked" if release.yanked else ""
        console.put(console.printable(f"  {release.version}  {needs}{yanked}".rstrip()))


def tags(registry: RegistryOption = "", as_json: AsJson = False) -> None:
    """List the tags in use, the most used first.

    Example: spm tags --registry http://127.0.0.1:8080
    """
    from asyncio import run

    from spm.manager import SkillManager

    counts = run(SkillManager(registry=registry).get_tags())
    if as_json:
        console.put_document({"tags": [{"name": tag, "count": count} for tag, count in counts]})
        return
    console.put_table((tag, str(count)) for tag, count in counts)
