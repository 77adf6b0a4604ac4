"""Commands for profiles: named sets of skills that belong to no project."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from spm import console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Name = Annotated[str, typer.Argument(help="A profile.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    profile = typer.Typer(
        help="Named sets of skills that stay installed without a project; `spm install"
        " --profile NAME` fills one.\n\nExample: spm profile list",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    profile.command("list")(list_profiles)
    profile.command("path")(path)
    profile.command("remove")(remove)
    app.add_typer(profile, name="profile")


def list_profiles(as_json: AsJson = False) -> None:
    """List the profiles of this machine.

    Example: spm profile list --json
    """
    from spm.places import places_from
    from spm.profiles import profiles_in

    profiles = list(profiles_in(places_from(os.environ)))
    if as_json:
        console.put_document([profile.as_document() for profile in profiles])
        return
    console.put_table(
        (profile.name, console.counted(profile.skills, "skill"), str(profile.project.root))
        for profile in profiles
    )


def path(name: Name, as_json: AsJson = False) -> None:
    """Print a profile's folder; any command runs on it with -C.

    Example: spm -C "$(spm profile path base)" rollback
    """
    from spm.places import places_from
    from spm.profiles import existing_profile

    found = existing_profile(places_from(os.environ), name).root
    if as_json:
        console.put_document({"name": name, "path": str(found)})
    else:
        console.put(str(found))


def remove(name: Name) -> None:
    """Remove a profile; the store collects what only it kept.

    Example: spm profile remove base
    """
    from asyncio import run

    from spm.profiles import remove_profile
    from spm.reach import Reach

    run(remove_profile(name, Reach.of(os.environ)))
    console.talk(f"removed the profile `{name}`")
