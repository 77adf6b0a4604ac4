"""Commands for what spm keeps on this machine: store and cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from spm import console
from spm_spec.errors import EXIT_DONE, EXIT_NO

if TYPE_CHECKING:
    from pathlib import Path

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    store = typer.Typer(
        help="The store every project on this machine shares.\n\nExample: spm store verify",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    store.command("path")(store_path)
    store.command("list")(store_list)
    store.command("size")(store_size)
    store.command("verify")(store_verify)
    app.add_typer(store, name="store")
    cache = typer.Typer(
        help="What can be fetched again: metadata and git mirrors.\n\nExample: spm cache clear",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    cache.command("path")(cache_path)
    cache.command("size")(cache_size)
    cache.command("clear")(cache_clear)
    app.add_typer(cache, name="cache")


def store_path(as_json: AsJson = False) -> None:
    """Print the store's folder.

    Example: du -sh "$(spm store path)"
    """
    from spm.places import places_from

    _put_path(places_from(os.environ).store, as_json=as_json)


def _put_path(path: Path, *, as_json: bool) -> None:
    if as_json:
        console.put_document({"path": str(path)})
    else:
        console.put(str(path))


def store_list(as_json: AsJson = False) -> None:
    """List the trees in the store.

    Example: spm store list --json
    """
    from spm.storage import open_store

    trees = sorted(open_store(os.environ).trees(), key=lambda tree: (tree.name, str(tree.digest)))
    if as_json:
        console.put_document(
            [
                {
                    "name": tree.name,
                    "tree": str(tree.digest),
                    "path": str(tree.path),
                    "size": tree.size,
                    "files": tree.files,
                }
                for tree in trees
            ]
        )
        return
    console.put_table((tree.name, str(tree.digest), f"{tree.size} bytes") for tree in trees)


def store_size(as_json: AsJson = False) -> None:
    """Say what the store holds and what sharing saves.

    Example: spm store size --json
    """
    from spm.storage import open_store

    size = open_store(os.environ).size()
    if as_json:
        console.put_document(
            {
                "trees": size.trees,
                "blobs": size.blobs,
                "bytes": size.bytes,
                "bytesSaved": size.bytes_saved,
            }
        )
        return
    trees, blobs = console.counted(size.trees, "tree"), console.counted(size.blobs, "blob")
    console.put(f"{trees}, {blobs}, {size.bytes} bytes")
    console.talk(f"equal files of different trees are kept once: {size.bytes_saved} bytes saved")


def store_verify(as_json: AsJson = False) -> int:
    """Hash everything in the store again; exit code 1 if something is damaged.

    Example: spm store verify --json
    """
    from spm.storage import verify_store

    damages = verify_store(os.environ)
    if as_json:
        console.put_document(
            [
                {"kind": damage.kind, "path": str(damage.path), "tree": str(damage.digest)}
                for damage in damages
            ]
        )
    else:
        for damage in damages:
            console.put(console.printable(f"{damage.path}: {damage.kind}"))
        console.talk(f"{len(damages)} damaged" if damages else "everything is as it was stored")
    return EXIT_NO if damages else EXIT_DONE


def cache_path(as_json: AsJson = False) -> None:
    """Print the cache's folder.

    Example: ls "$(spm cache path)"
    """
    from spm.places import places_from

    _put_path(places_from(os.environ).cache, as_json=as_json)


def cache_size(as_json: AsJson = False) -> None:
    """Say how much the cache holds.

    Example: spm cache size --json
    """
    from spm.places import places_from
    from spm.storage import cache_bytes

    count = cache_bytes(places_from(os.environ))
    if as_json:
        console.put_document({"bytes": count})
    else:
        console.put(f"{count} bytes")


def cache_clear(as_json: AsJson = False) -> None:
    """Remove everything that can be fetched again; the store stays.

    Example: spm cache clear
    """
    from spm.places import places_from
    from spm.storage import clear_cache

    removed = clear_cache(places_from(os.environ))
    if as_json:
        console.put_document({"bytes": removed})
    else:
        console.talk(f"removed {removed} bytes")
