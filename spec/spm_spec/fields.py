"""Reading the fields of one file, noting every fault with its line.

A ``Fields`` knows the document, the file's name and the list of problems, so that
the readers of front matter and skill.yaml are about meaning only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from spm_spec.names import NAME_CHARACTERS, InvalidName, is_host_package, parse_skill_name
from spm_spec.quoting import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from spm_spec.problems import ProblemList
    from spm_spec.yaml import Path, YamlDocument

DESCRIPTION_CHARACTERS = 1024
COMPATIBILITY_CHARACTERS = 500

_KINDS: dict[type, str] = {
    str: "text",
    int: "a number",
    float: "a number",
    dict: "a mapping",
    list: "a list",
}
_VENDORS = ("anthropic", "claude")


def is_mapping(value: object) -> TypeGuard[dict[str, object]]:
    """Whether ``value`` is a YAML mapping; its keys are strings (see ``yaml``)."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Whether ``value`` is a YAML sequence."""
    return isinstance(value, list)


def kind_of(value: object) -> str:
    """Return the plain word for the kind of ``value``."""
    if isinstance(value, bool):
        return "true or false"
    return _KINDS.get(type(value), "nothing")


@dataclass(frozen=True, slots=True)
class Fields:
    """The mapping at the top of one file."""

    document: YamlDocument
    file: str
    problems: ProblemList

    @property
    def values(self) -> Mapping[str, object]:
        """The fields themselves."""
        value = self.document.value
        return value if is_mapping(value) else {}

    def note(self, code: str, path: Path, message: str, *, hint: str | None = None) -> None:
        """Note a problem at ``path``."""
        line = self.document.line_of(path)
        self.problems.add(code, message, file=self.file, line=line, hint=hint)

    def scalar(self, key: str, *, code: str = "not-a-string") -> str | None:
        """Return the text of a field; a number or a boolean is taken as written, and noted."""
        value = self.values.get(key)
        if value is None or isinstance(value, str):
            return value
        text = self.document.text_of((key,))
        message = f"`{key}` is {kind_of(value)}, not text"
        hint = f'write it as text: `{key}: "{text}"`' if text is not None else None
        self.note(code, (key,), message, hint=hint)
        return text

    def unknown(self, code: str, path: Path, known: Collection[str]) -> None:
        """Note every key at ``path`` that is not ``known``, guessing what was meant."""
        value = self.at(path)
        for key in value if is_mapping(value) else ():
            if key not in known:
                where = f" in `{dotted(path)}`" if path else ""
                message = f"unknown field {quote(key)}{where}"
                hint = None if self.problems.is_full else near(key, known)
                self.note(code, (*path, key), message, hint=hint)

    def at(self, path: Path) -> object:
        """Return the value at ``path``, ``None`` if there is none."""
        value: object = self.document.value
        for step in path:
            if is_mapping(value) and isinstance(step, str):
                value = value.get(step)
            elif is_list(value) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value


def dotted(path: Path) -> str:
    """Return ``path`` as people write it: ``tools[0].input``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def near(word: str, known: Collection[str]) -> str | None:
    """Return a hint with the known word that ``word`` was probably meant to be."""
    from difflib import get_close_matches

    matches = get_close_matches(
        word[:80].lower().replace("_", "-"), sorted(known), n=1, cutoff=0.55
    )
    return f"did you mean `{matches[0]}`?" if matches else None


def check_name(fields: Fields, name: str) -> None:
    """Note what keeps ``name`` from being published, and what one vendor refuses."""
    try:
        parse_skill_name(name)
    except InvalidName as error:
        hint = error.hint or f"use 1 to {NAME_CHARACTERS} characters"
        fields.note("invalid-name", ("name",), error.message, hint=hint)
        return
    if is_host_package(name):
        message = f"`{name}` is the name of something the environment provides"
        hint = "choose a name that says what the skill does"
        fields.note("reserved-name", ("name",), message, hint=hint)
    elif any(vendor in name for vendor in _VENDORS):
        message = f"the name `{name}` contains a vendor's name, which Anthropic's API refuses"
        fields.note("vendor-name", ("name",), message, hint="leave the vendor out of the name")


def check_description(fields: Fields, description: str) -> None:
    """Note a description that is too long, or holds what looks like markup."""
    if len(description) > DESCRIPTION_CHARACTERS:
        message = (
            f"the description has {len(description)} characters, "
            f"the limit is {DESCRIPTION_CHARACTERS}"
        )
        hint = "say what the skill does and when to use it; move the rest to the body"
        fields.note("description-too-long", ("description",), message, hint=hint)
    found = _tag(description)
    if found is not None:
        message = f"the description contains {quote(found)}, which Anthropic's API refuses as a tag"
        hint = "write it without angle brackets"
        fields.note("tags-in-description", ("description",), message, hint=hint)


def check_compatibility(fields: Fields, compatibility: str) -> None:
    """Note a compatibility outside the public specification's length."""
    if not 1 <= len(compatibility) <= COMPATIBILITY_CHARACTERS:
        message = (
            f"`compatibility` has {len(compatibility)} characters, "
            f"it must have 1 to {COMPATIBILITY_CHARACTERS}"
        )
        fields.note("compatibility-length", ("compatibility",), message)


def _tag(text: str) -> str | None:
    """Return the first ``<name …>`` in ``text``; linear however many ``<`` there are."""
    for piece in text.split("<")[1:]:
        inside, closes, _ = piece.partition(">")
        if (closes and inside[:1].isalpha()) or (closes and inside[:1] == "/"):
            return f"<{inside}>"
    return None
