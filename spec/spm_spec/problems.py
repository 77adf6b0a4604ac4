"""What can be wrong with a skill, and what each fault stands in the way of.

Load leniently, publish strictly, always say why. ``CODES`` is the whole
vocabulary; spec/skill.md explains each code, and a test keeps the two alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Blocks = Literal["nothing", "publish", "load"]
Severity = Literal["error", "warning"]

PROBLEMS_SHOWN = 200

CODES: dict[str, Blocks] = {
    # SKILL.md as a file
    "missing-skill-file": "load",
    "file-name": "publish",
    "two-skill-files": "publish",
    "skill-file-too-large": "load",
    "not-utf-8": "load",
    "byte-order-mark": "nothing",
    "carriage-returns": "nothing",
    # front matter as text
    "missing-front-matter": "load",
    "unclosed-front-matter": "load",
    "front-matter-too-large": "load",
    "invalid-yaml": "load",
    "not-a-mapping": "load",
    "unquoted-value": "publish",
    # front matter, field by field
    "unknown-field": "publish",
    "not-a-string": "publish",
    "missing-name": "publish",
    "nameless": "load",
    "invalid-name": "publish",
    "name-not-folder": "publish",
    "reserved-name": "publish",
    "vendor-name": "nothing",
    "missing-description": "load",
    "empty-description": "load",
    "description-too-long": "publish",
    "tags-in-description": "nothing",
    "compatibility-length": "publish",
    "metadata-not-mapping": "publish",
    "metadata-nested": "publish",
    "metadata-not-string": "nothing",
    "flow-metadata": "nothing",
    "allowed-tools-form": "publish",
    "body-too-long": "nothing",
    # skill.yaml
    "unknown-key": "publish",
    "invalid-field": "publish",
    "files-disagree": "publish",
    "version-missing": "publish",
    "invalid-version": "publish",
    "invalid-url": "publish",
    "invalid-word": "publish",
    "invalid-framework": "publish",
    "missing-instructions": "publish",
    "invalid-dependency": "load",
    "invalid-tool": "publish",
    "duplicate-tool": "publish",
    "missing-entry": "publish",
    "invalid-permissions": "load",
    "invalid-checksum": "load",
    "checksum-mismatch": "load",
    # the list itself
    "more-problems": "nothing",
}

_RANK: dict[Blocks, int] = {"nothing": 0, "publish": 1, "load": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of one skill; an error is what keeps it from loading.

    ``line`` counts from 1; 0 means the file as a whole.
    """

    code: str
    severity: Severity
    blocks: Blocks
    message: str
    file: str
    line: int
    hint: str | None


@dataclass(slots=True)
class ProblemList:
    """Collects the problems of one skill, at most ``PROBLEMS_SHOWN`` and every kind of block."""

    found: list[Problem] = field(default_factory=list[Problem])
    left_out: int = 0

    def add(
        self, code: str, message: str, *, file: str, line: int = 0, hint: str | None = None
    ) -> None:
        """Note one problem; what it blocks follows from its code."""
        blocks = CODES[code]
        if self.is_full and _RANK[blocks] <= self._rank():
            self.left_out += 1
            return
        severity: Severity = "error" if blocks == "load" else "warning"
        self.found.append(Problem(code, severity, blocks, message, file, line, hint))

    @property
    def is_full(self) -> bool:
        """Whether hints are worth no more work."""
        return len(self.found) >= PROBLEMS_SHOWN

    def result(self) -> tuple[Problem, ...]:
        """Return the problems by file and line, with a note on those left out."""
        ordered = sorted(self.found, key=lambda problem: (problem.file, problem.line))
        if self.left_out:
            message = f"{self.left_out} more problems are not shown"
            file = ordered[-1].file
            ordered.append(Problem("more-problems", "warning", "nothing", message, file, 0, None))
        return tuple(ordered)

    def _rank(self) -> int:
        return max((_RANK[problem.blocks] for problem in self.found), default=-1)
