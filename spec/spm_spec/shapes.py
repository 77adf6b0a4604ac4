"""What a parsed TOML or JSON document is made of, for type checkers and for refusals.

Both formats have text for keys, so a table is always one of texts.
"""

from __future__ import annotations

from typing import TypeGuard


def is_table(value: object) -> TypeGuard[dict[str, object]]:
    """Whether ``value`` is a table of TOML or an object of JSON."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether ``value`` is a list."""
    return isinstance(value, list)
