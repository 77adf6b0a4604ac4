"""Skills of ordinary size, made from a seed, for benchmarks."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FILES = 10
BYTES = 50_000
"""A skill at the ninth decile of what is published: ten files, fifty kilobytes."""

_WORDS = (  # noqa: SIM905  # reads as text
    "table column row value mean report chart agent skill read write file text line check "
    "result number date name list when use this with from into each first then last"
).split()


def write_skills(parent: Path, count: int, *, seed: int = 1) -> list[Path]:
    """Write ``count`` skills below ``parent`` and return their folders."""
    source = random.Random(seed)  # noqa: S311  # sizes and words, not secrets
    return [_write_skill(parent / f"bench-{number:04}", source) for number in range(count)]


def _write_skill(folder: Path, source: random.Random) -> Path:
    (folder / "references").mkdir(parents=True)
    (folder / "src").mkdir()
    name = folder.name
    (folder / "SKILL.md").write_text(
        f"---\nname: {name}\ndescription: Does what {name} does. Use when asked for it.\n---\n\n"
        + _prose(source, 4_000)
    )
    (folder / "skill.yaml").write_text("version: 1.0.0\nlicense: Apache-2.0\n")
    (folder / "src" / "skill.py").write_text(
        f'"""{name}"""\n\nTEXT = """{_prose(source, 3_000)}"""\n'
    )
    rest = FILES - 3
    for number in range(rest):
        text = _prose(source, (BYTES - 7_000) // rest)
        (folder / "references" / f"part-{number}.md").write_text(text)
    return folder


def _prose(source: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        word = source.choice(_WORDS)
        words.append(word)
        length += len(word) + 1
    return " ".join(words)
