"""Every bundle that spec/vectors/bundle/ holds, and what a reader must make of it.

``python -m tests.support.bundle_scenarios`` in the root of the repository writes the
vectors again; a test holds that nothing changes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import msgpack  # type: ignore[import-untyped]  # it ships no types
from blake3 import blake3

from spm_spec.bundle import BUNDLE_MAGIC, END_CONTEXT
from spm_spec.digests import Digest, blob_digest
from spm_spec.tree import FileEntry, Kind, Node, build_tree, directory_digest, encode_directory
from tests.support.archives import tar, tar_member, zstd_frame, zstd_run

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "bundle"
TEXT = b"---\nname: hello\n---\n"
HELLO = (FileEntry("SKILL.md", TEXT),)
RUNS = (*HELLO, FileEntry("scripts/run.sh", b"#!/bin/sh\n", executable=True))
EMPTY = (*HELLO, FileEntry("docs/empty", b""))


@dataclass(frozen=True)
class Parts:
    """What a bundle says, each part of which a scenario may make a lie."""

    keys: tuple[tuple[bytes, bytes, bytes], ...]
    directories: tuple[bytes, ...]
    blobs: tuple[bytes, ...]
    count: int | None = None
    end: bytes | None = None

    @property
    def listing(self) -> bytes:
        """The listing in bytes."""
        count = len(self.keys) if self.count is None else self.count
        said = count.to_bytes(4, "big")
        for name, version, digest in self.keys:
            said += len(name).to_bytes(2, "big") + name
            said += len(version).to_bytes(2, "big") + version + digest
        said += len(self.directories).to_bytes(4, "big")
        for directory in self.directories:
            said += len(directory).to_bytes(4, "big") + directory
        return said

    @property
    def content(self) -> bytes:
        """What the frame holds."""
        end = blake3(self.listing, derive_key_context=END_CONTEXT).digest()
        return self.listing + b"".join(self.blobs) + (end if self.end is None else self.end)

    @property
    def bundle(self) -> bytes:
        """The whole file, in a frame of one raw block."""
        return BUNDLE_MAGIC + zstd_frame(self.content)


def parts(*skills: tuple[str, str, tuple[FileEntry, ...]]) -> Parts:
    """Return the honest parts of a bundle of skills: name, version, files."""
    trees = [build_tree(files) for _, _, files in skills]
    keys = sorted(
        (name.encode(), version.encode(), tree.digest.raw)
        for (name, version, _), tree in zip(skills, trees, strict=True)
    )
    directories = {
        directory_digest(each).raw: each for tree in trees for each in tree.directories.values()
    }
    blobs = {blob_digest(file.data).raw: file.data for _, _, files in skills for file in files}
    return Parts(
        tuple(keys),
        tuple(directories[digest] for digest in sorted(directories)),
        tuple(blobs[digest] for digest in sorted(blobs)),
    )


@dataclass(frozen=True)
class Scenario:
    """One bundle: accepted with trees and blobs, or refused for the reason ``refused``."""

    name: str
    description: str
    bundle: bytes
    accepted: Parts | None = None
    refused: str = ""


ONE = parts(("hello", "1.0.0", HELLO))
TWO = parts(("hello", "1.0.0", HELLO), ("runs", "2.1.0", RUNS))


def accepted() -> list[Scenario]:
    """What a writer may write."""
    cases = {
        "one": ("one skill", ONE),
        "two": ("two skills that share a file", TWO),
        "no-version": ("a skill without a version", parts(("hello", "", HELLO))),
        "versions": (
            "no version comes before any",
            parts(("hello", "", HELLO), ("hello", "1.0.0", RUNS), ("hello", "1.0.0-a", HELLO)),
        ),
        "two-names": ("one tree, two names", parts(("a", "1.0.0", HELLO), ("b", "1.0.0", HELLO))),
        "two-trees": (
            "one name and version, two trees",
            parts(("a", "1.0.0", HELLO), ("a", "1.0.0", RUNS)),
        ),
        "empty-file": ("an empty file has no bytes", parts(("hello", "1.0.0", EMPTY))),
        "same-directory": (
            "a directory in two places is there once",
            parts(("hello", "", (FileEntry("a/x", b"x"), FileEntry("b/x", b"x")))),
        ),
    }
    return [
        Scenario(name, description, said.bundle, said)
        for name, (description, said) in cases.items()
    ]


def refused_frames() -> list[Scenario]:
    """Files that hold more, less or something else than one bundle."""
    good, content = ONE.bundle, ONE.content
    magic, length = BUNDLE_MAGIC, len(ONE.content)
    cases = {
        "nothing": ("unknown-format", b""),
        "text": ("unknown-format", b"hello, world, I am text\n"),
        "package": ("unknown-format", zstd_frame(tar(tar_member("SKILL.md", TEXT)))),
        "newer": ("unknown-version", b"spm bundle 2\n" + good[len(magic) :]),
        "magic-only": ("truncated", magic),
        "no-frame": ("bad-compression", magic + content),
        "frame-cut": ("truncated", good[:-1]),
        "frame-no-last-block": ("truncated", magic + zstd_frame(content, last=False)),
        "frame-trailing": ("trailing-data", good + b"x"),
        "frame-twice": ("trailing-data", good + good[len(magic) :]),
        "frame-skippable": ("trailing-data", good + b"\x50\x2a\x4d\x18\0\0\0\0"),
        "frame-no-size": ("no-content-size", magic + zstd_run(1000, content)),
        "frame-window": ("window-too-large", magic + zstd_frame(content, window=16 << 3)),
        "frame-dictionary": ("bad-compression", magic + zstd_frame(content, dictionary=b"\1")),
        "frame-says-more": ("bad-compression", magic + zstd_frame(content, declared=length + 1)),
        "frame-says-less": ("bad-compression", magic + zstd_frame(content, declared=length - 1)),
        "frame-says-petabyte": ("bundle-too-large", magic + zstd_frame(content, declared=1 << 50)),
        "frame-holds-more": (
            "bad-compression",
            magic + zstd_frame(content + b"x", declared=len(content)),
        ),
        "frame-empty": ("truncated", magic + zstd_frame(b"")),
        "listing-cut": ("truncated", magic + zstd_frame(content[:30])),
    }
    return [
        Scenario(name, name.replace("-", " "), bundle, None, reason)
        for name, (reason, bundle) in cases.items()
    ]


def refused_listings() -> list[Scenario]:
    """Listings that no writer writes."""
    key, digest = ONE.keys[0], ONE.keys[0][2]
    named = {
        "name-upper-case": b"Hello",
        "name-parent": b"../hello",
        "name-absolute": b"/etc",
        "name-empty": b"",
        "name-not-ascii": "é".encode(),
        "name-not-utf8": b"\xff",
        "name-too-long": b"a" * 65,
        "name-nul": b"a\0b",
    }
    versions = {
        "version-range": b"^1.0.0",
        "version-short": b"1.0",
        "version-spelt": b"v1.0.0",
        "version-parent": b"../1.0.0",
        "version-zero": b"01.0.0",
        "version-not-ascii": "1.0.0-é".encode(),
    }
    names = {
        case: ("bad-name", replace(ONE, keys=((name, *key[1:]),))) for case, name in named.items()
    }
    reasons = {"version-not-ascii": "bad-name"}
    exact = {
        case: (reasons.get(case, "bad-version"), replace(ONE, keys=((key[0], text, digest),)))
        for case, text in versions.items()
    }
    cases = {
        **names,
        **exact,
        "trees-none": ("no-trees", Parts((), (), ())),
        "trees-too-many": ("too-many-trees", replace(ONE, count=10_001)),
        "trees-fewer": ("bad-name", replace(ONE, count=2)),
        "trees-wrong-order": ("wrong-order", replace(TWO, keys=TWO.keys[::-1])),
        "trees-twice": ("duplicate-tree", replace(ONE, keys=ONE.keys * 2)),
        "directories-wrong-order": (
            "wrong-order",
            replace(TWO, directories=TWO.directories[::-1]),
        ),
        "directories-twice": ("duplicate-directory", replace(ONE, directories=ONE.directories * 2)),
        "directories-missing": ("missing-directory", replace(TWO, directories=TWO.directories[:1])),
        "directories-extra": ("extra-directory", replace(TWO, keys=TWO.keys[:1])),
    }
    long = (4 * 1024 * 1024 + 1).to_bytes(4, "big")
    start = ONE.listing[: -len(ONE.directories[0]) - 4]
    too_long = BUNDLE_MAGIC + zstd_frame(start + long)
    bundles = {name: (reason, said.bundle) for name, (reason, said) in cases.items()}
    bundles["directory-too-long"] = ("directory-too-long", too_long)
    return [
        Scenario(name, name.replace("-", " "), bundle, None, reason)
        for name, (reason, bundle) in bundles.items()
    ]


def rooted(*directories: bytes, root: bytes | None = None) -> Parts:
    """Return a bundle of one tree whose directories are these bytes; the last is its root."""
    digest = directory_digest(directories[-1] if root is None else root).raw
    ordered = sorted(set(directories), key=lambda each: directory_digest(each).raw)
    return Parts(((b"hello", b"1.0.0", digest),), tuple(ordered), ())


def doubled(levels: int) -> tuple[bytes, ...]:
    """Return directories each of which holds the one before it twice: 2**levels files."""
    empty = Node("f", Kind.FILE, blob_digest(b""), 0)
    made = [encode_directory([empty])]
    for _ in range(levels):
        below = directory_digest(made[-1])
        made.append(encode_directory([Node(name, Kind.DIRECTORY, below, 0) for name in "ab"]))
    return tuple(made)


def chained(levels: int, name: str = "d") -> tuple[bytes, ...]:
    """Return directories each of which holds the one before it."""
    made = [encode_directory([Node("f", Kind.FILE, blob_digest(b""), 0)])]
    for _ in range(levels):
        below = directory_digest(made[-1])
        made.append(encode_directory([Node(name, Kind.DIRECTORY, below, 0)]))
    return tuple(made)


def refused_trees() -> list[Scenario]:
    """Directories that are no tree within the caps."""
    digest = blob_digest(TEXT)
    good = ["SKILL.md", 0, digest.raw, len(TEXT)]
    other = encode_directory([Node("f", Kind.FILE, digest, 7)])
    below = Node("d", Kind.DIRECTORY, directory_digest(other), 7)
    lying = encode_directory([replace(below, size=8)])
    two_sizes = encode_directory([Node("SKILL.md", Kind.FILE, digest, 8), below])
    late = packed([good])[: -1 - 2 - 32 - 1] + b"\xd0\0\xc4\x20" + digest.raw + b"\x14"
    over = encode_directory([Node("big", Kind.FILE, digest, (1 << 26) + 1)])
    arrays = b"\xdc\x13\x88" + b"\x90" * 5000
    huge = [Node(f"f{n}", Kind.FILE, Digest(bytes([n]) * 32), 1 << 26) for n in range(5)]
    cases = {
        "directory-long-number": ("not-canonical", (late,)),
        "directory-same-name": ("duplicate-name", (packed([good, good]),)),
        "directory-wrong-order": ("wrong-order", (packed([["b", *good[1:]], ["a", *good[1:]]]),)),
        "directory-map": ("not-msgpack", (b"\x82\xa1a\1\xa1a\2",)),
        "directory-nested-deep": ("not-msgpack", (b"\x91" * 2000 + b"\xc0",)),
        "directory-huge-array": ("not-msgpack", (b"\xdd\xff\xff\xff\xff",)),
        "directory-many-arrays": ("not-msgpack", (b"\x92" + 2 * arrays,)),
        "directory-trailing": ("not-msgpack", (packed([good]) + b"\xc0",)),
        "directory-boolean": ("unknown-kind", (packed([["SKILL.md", True, digest.raw, 20]]),)),
        "directory-parent-name": ("dot-name", (packed([["..", *good[1:]]]),)),
        "directory-slash": ("forbidden-character", (packed([["a/b", *good[1:]]]),)),
        "directory-case": ("case-collision", (packed([["A", *good[1:]], ["a", *good[1:]]]),)),
        "directory-no-nodes": ("empty-directory", (packed([]),)),
        "directory-lies-on-size": ("wrong-size", (other, lying)),
        "blob-two-sizes": ("wrong-size", (other, two_sizes)),
        "file-too-large": ("file-too-large", (over,)),
        "tree-too-large": ("tree-too-large", (encode_directory(huge),)),
        "tree-doubled": ("too-many-entries", doubled(30)),
        "tree-too-deep": ("too-deep", chained(32)),
        "path-too-long": ("path-too-long", chained(5, "n" * 250)),
    }
    return [
        Scenario(name, name.replace("-", " "), rooted(*directories).bundle, None, reason)
        for name, (reason, directories) in cases.items()
    ]


def packed(rows: list[object]) -> bytes:
    """Return the msgpack of rows that may be wrong."""
    return cast("bytes", msgpack.packb(rows, use_bin_type=True))  # pyright: ignore[reportUnknownMemberType]


def refused_blobs() -> list[Scenario]:
    """Blobs that are not those of the listing, and wrong ends."""
    first, second = TWO.blobs
    cases = {
        "blob-wrong-bytes": ("wrong-bytes", replace(ONE, blobs=(TEXT.upper(),))),
        "blobs-wrong-order": ("wrong-bytes", replace(TWO, blobs=(second, first))),
        "blob-missing": ("bad-size", replace(TWO, blobs=(first,))),
        "blob-extra": ("bad-size", replace(ONE, blobs=(TEXT, b"extra"))),
        "blob-twice": ("bad-size", replace(ONE, blobs=(TEXT, TEXT))),
        "end-missing": ("bad-size", replace(ONE, end=b"")),
        "end-wrong": ("bad-end", replace(ONE, end=bytes(32))),
        "end-of-another": ("bad-end", replace(ONE, end=TWO.content[-32:])),
    }
    return [
        Scenario(name, name.replace("-", " "), said.bundle, None, reason)
        for name, (reason, said) in cases.items()
    ]


def all_scenarios() -> list[Scenario]:
    """Return every scenario; names are unique."""
    return accepted() + refused_frames() + refused_listings() + refused_trees() + refused_blobs()


def document(scenario: Scenario) -> str:
    """Return the text of the vector."""
    value: dict[str, object] = {"description": scenario.description}
    if scenario.accepted is None:
        value["refused"] = scenario.refused
    else:
        value["trees"] = [
            {
                "name": name.decode(),
                "version": version.decode() or None,
                "tree": str(Digest(digest)),
            }
            for name, version, digest in scenario.accepted.keys
        ]
        value["blobs"] = [
            {"digest": str(blob_digest(data)), "text": data.decode()}
            for data in scenario.accepted.blobs
        ]
    value["bundle"] = base64.b64encode(scenario.bundle).decode()
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def main() -> None:
    """Write all vectors again."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for scenario in all_scenarios():
        (VECTORS / f"{scenario.name}.json").write_text(document(scenario), encoding="utf-8")


if __name__ == "__main__":
    main()
