"""Why there is no solution, in sentences derived from the incompatibilities.

The derivation is a graph: each learnt incompatibility follows from two others.
It is written from the leaves to the root, one sentence for each thing that is not
obvious; what is used more than once is numbered and referred to by number. The
cases are those of PubGrub's error reporting; spec/resolver.md section 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spm_resolver.errors import NoSolution
from spm_resolver.hints import best_hint
from spm_resolver.incompatibility import Learnt, Requirement
from spm_resolver.wording import Wording

if TYPE_CHECKING:
    from collections.abc import Generator

    from spm_resolver.incompatibility import Incompatibility
    from spm_resolver.packages import Packages

    Visit = Generator["Visit", None, None]

MOST_TERMS_WRITTEN = 20_000  # in a whole derivation; longer ones nobody reads
REQUIREMENTS_SHOWN = 10


def explain(root: Incompatibility, packages: Packages, origin: str) -> NoSolution:
    """Return the error that explains ``root``, the incompatibility nothing can avoid."""
    wording = Wording(packages, origin)
    derivation = _derivation(root)
    facts = [one for one in derivation if not isinstance(one.cause, Learnt)]
    causes = [fact.cause.demand for fact in facts if isinstance(fact.cause, Requirement)]
    requirements = tuple(sorted({wording.wanted(demand) for demand in causes}))
    if sum(len(one.terms) for one in derivation) > MOST_TERMS_WRITTEN:
        message = _summary(requirements, len(derivation) - len(facts), wording, origin)
    else:
        message = _Explanation(root, wording).text()
    return NoSolution(
        message,
        requirements=requirements,
        hint=best_hint(facts, packages),
    )


def _summary(requirements: tuple[str, ...], steps: int, wording: Wording, origin: str) -> str:
    """Return what can still be read of a proof too long to write."""
    shown = ", ".join(requirements[:REQUIREMENTS_SHOWN])
    more = len(requirements) - REQUIREMENTS_SHOWN
    others = f" and {more} more" if more > 0 else ""
    return (
        f"because {origin} requires {shown}{others}, and no versions of what these need fit "
        f"together (shown in {steps} steps, too many to write), {wording.failure}"
    )


def _derivation(root: Incompatibility) -> list[Incompatibility]:
    """Return every incompatibility ``root`` rests on, each once, and ``root`` first."""
    found: dict[int, Incompatibility] = {}
    pending = [root]
    while pending:
        incompatibility = pending.pop()
        if id(incompatibility) not in found:
            found[id(incompatibility)] = incompatibility
            cause = incompatibility.cause
            if isinstance(cause, Learnt):
                pending += (cause.reason, cause.conflict)
    return list(found.values())


class _Explanation:
    """The lines written so far, and the numbers of those referred to."""

    def __init__(self, root: Incompatibility, wording: Wording) -> None:
        self._root = root
        self._wording = wording
        self._lines: list[tuple[str, int | None]] = []
        self._numbers: dict[Incompatibility, int] = {}
        self._uses: dict[Incompatibility, int] = {}
        for incompatibility in _derivation(root):
            cause = incompatibility.cause
            if isinstance(cause, Learnt):
                for premise in (cause.conflict, cause.reason):
                    self._uses[premise] = self._uses.get(premise, 0) + 1

    def text(self) -> str:
        """Return all lines, numbers in a column of their own if there are any."""
        if not isinstance(self._root.cause, Learnt):
            return f"because {self._wording.sentence(self._root)}, {self._wording.failure}"
        # A stack of generators instead of recursion: derivations can be thousands deep.
        stack: list[Visit] = [self._visit(self._root)]
        while stack:
            below = next(stack[-1], None)
            if below is None:
                stack.pop()
            else:
                stack.append(below)
        if not self._numbers:
            return "\n".join(line for line, _ in self._lines)
        width = len(f"({len(self._numbers)}) ")
        return "\n".join(
            f"{'' if number is None else f'({number})':<{width}}{line}"
            for line, number in self._lines
        )

    def _visit(self, incompatibility: Incompatibility, *, referred: bool = False) -> Visit:
        cause = incompatibility.cause
        if not isinstance(cause, Learnt):
            return
        learnt = [one for one in (cause.conflict, cause.reason) if isinstance(one.cause, Learnt)]
        facts = [one for one in (cause.conflict, cause.reason) if not isinstance(one.cause, Learnt)]
        if not learnt:
            lead = (
                "because" if not self._lines or incompatibility is not self._root else "so, because"
            )
            self._write(
                incompatibility,
                f"{lead} {self._wording.premises(cause.conflict, cause.reason, incompatibility)},",
                referred,
            )
        elif facts:
            yield from self._visit_with_fact(incompatibility, learnt[0], facts[0], referred)
        else:
            yield from self._visit_two(incompatibility, cause, referred)

    def _visit_with_fact(
        self,
        incompatibility: Incompatibility,
        learnt: Incompatibility,
        fact: Incompatibility,
        referred: bool,  # noqa: FBT001 - passed through from ``_visit``
    ) -> Visit:
        number = self._numbers.get(learnt)
        if number is not None:
            lead = "so, because" if incompatibility is self._root else "because"
            premises = f"{self._wording.sentence(fact)} and {self._wording.sentence(learnt)}"
            self._write(incompatibility, f"{lead} {premises} ({number}),", referred)
            return
        lead = self._lead(incompatibility)
        inner = self._collapsible(learnt)
        if inner is None:
            yield self._visit(learnt)
            self._write(incompatibility, f"{lead} {self._wording.sentence(fact)},", referred)
        else:
            below, beside = inner
            yield self._visit(below)
            premises = self._wording.premises(beside, fact, incompatibility)
            self._write(incompatibility, f"{lead} {premises},", referred)

    def _visit_two(
        self,
        incompatibility: Incompatibility,
        cause: Learnt,
        referred: bool,  # noqa: FBT001 - passed through from ``_visit``
    ) -> Visit:
        one, other = cause.conflict, cause.reason
        sentence = self._wording.sentence
        if one in self._numbers and other in self._numbers:
            lead = "so, because" if incompatibility is self._root else "because"
            first = f"{sentence(one)} ({self._numbers[one]})"
            second = f"{sentence(other)} ({self._numbers[other]})"
            self._write(incompatibility, f"{lead} {first} and {second},", referred)
            return
        if other in self._numbers:
            one, other = other, one
        if one in self._numbers:
            yield self._visit(other)
        elif _is_one_line(one) or _is_one_line(other):
            yield from (
                self._visit(each)
                for each in ((one, other) if _is_one_line(other) else (other, one))
            )
            lead = "so" if incompatibility is self._root else "thus"
            self._write(incompatibility, lead, referred)
            return
        else:
            yield self._visit(one, referred=True)
            yield self._visit(other)
        number = self._numbers[one]
        lead = self._lead(incompatibility)
        self._write(incompatibility, f"{lead} {sentence(one)} ({number}),", referred)

    def _write(
        self,
        incompatibility: Incompatibility,
        premises: str,
        referred: bool,  # noqa: FBT001 - passed through from ``_visit``
    ) -> None:
        number = None
        if referred or self._uses.get(incompatibility, 0) > 1:
            number = len(self._numbers) + 1
            self._numbers[incompatibility] = number
        self._lines.append((f"{premises} {self._wording.sentence(incompatibility)}", number))

    def _lead(self, incompatibility: Incompatibility) -> str:
        return "so, because" if incompatibility is self._root else "and because"

    def _collapsible(
        self, learnt: Incompatibility
    ) -> tuple[Incompatibility, Incompatibility] | None:
        """Return what ``learnt`` rests on, learnt first, if it needs no line of its own."""
        cause = learnt.cause
        if self._uses[learnt] > 1 or not isinstance(cause, Learnt):
            return None
        one, other = cause.conflict, cause.reason
        if isinstance(one.cause, Learnt) == isinstance(other.cause, Learnt):
            return None
        below, beside = (one, other) if isinstance(one.cause, Learnt) else (other, one)
        return None if below in self._numbers else (below, beside)


def _is_one_line(incompatibility: Incompatibility) -> bool:
    cause = incompatibility.cause
    return isinstance(cause, Learnt) and not (
        isinstance(cause.conflict.cause, Learnt) or isinstance(cause.reason.cause, Learnt)
    )
