"""Reading the table ``permissions:`` of skill.yaml and ``[grants.NAME]`` of skills.toml.

Everything here refuses: what is unknown, of the wrong type, or outside its grammar is
an error and never ignored, because an ignored restriction is a right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from spm_spec.errors import UserMistake
from spm_spec.policy_limits import BOUNDS, DEFAULT_LIMITS, Bound, Limits, parse_size, size_text
from spm_spec.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    Place = tuple[str | int, ...]
    Where = Callable[[Place], str]

LIST_ENTRIES = 64
PATH_CHARACTERS = 512
HOST_CHARACTERS = 253
HIGHEST_PORT = 65535

_LISTS = ("network", "read", "write", "environment")
_KEYS = (*_LISTS, "subprocess", "limits")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_PORT = re.compile(rf"((?:{_LABEL}\.)*{_LABEL}|\[[0-9a-f:.]{{2,45}}\]):([1-9][0-9]{{0,4}})")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


class InvalidPolicy(UserMistake):
    """A policy that cannot be meant; ``path`` leads to the refused value in its table."""

    def __init__(self, message: str, *, path: Place, hint: str | None = None) -> None:
        """Keep the ``path`` beside the message."""
        super().__init__(message, hint=hint)
        self.path = path


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """The checked parts of a policy."""

    texts: dict[str, tuple[str, ...]]
    subprocess: bool
    limits: Limits


def read_policy(value: object, *, where: Where) -> ReadPolicy:
    """Check ``value`` and return its parts, lists sorted and without repetition."""
    table = _table(value, (), _KEYS, where)
    subprocess = table.get("subprocess", False)
    if not isinstance(subprocess, bool):
        raise _refusal(where, ("subprocess",), "`subprocess` must be true or false")
    return ReadPolicy(
        texts={key: _texts(table.get(key, []), key, where) for key in _LISTS},
        subprocess=subprocess,
        limits=_limits(table.get("limits", {}), where),
    )


def _refusal(where: Where, path: Place, message: str, hint: str | None = None) -> InvalidPolicy:
    return InvalidPolicy(f"{where(path)}: {message}", path=path, hint=hint)


def _is_table(value: object) -> TypeGuard[dict[object, object]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[object] | tuple[object, ...]]:
    return isinstance(value, list | tuple)


def _table(value: object, path: Place, known: tuple[str, ...], where: Where) -> dict[str, object]:
    if not _is_table(value):
        what = f"`{path[-1]}`" if path else "a policy"
        raise _refusal(where, path, f"{what} must be a table")
    table: dict[str, object] = {}
    for key, item in value.items():
        if not isinstance(key, str) or key not in known:
            from spm_spec.spelling import did_you_mean

            name = str(key)
            message = f"unknown key {quote(name)} in {'limits' if path else 'a policy'}"
            raise _refusal(where, (*path, name), message, did_you_mean(name, known))
        table[key] = item
    return table


def _texts(value: object, key: str, where: Where) -> tuple[str, ...]:
    if not _is_list(value):
        raise _refusal(where, (key,), f"`{key}` must be a list of texts")
    if len(value) > LIST_ENTRIES:
        message = f"`{key}` has {len(value)} entries, the limit is {LIST_ENTRIES}"
        raise _refusal(where, (key,), message)
    check = _CHECKS[key]
    found: set[str] = set()
    for index, item in enumerate(value):
        path = (key, index)
        if not isinstance(item, str):
            raise _refusal(where, path, f"`{key}` must hold texts")
        try:
            found.add(check(item))
        except UserMistake as error:
            message = f"{error.message} in `{key}`"
            raise _refusal(where, path, message, error.hint) from error
    return tuple(sorted(found))


def _host_and_port(text: str) -> str:
    lowered = text.lower()
    match = _HOST_PORT.fullmatch(lowered)
    if match is None or len(match[1]) > HOST_CHARACTERS or not _is_address(match[1]):
        hint = "write `host:port`, such as `api.example.org:443`"
        if "*" in text:
            hint = "wildcards are not supported, name each host"
        elif "://" in text:
            hint = "leave out the scheme and the path, such as `api.example.org:443`"
        raise UserMistake(f"{quote(text)} is not a host and port", hint=hint)
    if int(match[2]) > HIGHEST_PORT:
        raise UserMistake(f"port {match[2]} is over {HIGHEST_PORT}")
    return lowered


def _is_address(host: str) -> bool:
    """Whether ``host`` is a name, or an address that is one: not ``[::::]``, not ``999.1``."""
    if not host.startswith("["):
        return not host.rsplit(".", 1)[-1].isdigit() or _is_ip(host)
    return _is_ip(host[1:-1])


def _is_ip(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _path(text: str) -> str:
    """Return ``text`` without trailing slash, known to stay in the project or below ``~/``."""
    path = text.rstrip("/") if len(text) <= PATH_CHARACTERS else ""
    below = path.removeprefix("~/")
    parts = below.split("/")
    if path != "." and (
        not path.isprintable()
        or not {'"', "\\"}.isdisjoint(path)
        or not {"", ".", ".."}.isdisjoint(parts)
        or below.startswith("~")
    ):
        hint = "write a path relative to the project, or one that starts with `~/`, without `..`"
        raise UserMistake(f"{quote(text)} is not a path a skill can be granted", hint=hint)
    return path


def _variable(text: str) -> str:
    if _VARIABLE.fullmatch(text) is None:
        raise UserMistake(f"{quote(text)} is not the name of an environment variable")
    if text.upper().startswith("SPM_"):
        raise UserMistake(f"{quote(text)} is spm's own and can hold its tokens")
    return text


_CHECKS: dict[str, Callable[[str], str]] = {
    "network": _host_and_port,
    "read": _path,
    "write": _path,
    "environment": _variable,
}


def _limits(value: object, where: Where) -> Limits:
    table = _table(value, ("limits",), tuple(BOUNDS), where)
    if not table:
        return DEFAULT_LIMITS
    numbers = {
        BOUNDS[key].field: _number(item, key, BOUNDS[key], where) for key, item in table.items()
    }
    return Limits(**numbers)


def _number(value: object, key: str, bound: Bound, where: Where) -> int:
    path = ("limits", key)
    number = parse_size(value) if bound.is_size and isinstance(value, str) else value
    if not isinstance(number, int) or isinstance(number, bool):
        expected = "a size such as `512MiB`" if bound.is_size else "a whole number"
        raise _refusal(where, path, f"limit `{key}` is {_shown(value)}, it must be {expected}")
    if not bound.lowest <= number <= bound.highest:
        lowest, highest = str(bound.lowest), str(bound.highest)
        if bound.is_size:
            lowest, highest = size_text(bound.lowest), size_text(bound.highest)
        message = f"limit `{key}` is {_shown(value)}, it must be {lowest} to {highest}"
        raise _refusal(where, path, message)
    return number


def _shown(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 10**18:
        return str(value)
    return "a number" if isinstance(value, int | float) else "something else"
