"""Commands for what spm keeps on this machine: the store."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003  # typer reads the annotations
from typing import Annotated

import typer

from spm import console
from spm_spec.errors import EXIT_DONE, EXIT_NO

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=0, help="Files hashed at once; 0 is one a processor.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    store = typer.Typer(
        help="The store every project on this machine shares.\n\nExample: spm store info",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    store.command("path")(path)
    store.command("info")(info)
    store.command("list")(list_trees)
    store.command("du")(usage)
    store.command("gc")(collect)
    store.command("why")(why)
    store.command("verify")(verify)
    store.command("rebuild")(rebuild)
    store.command("export")(export)
    store.command("import")(import_file)
    app.add_typer(store, name="store")


def path(as_json: AsJson = False) -> None:
    """Print the store's folder.

    Example: du -sh "$(spm store path)"
    """
    from spm.places import places_from

    found = places_from(os.environ).store
    if as_json:
        console.put_document({"path": str(found)})
    else:
        console.put(str(found))


def info(as_json: AsJson = False) -> None:
    """Say where the store is, what it holds, and what sharing saves.

    Example: spm store info --json
    """
    from spm.storage import describe_store

    described = describe_store(os.environ)
    if as_json:
        console.put_document(described.as_document())
        return
    console.put_table(described.rows())


def list_trees(as_json: AsJson = False) -> None:
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


def usage(as_json: AsJson = False) -> None:
    """Show what each tree takes, and what is kept once for several.

    `own` is what removing that tree alone would give back.

    Example: spm store du --json
    """
    from spm.quantities import shown_bytes
    from spm.storage import open_store
    from spm_store.usage import usage_of

    store = open_store(os.environ)
    usages = usage_of(store)
    saved = store.size().bytes_saved
    if as_json:
        trees = [
            {
                "name": usage.tree.name,
                "tree": str(usage.tree.digest),
                "bytes": usage.tree.size,
                "ownBytes": usage.own_bytes,
            }
            for usage in usages
        ]
        console.put_document({"trees": trees, "bytesSaved": saved})
        return
    console.put_table(
        (
            usage.tree.name,
            usage.tree.digest.hex[:12],
            shown_bytes(usage.tree.size),
            f"{shown_bytes(usage.own_bytes)} own",
        )
        for usage in usages
    )
    total = sum(usage.tree.size for usage in usages)
    console.talk(
        f"{console.counted(len(usages), 'tree')} of {shown_bytes(total)};"
        f" equal files are kept once, which saves {shown_bytes(saved)}"
    )


def collect(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
    max_age: Annotated[
        str,
        typer.Option("--max-age", metavar="SPAN", help="Keep what was needed so recently."),
    ] = "7d",
    keep_bytes: Annotated[
        str,
        typer.Option("--keep-bytes", metavar="SIZE", help="Stop when the store is this small."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Remove what no project, profile or running skill needs any more.

    Example: spm store gc --dry-run --max-age 12h
    """
    from spm.collecting import collect_garbage, report

    found = collect_garbage(os.environ, dry_run=dry_run, max_age=max_age, keep_bytes=keep_bytes)
    if as_json:
        from spm.collecting import as_document

        console.put_document(as_document(found, dry_run=dry_run))
        return
    report(found, dry_run=dry_run)


def why(
    what: Annotated[str, typer.Argument(help="A path in the store or a project, or a digest.")],
    as_json: AsJson = False,
) -> int:
    """Say who keeps a tree in the store; exit code 1 if nobody does.

    Example: spm store why .roundtable/skills/csv-tools
    """
    from spm.collecting import reason_document, reasons_for

    reasons = reasons_for(os.environ, what)
    if as_json:
        console.put_document([reason_document(reason) for reason in reasons])
    else:
        for reason in reasons:
            console.put(console.printable(str(reason)))
        if not reasons:
            console.talk("nobody needs it; `spm store gc` removes it")
    return EXIT_DONE if reasons else EXIT_NO


def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what is damaged; fetch what is lost.")
    ] = False,
    jobs: Jobs = 0,
    as_json: AsJson = False,
) -> int:
    """Hash everything in the store again; exit code 1 if something is damaged.

    With --repair, damaged files come from whole copies in the store, else from the
    sources that the locks of this machine's projects pin, checked byte for byte;
    others may use the store meanwhile.

    Example: spm store verify --repair --jobs 2
    """
    from spm.repairing import repair_store
    from spm.storage import verify_store

    damages = left = verify_store(os.environ, jobs=jobs)
    if repair and damages:
        repair_store(os.environ, damages)
        left = verify_store(os.environ, jobs=jobs)
    if as_json:
        console.put_document(
            [
                {
                    "kind": damage.kind,
                    "path": str(damage.path),
                    "tree": str(damage.digest) if damage.digest else None,
                }
                for damage in left
            ]
        )
    else:
        for damage in left:
            console.put(console.printable(f"{damage.path}: {damage.kind}"))
    console.talk(_verdict(len(damages), len(left)))
    return EXIT_NO if left else EXIT_DONE


def _verdict(found: int, left: int) -> str:
    if found == left:
        return f"{left} damaged" if left else "everything is as it was stored"
    return f"{found - left} repaired" + (f", {left} still damaged" if left else "")


def rebuild(jobs: Jobs = 0, as_json: AsJson = False) -> int:
    """Make the index again from the files alone; exit code 1 if some are damaged.

    What is not what its name says stays where it is and is listed.

    Example: spm store rebuild
    """
    from spm.storage import rebuild_store

    rebuilt = rebuild_store(os.environ, jobs=jobs)
    if as_json:
        left = [str(place) for place in rebuilt.left]
        console.put_document({"trees": rebuilt.trees, "left": left})
    else:
        for place in rebuilt.left:
            console.put(console.printable(f"{place}: not what its name says"))
    console.talk(f"the index lists {console.counted(rebuilt.trees, 'tree')}")
    return EXIT_NO if rebuilt.left else EXIT_DONE


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
    names: Annotated[
        list[str] | None, typer.Argument(help="Skills in the store, by name or blake3:DIGEST.")
    ] = None,
    lock: Annotated[
        Path | None, typer.Option("--lock", metavar="FILE", help="Everything this lock pins.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write trees into one file, for a machine without a network.

    The same trees give the same bytes.

    Example: spm store export --lock skills.lock -o skills.bundle
    """
    from spm.bundling import export_trees

    exported = export_trees(os.environ, names or (), lock=lock, output=output)
    if as_json:
        console.put_document({"trees": [str(digest) for digest in exported], "file": str(output)})
        return
    console.talk(f"wrote {console.counted(len(exported), 'tree')} to `{output}`")


def import_file(
    file: Annotated[Path, typer.Argument(help="What `spm store export` wrote, or a package.")],
    as_json: AsJson = False,
) -> None:
    """Take the trees of a bundle, or the skill of a package, into the store.

    Every byte is checked before anything is kept; what is refused leaves nothing.

    Example: spm store import skills.bundle
    """
    from spm.bundling import import_trees

    trees = import_trees(os.environ, file)
    if as_json:
        console.put_document([{"name": tree.name, "tree": str(tree.digest)} for tree in trees])
        return
    for tree in trees:
        console.put(f"{tree.name}  {tree.digest}")
    console.talk(f"the store holds {console.counted(len(trees), 'tree')} of `{file}`")
