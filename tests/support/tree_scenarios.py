"""Every case of spec/vectors/tree/: files with their tree, and what is no tree.

``python -m tests.support.tree_scenarios`` in the root of the repository writes the
vectors again; a test holds that nothing changes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import msgpack  # type: ignore[import-untyped]  # it ships no types

from spm_spec.digests import blob_digest
from spm_spec.tree import FileEntry, Kind, Node, build_tree, encode_directory

VECTORS = Path(__file__).parents[2] / "spec" / "vectors" / "tree"
DIGEST = blob_digest(b"")
NODE = Node("a", Kind.FILE, DIGEST, 0)
ROW: list[Any] = ["a", 0, DIGEST.raw, 0]

TREES: dict[str, tuple[str, dict[str, str]]] = {
    "one-file": ("the smallest tree", {"SKILL.md": "hello\n"}),
    "empty-file": ("a file may be empty", {"empty": ""}),
    "executable": ("a closing * marks an executable", {"run.sh*": "#!/bin/sh\n"}),
    "nested": ("directories in directories", {"a/b/c/d.md": "d", "a/b/e.md": "e", "f": "f"}),
    "byte-order": (
        "names sort by bytes",
        {"b": "", "a": "", "Z": "1", "é": "", "~": ""},
    ),
    "same-content": ("equal files have equal digests", {"a": "x", "b": "x"}),
    "prefix-names": ("a name may begin another", {"a": "", "a.md": "", "a-b": "", "ab/c": ""}),
    "unicode": ("names in normal form C", {"références/été.md": "x", "日本語.md": "y", "😀": "z"}),
    "dotfile": ("a leading dot is ordinary", {".skill/claude.json": "{}"}),
    "spaces": ("spaces inside are ordinary", {"my notes.md": "", "a . b": "", " c": ""}),
    "almost-reserved": (
        "names that only resemble devices",
        {"console": "", "com10": "", "x.nul": ""},
    ),
    "long-name": ("255 bytes", {"n" * 255: ""}),
    "deep": ("32 names", {"/".join("d" * 32): ""}),
    "executable-twin": ("equal bytes, one executable", {"a": "x", "b*": "x"}),
    "nothing-converted": (
        "line ends, a byte order mark and NUL are bytes like others",
        {"crlf.md": "a\r\nb\n", "mark.md": "\ufeffa", "zeros": "a\0b"},
    ),
    "utf-16-order": (
        "bytes of UTF-8 sort otherwise than units of UTF-16",
        {"\ufb01": "1", "\U0001f600": "2"},
    ),
    "short-name-forms": ("31 and 32 bytes are other forms of str", {"n" * 31: "", "m" * 32: ""}),
    "fifteen-names": ("the longest short array", {f"{number:02}": "" for number in range(15)}),
    "sixteen-names": ("the shortest long array", {f"{number:02}": "" for number in range(16)}),
    "size-forms": (
        "sizes at the ends of the forms of numbers",
        {str(size): "x" * size for size in (127, 128, 255, 256)},
    ),
    "size-16-bits": ("a size of 32 bits", {"large.txt": "0123456789abcdef" * 4096}),
    "one-chunk": ("1024 bytes, one chunk of BLAKE3", {"a": "c" * 1024}),
    "two-chunks": ("1025 bytes, two chunks of BLAKE3", {"a": "c" * 1025}),
    "chunk-tree": ("five chunks, a tree that leans", {"a": "0123456789" * 500}),
    "case-apart": ("names collide in one directory alone", {"a/README": "", "b/readme": ""}),
    "dots": ("dots that do not end a name", {"..a": "", "a..b": "", "...c/d": ""}),
    "joiner": ("invisible, but no direction", {"a\u200db": "", "a\u00adb": ""}),
}
REFUSED: dict[str, tuple[str, list[str]]] = {
    "no-files": ("empty-tree", []),
    "absolute": ("absolute-path", ["/a"]),
    "parent": ("dot-name", ["a/../b"]),
    "dot": ("dot-name", ["./a"]),
    "double-slash": ("empty-name", ["a//b"]),
    "closing-slash": ("empty-name", ["a/"]),
    "backslash": ("forbidden-character", ["a\\b"]),
    "colon": ("forbidden-character", ["a:stream"]),
    "nul": ("forbidden-character", ["a\0b"]),
    "line-feed": ("control-character", ["a\nb"]),
    "escape": ("control-character", ["a\x1b[2J"]),
    "delete": ("control-character", ["a\x7f"]),
    "c1-control": ("control-character", ["a\u0085"]),
    "right-to-left-override": ("bidi-character", ["a\u202egpj.md"]),
    "isolate": ("bidi-character", ["a\u2066"]),
    "decomposed": ("not-nfc", ["e\u0301"]),
    "kelvin-sign": ("not-nfc", ["\u212a"]),
    "closing-dot": ("trailing-dot-or-space", ["a."]),
    "closing-space": ("trailing-dot-or-space", ["a "]),
    "device": ("reserved-name", ["con"]),
    "device-extension": ("reserved-name", ["nul.txt"]),
    "device-spaced": ("reserved-name", ["Aux .md"]),
    "device-superscript": ("reserved-name", ["COM\u00b9"]),
    "device-console": ("reserved-name", ["CONIN$"]),
    "device-directory": ("reserved-name", ["lpt9/a"]),
    "name-too-long": ("name-too-long", ["é" * 128]),
    "path-too-long": ("path-too-long", ["/".join(["n" * 100] * 11)]),
    "too-deep": ("too-deep", ["/".join("d" * 33)]),
    "same-path": ("duplicate-path", ["a", "a"]),
    "case": ("case-collision", ["README", "readme"]),
    "case-directory": ("case-collision", ["Docs/a", "docs/b"]),
    "case-sharp-s": ("case-collision", ["straße", "STRASSE"]),
    "case-long-s": ("case-collision", ["\u017fet", "set"]),
    "case-accent": ("case-collision", ["É", "é"]),
    "case-file-directory": ("case-collision", ["A", "a/b"]),
    "file-directory": ("file-and-directory", ["a", "a/b"]),
    "directory-file": ("file-and-directory", ["a/b", "a"]),
}


def pack(value: object) -> bytes:
    """Return the msgpack of ``value``."""
    return cast("bytes", msgpack.packb(value))  # pyright: ignore[reportUnknownMemberType]


def directories() -> dict[str, tuple[str, bytes]]:
    """Return bytes that are no directory, with the reason."""
    good = encode_directory([NODE])
    second = ["b", 0, DIGEST.raw, 0]
    return {
        "nothing": ("not-msgpack", b""),
        "array-32": ("not-canonical", b"\xdd\0\0\0\1" + good[1:]),
        "long-string": ("not-canonical", good.replace(b"\xa1a", b"\xd9\1a")),
        "long-number": ("not-canonical", good[:-1] + b"\xcf" + bytes(8)),
        "signed-number": ("not-canonical", good[:-1] + b"\xd0\0"),
        "long-digest": ("not-canonical", good.replace(b"\xc4\x20", b"\xc5\0\x20")),
        "trailing": ("not-msgpack", good + b"\0"),
        "cut-short": ("not-msgpack", good[:-1]),
        "no-nodes": ("empty-directory", b"\x90"),
        "map": ("not-msgpack", b"\x81\1\1"),
        "number": ("wrong-shape", b"\1"),
        "three-fields": ("wrong-shape", pack([ROW[:3]])),
        "five-fields": ("wrong-shape", pack([[*ROW, 0]])),
        "name-bytes": ("wrong-shape", pack([[b"a", *ROW[1:]]])),
        "name-not-utf8": ("not-msgpack", good.replace(b"\xa1a", b"\xa1\xff")),
        "kind-true": ("unknown-kind", pack([["a", True, *ROW[2:]]])),
        "kind-3": ("unknown-kind", pack([["a", 3, *ROW[2:]]])),
        "kind-negative": ("unknown-kind", pack([["a", -1, *ROW[2:]]])),
        "short-digest": ("wrong-digest", pack([["a", 0, b"x", 0]])),
        "text-digest": ("wrong-digest", pack([["a", 0, "x" * 32, 0]])),
        "size-true": ("wrong-size", pack([[*ROW[:3], True]])),
        "size-fraction": ("wrong-size", pack([[*ROW[:3], 1.0]])),
        "size-negative": ("wrong-size", pack([[*ROW[:3], -1]])),
        "size-too-large": ("wrong-size", pack([[*ROW[:3], 2**53]])),
        "wrong-order": ("wrong-order", pack([second, ROW])),
        "same-name": ("duplicate-name", pack([ROW, ROW])),
        "equal-name": ("case-collision", pack([["A", *ROW[1:]], ROW])),
        "bad-name": ("dot-name", pack([["..", *ROW[1:]]])),
        "slash-in-name": ("forbidden-character", pack([["a/b", *ROW[1:]]])),
        "nested-deep": ("not-msgpack", b"\x91" * 5000),
        "huge-array": ("not-msgpack", b"\xdd\xff\xff\xff\xff"),
    }


def documents() -> dict[str, dict[str, object]]:
    """Return every vector by its file name."""
    vectors: dict[str, dict[str, object]] = {}
    for name, (description, texts) in TREES.items():
        files = [
            FileEntry(path.removesuffix("*"), text.encode(), executable=path.endswith("*"))
            for path, text in texts.items()
        ]
        tree = build_tree(files)
        vectors[f"tree-{name}"] = {
            "description": description,
            "files": [
                {"path": entry.path, "text": entry.data.decode(), "executable": entry.executable}
                for entry in files
            ],
            "tree": str(tree.digest),
            "size": tree.size,
            "directories": {
                path: encoded.hex() for path, encoded in sorted(tree.directories.items())
            },
        }
    for name, (reason, paths) in REFUSED.items():
        vectors[f"refused-{name}"] = {
            "description": name.replace("-", " "),
            "files": [{"path": path, "text": "", "executable": False} for path in paths],
            "refused": reason,
        }
    for name, (reason, encoded) in directories().items():
        vectors[f"directory-{name}"] = {
            "description": name.replace("-", " "),
            "directory": encoded.hex(),
            "refused": reason,
        }
    return vectors


def main() -> None:
    """Write all vectors again."""
    VECTORS.mkdir(parents=True, exist_ok=True)
    for name, value in documents().items():
        text = json.dumps(value, indent=2, ensure_ascii=True) + "\n"
        (VECTORS / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
