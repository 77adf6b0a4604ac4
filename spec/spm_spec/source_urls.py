"""Addresses, references and folders that are safe to hand to git or an HTTP client.

Each function returns the one normal form of what it accepts, so that two writings
of one place are one text. The grammars are narrower than the standards' (RFC 3986,
git-check-ref-format) on purpose: what nobody needs, nobody can abuse. Own parsing,
because ``urllib.parse`` accepts far more and takes milliseconds to import.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spm_spec.errors import UserMistake
from spm_spec.quoting import quote

URL_CHARACTERS = 2048
REFERENCE_CHARACTERS = 255
FOLDER_CHARACTERS = 1024
HIGHEST_PORT = 65535
GIT_SCHEMES = ("https", "ssh", "file")
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Where a registry may be spoken to without TLS."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9.+-]*)://"
    rf"(?:(?P<user>[^/@?#]*)@)?(?P<host>(?:{_LABEL}\.)*{_LABEL}|\[[0-9a-f:.]{{2,45}}\])?"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[A-Za-z0-9._~/+%=,-]*)?"
)
_SCHEME_AND_HOST = re.compile(r"[A-Za-z][A-Za-z0-9.+-]*://(?:[^/@?#]*@)?[^/?#@]*")
_SECRET_LIKE = re.compile(r"(://[^/:]*:)(?![0-9]+(?:/|$)).*", re.DOTALL)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_PERCENT = re.compile(r"%(?P<code>[0-9A-Fa-f]{2})?")
_REFERENCE = re.compile(r"[A-Za-z0-9._/+=,!-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ODD_CHARACTERS = frozenset("\"\\#&?*|<>`$;:'@ %^~!=()[]{}")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ssh": "22"}
_FIRST_PRINTABLE, _DELETE, _LAST_ASCII = 0x21, 0x7F, 0x7E


class InvalidSource(UserMistake):
    """A place that skills are not taken from; ``reason`` is the kind of refusal."""

    def __init__(self, message: str, *, reason: str, hint: str | None = None) -> None:
        """Keep the ``reason``, a short word that vectors and tests compare."""
        super().__init__(message, hint=hint)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class _Address:
    scheme: str
    user: str | None
    host: str
    port: str | None
    path: str

    @property
    def text(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        default = self.port is None or self.port == _DEFAULT_PORTS.get(self.scheme)
        port = "" if default else f":{self.port}"
        return f"{self.scheme}://{user}{self.host}{port}{self.path}"


def normal_git_url(text: str) -> str:
    """Return the normal form of a git URL: https, ssh or file, no password, no option.

    Raises:
        InvalidSource: anything else.

    """
    if "::" in text and "://[" not in text:
        message = f"{quote(text)} names a git transport helper, which can run commands"
        raise InvalidSource(message, reason="transport-helper")
    address = _address(text, what="git URL")
    if address.scheme not in GIT_SCHEMES:
        hint = "write `git+https://`, `git+ssh://` or `git+file://`"
        message = f"{quote(text)} is not a git URL over https, ssh or file"
        raise InvalidSource(message, reason="scheme", hint=hint)
    _check_user(address, text)
    if address.scheme == "file":
        if address.host or address.port:
            message = f"{quote(text)} names a host in a file URL"
            raise InvalidSource(message, reason="host", hint="write `git+file:///FOLDER`")
    elif not address.host:
        raise InvalidSource(f"{quote(text)} has no host", reason="host")
    if address.path in {"", "/"}:
        raise InvalidSource(f"{quote(text)} has no repository after the host", reason="path")
    return address.text


def normal_registry_url(text: str) -> str:
    """Return the normal form of a registry's address, without trailing slash.

    Plain http is accepted for this machine alone.

    Raises:
        InvalidSource: other schemes, credentials, a query, http to another host.

    """
    address = _address(text, what="registry URL")
    if address.scheme not in {"http", "https"}:
        message = f"{quote(text)} is not a registry URL over https"
        raise InvalidSource(message, reason="scheme", hint="write `https://HOST`")
    if address.user is not None:
        raise _credentials(text)
    if not address.host:
        raise InvalidSource(f"{quote(text)} has no host", reason="host")
    if address.scheme == "http" and address.host not in LOOPBACK_HOSTS:
        message = f"{quote(text)} is not encrypted"
        hint = "write `https://`; `http://` is for registries on this machine"
        raise InvalidSource(message, reason="not-encrypted", hint=hint)
    return address.text


def check_reference(text: str) -> str:
    """Return ``text``, known to be a branch, tag or commit that git would accept.

    The rules of git-check-ref-format, over a smaller alphabet, and no leading hyphen.

    Raises:
        InvalidSource: anything else.

    """
    parts = text.split("/")
    if (
        len(text) > REFERENCE_CHARACTERS
        or _REFERENCE.fullmatch(text) is None
        or ".." in text
        or text.endswith(".")
        or any(not part or part[0] in "-." or part.endswith(".lock") for part in parts)
    ):
        message = f"{quote(text)} is not a branch, tag or commit"
        raise InvalidSource(message, reason="reference")
    return text


def check_commit(text: str) -> str:
    """Return ``text``, known to be a full commit: 40 or 64 lower-case hex digits.

    Raises:
        InvalidSource: anything else.

    """
    if _COMMIT.fullmatch(text) is None:
        message = f"{quote(text)} is not a full commit of 40 or 64 hexadecimal digits"
        raise InvalidSource(message, reason="commit")
    return text


def check_subdirectory(text: str) -> str:
    """Return ``text`` without trailing slash, known to name a folder below a repository.

    Raises:
        InvalidSource: absolute, empty or ``..`` parts, a leading hyphen, odd characters.

    """
    folder = text.rstrip("/") if text != "/" else text
    parts = folder.split("/")
    if (
        len(folder) > FOLDER_CHARACTERS
        or not _is_plain(folder)
        or any(part in {"", ".", ".."} or part.startswith("-") for part in parts)
    ):
        message = f"{quote(text)} is not a folder inside a repository"
        hint = "write it like `skills/summarise`: no `..`, spaces or leading `/` or `-`"
        raise InvalidSource(message, reason="subdirectory", hint=hint)
    return _composed(folder)


def check_relative_path(text: str) -> str:
    """Return the normal form of a folder beside or below the project.

    ``./a/`` becomes ``a``; ``..`` may only lead, so that one folder is one text.

    Raises:
        InvalidSource: absolute, of Windows, too long, or of characters a lock cannot hold.

    """
    if "\\" in text:
        hint = f"write `{text.replace(chr(92), '/')}`" if _is_plain(text, "\\ ") else None
        message = f"{quote(text)} has backslashes, a path is written with `/`"
        raise InvalidSource(message, reason="path", hint=hint)
    if text.startswith(("/", "~")) or re.match(r"[A-Za-z]:", text):
        hint = "write it relative to the folder of skills.toml, as others have it elsewhere"
        raise InvalidSource(f"{quote(text)} is not a relative path", reason="path", hint=hint)
    parts = [part for part in text.split("/") if part not in {"", "."}]
    below = [part for part in parts if part != ".."]
    climbs = len(parts) - len(below)
    if (
        not text
        or len(text) > FOLDER_CHARACTERS
        or not _is_plain(text, " ()[]=!")
        or text != text.strip(" ")
        or parts[:climbs] != [".."] * climbs
        or any(part.startswith("-") for part in parts)
    ):
        raise InvalidSource(f"{quote(text)} is not a path to a folder", reason="path")
    return _composed("/".join(parts)) or "."


def _composed(text: str) -> str:
    """Return ``text`` in NFC: some systems give file names decomposed."""
    if text.isascii():
        return text
    from unicodedata import normalize

    return normalize("NFC", text)


def _address(text: str, *, what: str) -> _Address:
    """Split ``text`` after checking every character of it."""
    if len(text) > URL_CHARACTERS:
        message = f"a {what} has {len(text)} characters, the limit is {URL_CHARACTERS}"
        raise InvalidSource(message, reason="too-long")
    if not all(_FIRST_PRINTABLE <= ord(character) <= _LAST_ASCII for character in text):
        message = f"{quote(text)} has a space, a control or a non-ASCII character"
        raise InvalidSource(message, reason="characters")
    if "?" in text or "#" in text:
        message = f"{quote(text)} has a query or a fragment, which a {what} may not"
        raise InvalidSource(message, reason="query")
    lowered = _SCHEME_AND_HOST.sub(_lower_scheme_and_host, text, count=1)
    match = _URL.fullmatch(lowered)
    if match is None:
        if re.match(r"[^/]*:[^/@]*@", text.partition("://")[2]):
            raise _credentials(text)
        shown = _SECRET_LIKE.sub(r"\1…", text, count=1)
        raise InvalidSource(f"{quote(shown)} is not a {what}", reason="url")
    if match["port"] is not None and not 1 <= int(match["port"]) <= HIGHEST_PORT:
        raise InvalidSource(f"{quote(text)} has no port 1 to {HIGHEST_PORT}", reason="port")
    path = (match["path"] or "").rstrip("/")
    _check_url_path(path, text)
    port = None if match["port"] is None else str(int(match["port"]))
    return _Address(match["scheme"], match["user"], match["host"] or "", port, path)


def _lower_scheme_and_host(match: re.Match[str]) -> str:
    scheme, _, rest = match[0].partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme.lower()}://{user}{at}{host.lower()}"


def _check_url_path(path: str, text: str) -> None:
    for escape in _PERCENT.finditer(path):
        code = int(escape["code"], 16) if escape["code"] else 0
        if code < _FIRST_PRINTABLE - 1 or code == _DELETE or chr(code) in "%/\\.-@":
            message = f"{quote(text)} has {quote(escape[0])}, which hides a character"
            raise InvalidSource(message, reason="escape")
    for part in path.split("/")[1:]:
        if part in {"", ".", ".."}:
            message = f"{quote(text)} has an empty, `.` or `..` part"
            raise InvalidSource(message, reason="path")
        if part.startswith("-"):
            message = f"{quote(text)} has a part that starts with `-`"
            raise InvalidSource(message, reason="leading-hyphen")


def _check_user(address: _Address, text: str) -> None:
    if address.user is None:
        return
    if address.scheme != "ssh" or ":" in address.user:
        raise _credentials(text)
    if _USER.fullmatch(address.user) is None:
        message = f"{quote(text)} has a user name that is not letters, digits, `.`, `_` and `-`"
        raise InvalidSource(message, reason="user")


def _credentials(text: str) -> InvalidSource:
    """Refuse without repeating the secret: a message may end in a log."""
    scheme, _, rest = text.partition("://")
    shown = f"{scheme}://…@{rest.rpartition('@')[2]}"
    return InvalidSource(
        f"{quote(shown)} has credentials in it",
        reason="credentials",
        hint="keep them in git's credential helper or in `SPM_TOKEN`, never in a URL",
    )


def _is_plain(text: str, also: str = "") -> bool:
    """Whether ``text`` holds nothing a lock, a shell or a terminal could misread."""
    refused = _ODD_CHARACTERS - set(also)
    return text.isprintable() and refused.isdisjoint(text)
