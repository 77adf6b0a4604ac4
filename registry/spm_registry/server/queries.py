"""What the query string of a listing or a search means. No input or output."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast, get_args

from spm_registry.backends.database import Query
from spm_registry.server.errors import Refusal
from spm_registry.wire import (
    OFFSET_LIMIT,
    PAGE_DEFAULT,
    PAGE_LIMIT,
    TAG_CHARACTERS,
    Sort,
)

if TYPE_CHECKING:
    from multidict import MultiMapping

WORD_LIMIT = 8
"""Words of a query that count; the rest of it is not looked at."""
WORD_CHARACTERS = 64
TAG_LIMIT = 8
"""Tags that one query may ask for."""

# Letters and digits; all else separates, as it does in the search index.
_WORD = re.compile(r"[^\W_]+")


def page_query(parameters: MultiMapping[str]) -> Query:
    """Read ``q`` or ``search``, ``tags``, ``sort``, ``limit`` and ``offset``, and no others.

    Raises:
        Refusal: 400, naming the parameter, what it was and what it may be.
    """
    words = search_words(parameters.get("q") or parameters.get("search", ""))
    return Query(
        words=words,
        tags=_tags(parameters),
        sort=_sort(parameters, "relevance" if words else "recent"),
        limit=_number(parameters, "limit", PAGE_DEFAULT, 1, PAGE_LIMIT),
        offset=_number(parameters, "offset", 0, 0, OFFSET_LIMIT),
    )


def search_words(text: str) -> tuple[str, ...]:
    """Return the words to look for; punctuation and query languages mean nothing."""
    found = (match[0][:WORD_CHARACTERS] for match in _WORD.finditer(text))
    return tuple(word for word, _ in zip(found, range(WORD_LIMIT), strict=False))


def _tags(parameters: MultiMapping[str]) -> tuple[str, ...]:
    texts = parameters.getall("tags", [])
    tags = {tag.strip() for text in texts for tag in text.split(",") if tag.strip()}
    if len(tags) > TAG_LIMIT:
        raise _bad("tags", f"{len(tags)} tags", f"at most {TAG_LIMIT}")
    if any(len(tag) > TAG_CHARACTERS or "\0" in tag for tag in tags):
        raise _bad("tags", "a tag", f"at most {TAG_CHARACTERS} characters, none of them NUL")
    return tuple(sorted(tags))


def _sort(parameters: MultiMapping[str], default: Sort) -> Sort:
    sort = parameters.get("sort", default)
    if sort not in get_args(Sort):
        raise _bad("sort", sort, f"one of {', '.join(get_args(Sort))}")
    return cast("Sort", sort)


def _number(parameters: MultiMapping[str], name: str, default: int, low: int, high: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text) is None or not low <= int(text) <= high:
        raise _bad(name, text, f"a number from {low} to {high}")
    return int(text)


def _bad(name: str, value: str, allowed: str) -> Refusal:
    return Refusal(400, "bad-query", f"{name}: `{value[:80]}` is not {allowed}")
