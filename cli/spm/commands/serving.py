"""Commands for people who run a registry: serve, and its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spm import console
from spm_spec.errors import UserMistake

DataOption = Annotated[
    str, typer.Option("--data", metavar="FOLDER", help="The registry's folder; made if missing.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this group to ``app``."""
    registry = typer.Typer(
        help="Run a registry.\n\nExample: spm registry serve --data ./registry",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    registry.command("serve")(serve)
    token = typer.Typer(
        help="Tokens that may publish.\n\nExample: spm registry token create ada --data ./registry",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    token.command("create")(token_create)
    token.command("list")(token_list)
    token.command("revoke")(token_revoke)
    registry.add_typer(token, name="token")
    app.add_typer(registry, name="registry")


def serve(
    data: DataOption,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 8080,
    public_url: Annotated[
        str, typer.Option("--public-url", metavar="URL", help="How clients reach this registry.")
    ] = "",
) -> None:
    """Serve a registry from one folder until interrupted.

    Example: spm registry serve --data ./registry
    """
    need_registry_extra()
    from spm_registry.server.run import serve as serve_registry

    serve_registry(
        Path(data),
        host,
        port,
        public_url=public_url or None,
        ready=lambda url: console.talk(f"serving `{data}` at {url}; Ctrl-C ends it"),
    )


def token_create(
    account: Annotated[str, typer.Argument(help="Who may publish with it.")],
    data: DataOption,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it once; only its hash is kept.

    Example: spm registry token create ada --data ./registry
    """
    need_registry_extra()
    from spm_registry.server.tokens import create

    token = create(Path(data), account)
    if as_json:
        console.put_document({"account": account, "token": token})
    else:
        console.put(token)
    console.talk("keep it: it is not shown again; publishers put it into SPM_TOKEN")


def token_list(data: DataOption, as_json: AsJson = False) -> None:
    """List who holds tokens, never the tokens.

    Example: spm registry token list --data ./registry
    """
    need_registry_extra()
    from spm_registry.server.tokens import listing

    rows = listing(Path(data))
    if as_json:
        console.put_document([row.as_document() for row in rows])
        return
    console.put_table((row.identifier, row.account, row.created_at) for row in rows)


def token_revoke(
    identifier: Annotated[str, typer.Argument(help="As `spm registry token list` shows it.")],
    data: DataOption,
) -> None:
    """Revoke a token; it stops working at once.

    Example: spm registry token revoke 3f0c9a1e42 --data ./registry
    """
    need_registry_extra()
    from spm_registry.server.tokens import revoke

    revoke(Path(data), identifier)
    console.talk(f"revoked {identifier}")


def need_registry_extra() -> None:
    """Refuse, with what to install, where only the client is installed."""
    from importlib.util import find_spec

    missing = [name for name in ("sqlalchemy", "aiosqlite") if find_spec(name) is None]
    if missing:
        raise UserMistake(
            f"running a registry needs {' and '.join(missing)}",
            hint="install spm with its registry extra: `skills-package-manager[registry]`",
        )
