"""Which addresses a client may talk to, and which may see its token. No input or output."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urljoin, urlsplit

from spm_registry.wire import URL_CHARACTERS, RegistryLied, printable
from spm_spec.errors import UserMistake

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WRITTEN = re.compile(r"[\x21-\x7e]+")


class InvalidRegistryUrl(UserMistake):
    """What was given is not the address of a registry."""

    kind = "invalid-registry-url"


def registry_url(text: str) -> str:
    """Return the address without a slash at its end.

    Raises:
        InvalidRegistryUrl: not http or https, no host, or with a user, query or fragment.
    """
    parts = _split(text)
    if parts is None or parts.query or parts.fragment or "\\" in text:
        raise InvalidRegistryUrl(
            f"`{printable(text, 200)}` is not the address of a registry",
            hint="write it like https://skills.example.org, without user, query or fragment",
        )
    return text.rstrip("/")


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port, by which two addresses are the same party."""
    parts = _split(url)
    if parts is None or parts.hostname is None:
        raise ValueError(f"no origin: {url}")
    return parts.scheme, parts.hostname.lower(), parts.port or _DEFAULT_PORTS[parts.scheme]


def redirected(url: str, location: str) -> str:
    """Return where a redirect leads: to the same origin, or to any https address.

    Raises:
        RegistryLied: it leads anywhere else.
    """
    target = _joined(url, location)
    if _split(target) is None:
        raise RegistryLied(url, f"redirects to `{printable(location, 200)}`, which is no address")
    if origin(target) != origin(url) and not target.startswith("https://"):
        raise RegistryLied(url, f"redirects to {printable(target, 200)}, which is not https")
    return target


def download_url(registry: str, written: str) -> str:
    """Return the absolute address of an archive; it must be of the registry's own origin.

    Raises:
        RegistryLied: it is not.
    """
    target = registry + written if written.startswith("/packages/") else _joined(registry, written)
    if _split(target) is None or origin(target) != origin(registry):
        raise RegistryLied(
            registry, f"downloadUrl `{printable(written, 200)}` is not an address of this registry"
        )
    return target


def _joined(url: str, location: str) -> str:
    """Resolve a reference; text that is none becomes no address."""
    try:
        return urljoin(url, location) if len(location) <= URL_CHARACTERS else ""
    except ValueError:
        return ""


def _split(url: str) -> SplitResult | None:
    """Split an http or https address without user; ``None`` for anything else."""
    if _WRITTEN.fullmatch(url) is None:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    usable = parts.scheme in _DEFAULT_PORTS and parts.hostname and "@" not in parts.netloc
    return parts if usable and port != 0 else None
