"""The text of version ranges: npm's grammar, and pip's ``,`` ``==`` ``!=`` ``~=``.

Reading is a single pass with anchored, unambiguous patterns over text of bounded
length; time is linear. The rules are numbered in spec/versions.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from spm_spec.cuts import ALL, LOWEST, NOTHING, cuts_between, intersect, invert, successor, unite
from spm_spec.quoting import quote
from spm_spec.range_partial import Partial, RangeSyntaxError, lowest_prerelease
from spm_spec.versions import (
    BUILD_PATTERN,
    LARGEST_NUMBER,
    PRERELEASE_PATTERN,
    VERSION_CHARACTERS,
    parse_prerelease,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from spm_spec.cuts import Cuts
    from spm_spec.versions import Key

RANGE_CHARACTERS = 1024
RANGE_COMPARATORS = 128

_PART = r"0|[1-9][0-9]*|[xX*]"
_PARTIAL = (
    rf"v?(?P<major>{_PART})(?:\.(?P<minor>{_PART})(?:\.(?P<patch>{_PART})"
    rf"(?:-(?P<prerelease>{PRERELEASE_PATTERN}))?(?:\+{BUILD_PATTERN})?)?)?"
)
_OPERATOR = re.compile(r">=|<=|==|!=|~=|~>|>|<|=|\^|~|")
_VERSION_TEXT = re.compile(_PARTIAL)
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[^ \t\r\n,|]+")
_HYPHEN_HINT = "a hyphen range is two versions, as in `1.2.3 - 2.0.0`"
_HYPHEN = re.compile(r"[ \t\r\n]-[ \t\r\n]")


def read_range(text: str) -> tuple[Cuts, Cuts]:
    """Return the set ``text`` means and the part of it whose pre-releases are asked for.

    Raises:
        RangeSyntaxError: the text is outside the grammar or the caps.

    """
    if len(text) > RANGE_CHARACTERS:
        raise RangeSyntaxError(
            f"version range {quote(text, limit=24)} has {len(text)} characters, "
            f"the limit is {RANGE_CHARACTERS}"
        )
    budget = _Budget(text)
    cuts, opened = NOTHING, NOTHING
    matches_anything = False
    for alternative in text.split("||"):
        one, one_opened = _read_alternative(alternative.strip(" \t\r\n"), budget)
        matches_anything |= one == ALL and not one_opened
        cuts, opened = unite(cuts, one), unite(opened, one_opened)
    # npm: an alternative that is `*` swallows the others, openings included.
    return cuts, NOTHING if matches_anything else opened


_FORMS = "write it like `^1.2`, `>=1.0 <3` or `*`"


class _Budget:
    """Counts comparators, and knows the whole text for messages."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.left = RANGE_COMPARATORS

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise RangeSyntaxError(
                f"version range {quote(self.text, limit=24)} has more than "
                f"{RANGE_COMPARATORS} comparators"
            )

    def refuse(self, part: str, *, hint: str | None = None) -> RangeSyntaxError:
        where = f" in {quote(self.text)}" if part != self.text else ""
        return RangeSyntaxError(f"{quote(part)}{where} is not a version range", hint=hint or _FORMS)


def _read_alternative(text: str, budget: _Budget) -> tuple[Cuts, Cuts]:
    if _HYPHEN.search(text):
        return _read_hyphen(text, budget)
    cuts, named = ALL, NOTHING
    for part in text.split(",") if "," in text else [text]:
        if not part.strip(" \t\r\n") and "," in text:
            raise RangeSyntaxError(f"nothing stands beside a comma in {quote(budget.text)}")
        at = _BLANKS.match(part).end()  # type: ignore[union-attr]  # matches the empty string
        while at < len(part):
            one, one_named, at = _read_comparator(part, at, budget)
            cuts, named = intersect(cuts, one), unite(named, one_named)
    return cuts, intersect(cuts, named)


def _read_hyphen(text: str, budget: _Budget) -> tuple[Cuts, Cuts]:
    budget.spend()
    budget.spend()
    ends = [_VERSION_TEXT.fullmatch(end.strip(" \t\r\n")) for end in _HYPHEN.split(text)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:  # noqa: PLR2004  # from and to
        raise budget.refuse(text, hint=_HYPHEN_HINT)
    lower, upper = (_partial(end, budget) for end in ends if end)
    cuts = intersect(_at_least(lower.floor), _below(None if upper.major is None else upper.ceiling))
    return cuts, intersect(cuts, unite(_band(lower), _band(upper)))


def _read_comparator(part: str, start: int, budget: _Budget) -> tuple[Cuts, Cuts, int]:
    """Read one comparator at ``start``: its set, the band it names, and what follows."""
    budget.spend()
    operator_match = _OPERATOR.match(part, start)
    assert operator_match is not None  # noqa: S101  # the pattern matches the empty string
    operator = operator_match.group()
    after_blanks = _BLANKS.match(part, operator_match.end())
    assert after_blanks is not None  # noqa: S101  # likewise
    word = _WORD.match(part, after_blanks.end())
    match = word and _VERSION_TEXT.fullmatch(word.group())
    if word is None or not match:
        raise budget.refuse(part[start:].strip(), hint=_hint(part[start:]))
    partial = _partial(match, budget)
    cuts = _OPERATORS[operator](partial)
    named = NOTHING if operator == "!=" else _band(partial)
    following = _BLANKS.match(part, word.end())
    return cuts, named, following.end() if following else len(part)


def _partial(match: re.Match[str], budget: _Budget) -> Partial:
    if len(match.group()) > VERSION_CHARACTERS:
        raise budget.refuse(match.group())
    numbers = [_number(match[name], budget) for name in ("major", "minor", "patch")]
    prerelease = parse_prerelease(match["prerelease"])
    first_open = numbers.index(None) if None in numbers else len(numbers)
    if any(number is not None for number in numbers[first_open:]):
        hint = "numbers cannot follow an `x`"
        raise budget.refuse(match.group(), hint=hint)
    if prerelease and None in numbers:
        raise budget.refuse(match.group(), hint="a pre-release needs all three numbers")
    return Partial(numbers[0], numbers[1], numbers[2], prerelease, match.group())


def _number(text: str | None, budget: _Budget) -> int | None:
    if text is None or text in "xX*":
        return None
    if int(text) > LARGEST_NUMBER:
        raise RangeSyntaxError(
            f"version range {quote(budget.text)} has a number above {LARGEST_NUMBER}"
        )
    return int(text)


def _hint(text: str) -> str | None:
    if text.strip() == "-":
        return _HYPHEN_HINT
    if text.startswith(("===", ">==", "<==")):
        return "the operators are < <= > >= = == != ~= ^ ~ and a blank or a comma for `and`"
    return None


def _band(partial: Partial) -> Cuts:
    """Return all pre-releases of the version ``partial`` names, if it names a pre-release."""
    if not partial.prerelease:
        return NOTHING
    major, minor, patch, _, _ = partial.floor
    return (lowest_prerelease(major, minor, patch), (major, minor, patch, 1, ()))


def _at_least(key: Key) -> Cuts:
    # npm reads `>=0.0.0` as `*`, so that it does not shut out what `*` lets in.
    return ALL if key[:4] == (0, 0, 0, 1) else (key,)


def _below(key: Key | None) -> Cuts:
    return ALL if key is None else cuts_between(LOWEST, key)


def _between(start: Key, end: Key) -> Cuts:
    return intersect(_at_least(start), _below(end))


def _equal(partial: Partial) -> Cuts:
    """``1.2.3``, ``1.2``, ``=1.x``: everything the numbers can mean."""
    if partial.major is None:
        return ALL
    if partial.is_full:
        return cuts_between(partial.floor, partial.ceiling)
    return _between(partial.floor, partial.ceiling)


def _same(partial: Partial) -> Cuts:
    """``==1.2`` is pip's, where missing numbers are zeros; ``==1.2.*`` is not."""
    if partial.is_full or partial.text[-1] in "xX*":
        return _equal(partial)
    return cuts_between(partial.floor, successor(partial.floor))


def _at_least_partial(partial: Partial) -> Cuts:
    return _at_least(partial.floor)


def _above(partial: Partial) -> Cuts:
    return NOTHING if partial.major is None else (_above_key(partial),)


def _above_key(partial: Partial) -> Key:
    """``>1.2`` starts at the release ``1.3.0``, not at its pre-releases (npm)."""
    if partial.is_full:
        return partial.ceiling
    major, minor, patch, _, _ = partial.ceiling
    return (major, minor, patch, 1, ())


def _at_most(partial: Partial) -> Cuts:
    return _below(None if partial.major is None else partial.ceiling)


def _under(partial: Partial) -> Cuts:
    if partial.major is None:
        return NOTHING
    return _below(partial.floor if partial.is_full else lowest_prerelease(*partial.floor[:3]))


def _tilde(partial: Partial) -> Cuts:
    if partial.major is None:
        return ALL
    return _between(
        partial.floor, partial.next_major if partial.minor is None else partial.next_minor
    )


def _caret(partial: Partial) -> Cuts:
    """Up to the next change of the leftmost number that is not zero."""
    if partial.major is None:
        return ALL
    if partial.major > 0 or partial.minor is None:
        return _between(partial.floor, partial.next_major)
    if partial.minor > 0 or partial.patch is None:
        return _between(partial.floor, partial.next_minor)
    return _between(partial.floor, partial.next_patch)


def _compatible(partial: Partial) -> Cuts:
    """Pip's ``~=``: the last number given may grow, the ones before it may not."""
    if partial.minor is None or partial.text[-1] in "xX*":
        hint = "`~=` needs two or three numbers, as in `~=1.4` or `~=1.4.2`"
        raise RangeSyntaxError(f"`~={partial.text}` is not a version range", hint=hint)
    return _between(partial.floor, partial.next_minor if partial.is_full else partial.next_major)


_OPERATORS: dict[str, Callable[[Partial], Cuts]] = {
    "": _equal,
    "=": _equal,
    "==": _same,
    "!=": lambda partial: invert(_same(partial)),
    ">=": _at_least_partial,
    ">": _above,
    "<=": _at_most,
    "<": _under,
    "~": _tilde,
    "~>": _tilde,
    "^": _caret,
    "~=": _compatible,
}
