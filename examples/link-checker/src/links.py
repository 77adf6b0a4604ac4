"""Links in Markdown: where they are, and whether they answer."""

from __future__ import annotations

import http.client
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 4.0
GONE = 400
_LINK = re.compile(
    r"(?<!!)\[[^\]\n]*\]\((?P<inline><[^>\n]+>|[^)\s]+)[^)\n]*\)|<(?P<bare>https?://[^>\s]+)>"
)
_FENCE = re.compile(r" {0,3}(```|~~~)")


def extract(markdown: str) -> list[dict[str, object]]:
    """Return each link's address and line, in order; code blocks are not text."""
    found: list[dict[str, object]] = []
    fence = ""
    for number, line in enumerate(markdown.splitlines(), 1):
        mark = _FENCE.match(line)
        if mark and (not fence or fence == mark[1]):
            fence = "" if fence else mark[1]
            continue
        if not fence:
            found += [
                {"address": (link["inline"] or link["bare"]).strip("<>"), "line": number}
                for link in _LINK.finditer(line)
            ]
    return found


def check(addresses: list[str]) -> list[dict[str, str]]:
    """Return a verdict for each address: ``answers``, ``broken``, ``skipped`` or ``unknown``."""
    skipped = _skipped()
    return [
        {"address": address, "verdict": "skipped", "reason": "on the list to skip"}
        if address in skipped
        else _asked(address)
        for address in addresses
    ]


def _skipped() -> set[str]:
    """Read the list to skip; without the right to read it nothing is skipped."""
    try:
        text = (Path.home() / ".config/link-checker/skip.txt").read_text(encoding="utf-8")
    except (OSError, RuntimeError):
        return set()
    return set(text.split())


def _asked(address: str) -> dict[str, str]:
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        return {"address": address, "verdict": "unknown", "reason": "only https is checked"}
    headers = {"User-Agent": "link-checker"}
    if token := os.environ.get("LINK_CHECKER_TOKEN"):
        headers["X-Link-Checker-Token"] = token
    connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=SECONDS)
    try:
        connection.request("HEAD", parts.path or "/", headers=headers)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        reason = f"could not look: {error or type(error).__name__}"
        return {"address": address, "verdict": "unknown", "reason": reason}
    finally:
        connection.close()
    verdict = "broken" if status >= GONE else "answers"
    return {"address": address, "verdict": verdict, "reason": f"status {status}"}
