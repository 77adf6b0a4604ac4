"""SKILL.md as text: where the front matter ends, and its YAML even when it is not quite YAML.

The delimiters are lines that hold ``---`` and nothing else. Nothing here looks
at fields; ``skill_markdown`` does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spm_spec.quoting import quote
from spm_spec.yaml import InvalidYaml, load_yaml

if TYPE_CHECKING:
    from spm_spec.problems import ProblemList
    from spm_spec.yaml import YamlDocument

SKILL_FILE_BYTES = 1024 * 1024
FRONT_MATTER_BYTES = 64 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_KEY_AND_VALUE = re.compile(r"( *(?:- +)?)([A-Za-z_][\w.-]*):[ \t]+(\S.*)")
_NEEDS_QUOTES_AT_START = ("@", "`", "%")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The parts of a SKILL.md: the YAML document, and the Markdown after it."""

    document: YamlDocument
    body: str
    body_line: int


def read_front_matter(data: bytes, *, file: str, problems: ProblemList) -> FrontMatter | None:
    """Return the parts of ``data``, or ``None`` after noting why it cannot load."""
    text = _decoded(data, file, problems)
    if text is None:
        return None
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        hint = "begin the file with a line `---`, then `name:` and `description:`, then `---`"
        message = "there is no front matter: the first line is not `---`"
        problems.add("missing-front-matter", message, file=file, line=1, hint=hint)
        return None
    end = next((at for at, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        message = "the front matter that begins here has no closing line `---`"
        hint = "put `---` on a line of its own after the last field"
        problems.add("unclosed-front-matter", message, file=file, line=1, hint=hint)
        return None
    document = _document(lines[1:end], file, problems)
    if document is None:
        return None
    return FrontMatter(document, "\n".join(lines[end + 1 :]), end + 2)


def _decoded(data: bytes, file: str, problems: ProblemList) -> str | None:
    if len(data) > SKILL_FILE_BYTES:
        message = f"the file has {len(data)} bytes, the limit is {SKILL_FILE_BYTES}"
        hint = "move parts of it to files under references/"
        problems.add("skill-file-too-large", message, file=file, hint=hint)
        return None
    text = decoded(data, file, problems)
    if text is not None and "\r\n" in text:
        line = text.count("\n", 0, text.index("\r\n")) + 1
        message = "lines end with CR LF"
        hint = "save the file with LF line ends"
        problems.add("carriage-returns", message, file=file, line=line, hint=hint)
        text = text.replace("\r\n", "\n")
    return text


def decoded(data: bytes, file: str, problems: ProblemList) -> str | None:
    """Return ``data`` as text without a byte order mark, noting what is wrong with it."""
    if data.startswith(_BYTE_ORDER_MARK):
        message, hint = (
            "the file begins with a byte order mark",
            "save the file as UTF-8 without BOM",
        )
        problems.add("byte-order-mark", message, file=file, line=1, hint=hint)
        data = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{data[error.start]:02x} is not UTF-8"
        hint = "save the file as UTF-8"
        problems.add("not-utf-8", message, file=file, line=line, hint=hint)
        return None


def _document(lines: list[str], file: str, problems: ProblemList) -> YamlDocument | None:
    text = "\n".join(lines) + "\n"
    if len(text.encode()) > FRONT_MATTER_BYTES:
        message = f"the front matter is larger than {FRONT_MATTER_BYTES // 1024} KiB"
        problems.add("front-matter-too-large", message, file=file, line=1)
        return None
    try:
        document = load_yaml(text, origin=file, first_line=2)
    except InvalidYaml as error:
        repaired = _repaired(lines, file, problems)
        if repaired is None:
            problems.add("invalid-yaml", error.problem, file=file, line=error.line, hint=error.hint)
        return repaired
    if isinstance(document.value, dict):
        return document
    message = "the front matter is not a mapping of fields"
    hint = "write `name: …` and `description: …`, each on its own line"
    problems.add("not-a-mapping", message, file=file, line=2, hint=hint)
    return None


def _repaired(lines: list[str], file: str, problems: ProblemList) -> YamlDocument | None:
    """Read the lines again with quotes where their author forgot them, as other agents do."""
    quoted, changed = _quoted(lines)
    if not changed:
        return None
    try:
        document = load_yaml("\n".join(quoted) + "\n", origin=file, first_line=2)
    except InvalidYaml:
        return None
    if not isinstance(document.value, dict):
        return None
    for at, key in changed:
        message = f"the value of {quote(key)} is not YAML without quotes"
        hint = "put quotes around the value: a `: ` inside it, or its first character, needs them"
        problems.add("unquoted-value", message, file=file, line=at + 2, hint=hint)
    return document


def _quoted(lines: list[str]) -> tuple[list[str], list[tuple[int, str]]]:
    """Put single quotes around plain values that need them; lines keep their numbers."""
    result = list(lines)
    changed: list[tuple[int, str]] = []
    at = 0
    while at < len(lines):
        match = _KEY_AND_VALUE.fullmatch(lines[at])
        last = _last_line_of_value(lines, at, len(match[1])) if match else at
        if match and _needs_quotes(match[3], lines[at + 1 : last + 1]):
            head = lines[at][: match.start(3)]
            value = "\n".join([match[3], *lines[at + 1 : last + 1]]).rstrip().replace("'", "''")
            result[at : last + 1] = f"{head}'{value}'".split("\n")
            changed.append((at, match[2]))
        is_whole = match and (match[3][0] in "|>" or (at, match[2]) in changed)
        at = last + 1 if is_whole else at + 1
    return result, changed


def _last_line_of_value(lines: list[str], at: int, indent: int) -> int:
    """Return the last line that is indented deeper than the key on line ``at``."""
    last = at
    for number in range(at + 1, len(lines)):
        line = lines[number]
        if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
            break
        last = number if line.strip() else last
    return last


def _needs_quotes(value: str, continued: list[str]) -> bool:
    if value[0] in "|>'\"":
        return False
    if value[0] in "[{":
        return not value.rstrip().endswith(("]", "}"))
    whole = [value, *continued]
    has_colon = any(": " in line or line.rstrip().endswith(":") for line in whole)
    return has_colon or value.startswith(_NEEDS_QUOTES_AT_START)
