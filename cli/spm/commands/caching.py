"""Commands for what spm can fetch or make again: the cache."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from spm import console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    cache = typer.Typer(
        help="What can be fetched again: metadata and git mirrors.\n\nExample: spm cache clear",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    cache.command("path")(path)
    cache.command("size")(size)
    cache.command("clear")(clear)
    app.add_typer(cache, name="cache")


def path(as_json: AsJson = False) -> None:
    """Print the cache's folder.

    Example: ls "$(spm cache path)"
    """
    from spm.places import places_from

    found = places_from(os.environ).cache
    if as_json:
        console.put_document({"path": str(found)})
    else:
        console.put(str(found))


def size(as_json: AsJson = False) -> None:
    """Say how much the cache holds.

    Example: spm cache size --json
    """
    from spm.caching import cache_bytes
    from spm.places import places_from

    count = cache_bytes(places_from(os.environ))
    if as_json:
        console.put_document({"bytes": count})
    else:
        console.put(f"{count} bytes")


def clear(as_json: AsJson = False) -> None:
    """Remove everything that can be fetched again; the store stays.

    Example: spm cache clear
    """
    from spm.caching import clear_cache
    from spm.places import places_from

    removed = clear_cache(places_from(os.environ))
    if as_json:
        console.put_document({"bytes": removed})
    else:
        console.talk(f"removed {removed} bytes")
