"""Tokens: who may publish. Only a hash is kept; the token itself is shown once.

A token is 32 random bytes, so a fast hash of it cannot be turned back. The functions for
the command line (`create`, `listing`, `revoke`) open the database themselves and may be
used while a server runs on it.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from spm_registry.backends.database import TokenRow
from spm_registry.server.errors import Refusal
from spm_registry.server.places import open_database
from spm_registry.server.services import DATABASE
from spm_registry.wire import instant_text
from spm_spec.errors import UserMistake

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from aiohttp import web

    from spm_registry.backends.database import Database

TOKEN_PREFIX = "spm_"  # noqa: S105  # what tokens start with, not one
TOKEN_BYTES = 32
IDENTIFIER_BYTES = 5
_TOKEN = re.compile(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]{{43}}")
_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class InvalidAccount(UserMistake):
    """An account cannot be called that."""


class UnknownToken(UserMistake):
    """No token has this identifier."""


async def issue(database: Database, account: str) -> str:
    """Record a new token of ``account`` and return it; it cannot be had again.

    Raises:
        InvalidAccount: the account's name is not 1-64 letters, digits and ``. _ @ -``.
    """
    if _ACCOUNT.fullmatch(account) is None:
        raise InvalidAccount(
            f"account `{account[:80]}` is not 1 to 64 letters, digits and `.`, `_`, `@`, `-`",
            hint="start with a letter or a digit",
        )
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    row = TokenRow(
        identifier=secrets.token_hex(IDENTIFIER_BYTES),
        account=account,
        created_at=instant_text(datetime.now(tz=UTC)),
        revoked_at=None,
    )
    await database.add_token(row, _hash(token))
    return token


async def account_of(request: web.Request) -> str:
    """Return the account that the request's token speaks for.

    Raises:
        Refusal: 401, the token is missing, malformed, unknown or revoked; which of these is
            not said for the last two.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise _unauthorised("this needs a token", 'error="invalid_request"')
    if _TOKEN.fullmatch(token) is None:
        raise _unauthorised("the token is not one of a registry", 'error="invalid_token"')
    account = await request.app[DATABASE].account_of(_hash(token))
    if account is None:
        raise _unauthorised("the token is unknown or revoked", 'error="invalid_token"')
    return account


def create(data: Path, account: str) -> str:
    """Record a new token in the registry at ``data`` and return it."""

    async def run() -> str:
        async with open_database(data) as database:
            return await issue(database, account)

    return asyncio.run(run())


def listing(data: Path) -> Sequence[TokenRow]:
    """Return the tokens of the registry at ``data``, the oldest first."""

    async def run() -> Sequence[TokenRow]:
        async with open_database(data) as database:
            return await database.tokens()

    return asyncio.run(run())


def revoke(data: Path, identifier: str) -> None:
    """Make a token of the registry at ``data`` useless from the next request on.

    Raises:
        UnknownToken: no token has this identifier.
    """

    async def run() -> bool:
        async with open_database(data) as database:
            return await database.revoke_token(identifier, instant_text(datetime.now(tz=UTC)))

    if not asyncio.run(run()):
        raise UnknownToken(
            f"no token has the identifier `{identifier[:80]}`",
            hint="`spm registry token list` shows them",
        )


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _unauthorised(message: str, reason: str) -> Refusal:
    return Refusal(
        401,
        "unauthorised",
        message,
        hint="send `Authorization: Bearer` with a token from `spm registry token create`",
        headers={"WWW-Authenticate": f'Bearer realm="spm", {reason}'},
    )
