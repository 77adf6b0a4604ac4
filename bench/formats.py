"""Reading a lock beside bare `tomllib`, and digesting a skill's tree beside BLAKE3 alone.

python bench/formats.py [--runs N] [--json]
"""

from __future__ import annotations

import tomllib

from blake3 import blake3
from timing import Comparison, options, paired, report

from spm_spec.digests import blob_digest
from spm_spec.lock import Lock, LockEntry, parse_lock, render_lock
from spm_spec.sources import RegistrySource
from spm_spec.tree import FileEntry, build_tree
from spm_spec.versions import Version

SKILLS = 200
FILES = 10
FILE_BYTES = 5_000
TREES = 100
"""How many trees one timed run digests."""


def main() -> None:
    """Compare both."""
    asked = options("reading formats", runs=20)
    report([_lock(asked.runs), _trees(asked.runs)], as_json=asked.json)


def _lock(runs: int) -> Comparison:
    names = [f"skill-{number:04}" for number in range(SKILLS)]
    entries = tuple(
        LockEntry(
            name=name,
            version=Version.parse("1.2.3"),
            source=RegistrySource("https://skills.example.org"),
            tree=blob_digest(name.encode()),
            archive_sha256=blob_digest(name.encode()).hex,
            archive_size=50_000,
        )
        for name in names
    )
    text = render_lock(Lock(tuple(f"{name}@^1" for name in names), {}, entries))
    ours, theirs = paired(
        lambda: _drop(parse_lock(text)), lambda: _drop(tomllib.loads(text)), runs=runs
    )
    return Comparison(f"read a lock of {SKILLS}", ours, "tomllib", theirs, "1")


def _trees(runs: int) -> Comparison:
    files = [FileEntry(f"references/{number}.md", bytes(FILE_BYTES)) for number in range(FILES)]

    def ours() -> None:
        for _ in range(TREES):
            build_tree(files)

    def theirs() -> None:
        for _ in range(TREES):
            for entry in files:
                blake3(entry.data).digest()

    mine, beside = paired(ours, theirs, runs=runs)
    return Comparison(
        f"digest {TREES} trees of {FILES} files", mine, "BLAKE3 alone", beside, "none set"
    )


def _drop(_: object) -> None:
    """Let the result go."""


if __name__ == "__main__":
    main()
