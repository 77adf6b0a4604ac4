"""How stored documents are put together from their stored parts, as JSON text.

Parts are written once, at publish, by the models of `spm_registry.wire`; what is put
together here is therefore known to be valid and is never parsed again to be sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from spm_spec.versions import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spm_registry.backends.database import About, StoredSkill

_SHARED_FIELDS = ("version", "dependencies", "checksum", "downloadUrl")


def version_key(version: str) -> str:
    """Return the version text without build metadata."""
    return version.partition("+")[0]


def about_text(about: About) -> str:
    """Return the JSON object that says what a version says about itself."""
    return json.dumps(
        {
            "name": about.name,
            "description": about.description,
            "author": about.author,
            "homepage": about.homepage,
            "tags": about.tags,
        },
        ensure_ascii=False,
    )


def newest(versions: Sequence[str]) -> str:
    """Return the newest version that is no pre-release, or else the newest."""
    parsed = {Version.parse(text): text for text in versions}
    finished = [version for version in parsed if not version.is_prerelease]
    return parsed[max(finished or parsed)]


def release_body(about: str, shown: str, entries: Sequence[str], dates: tuple[str, str]) -> str:
    """Return a stored body.

    ``about`` and the entry ``shown`` speak at the top level, ``entries`` become
    ``versions`` in their order; ``dates`` are created and updated.
    """
    entry: dict[str, Any] = json.loads(shown)
    top = json.loads(about) | {field: entry[field] for field in _SHARED_FIELDS}
    top |= {"createdAt": dates[0], "updatedAt": dates[1]}
    text = json.dumps(top, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"versions":[{",".join(entries)}]}}'


def complete(stored: StoredSkill) -> str:
    """Return the whole document: the stored body with the numbers that change by themselves."""
    count = stored.rating_count
    rating = "null" if count == 0 else json.dumps(round(stored.rating_total / count, 2))
    return f'{{"downloads":{stored.downloads},"rating":{rating},{stored.body[1:]}'
