"""The JSON Schemas are current, and agree with the parsers on every vector they can judge."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from spm_spec.installed import Installed, InstalledSkill, render_installed
from spm_spec.schemas import DOCUMENTS, main, schema_of
from spm_spec.yaml import load_yaml
from tests.spec.vectors_of import text_of, vectors_of

SCHEMAS = Path(__file__).parents[2] / "spec/schemas"

# What only a parser can know: order, completeness, text outside the values, and the
# finer grammar of addresses, paths and ranges.
BEYOND_A_SCHEMA = {
    "credentials",
    "pattern",
    "requirement",
    "scheme",
    "source",
    "transport-helper",
    "duplicate-entry",
    "incomplete",
    "invalid-value",
    "lock-version",
    "not-canonical",
    "path",
    "policy",
    "two-meanings",
    "unasked",
    "unsorted",
    "missing-field",
    "missing-digest",
    "subdirectory",
    "dependency",
    "not-encrypted",
    "host-package",
    "unknown-registry",
    "two-registries",
    "reference",
}
# What is refused before there are values to judge.
NOT_A_DOCUMENT = {"syntax", "merge-conflict", "duplicate-key", "too-large"}
SEEN_BY_THE_SCHEMA = {
    "digest",
    "digest-algorithm",
    "unknown-field",
    "unknown-key",
    "wrong-type",
    "missing-commit",
    "commit",
    "publisher",
    "no-url",
}


def valid(document: str, value: Any) -> bool:
    validator: Any = Draft202012Validator(schema_of(document))
    return bool(validator.is_valid(value))


@pytest.mark.parametrize("document", list(DOCUMENTS))
def test_the_committed_schema_is_the_one_the_models_give(document: str, tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0

    name = f"{document}.schema.json"
    assert (SCHEMAS / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("document", list(DOCUMENTS))
def test_a_schema_is_one_of_2020_12(document: str) -> None:
    Draft202012Validator.check_schema(schema_of(document))

    assert json.loads((SCHEMAS / f"{document}.schema.json").read_text("utf-8"))["$schema"] == (
        "https://json-schema.org/draft/2020-12/schema"
    )


def test_there_is_no_schema_of_a_document_that_is_gone() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == {
        f"{name}.schema.json" for name in DOCUMENTS
    }


def test_without_a_folder_the_generator_says_how_it_is_called(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err == "usage: python -m spm_spec.schemas FOLDER\n"


@pytest.mark.parametrize(
    ("document", "vector"),
    [
        pytest.param(document, param.values[0], id=f"{area}-{param.id}")
        for area, document in (("manifests", "skills.toml"), ("locks", "skills.lock"))
        for param in vectors_of(area)
    ],
)
def test_a_schema_agrees_with_the_parser(document: str, vector: dict[str, Any]) -> None:
    outcome = vector["outcome"]
    if outcome in NOT_A_DOCUMENT:
        return
    value = tomllib.loads(text_of(vector).removeprefix("\ufeff"))

    if outcome == "valid":
        assert valid(document, value)
    elif outcome in SEEN_BY_THE_SCHEMA:
        assert not valid(document, value)
    else:
        assert outcome in BEYOND_A_SCHEMA


def skill_vectors() -> list[Any]:
    return [
        pytest.param(param.values[0], id=f"{area}-{param.id}")
        for area in ("frontmatter", "skill")
        for param in vectors_of(area)
    ]


@pytest.mark.parametrize("vector", skill_vectors())
def test_a_skill_that_may_be_published_has_valid_documents(vector: dict[str, Any]) -> None:
    if not vector["outcome"].get("publishable"):
        return
    files = {
        name: (text if isinstance(text, str) else "\n".join(text) + "\n")
        .removeprefix("\ufeff")
        .replace("\r\n", "\n")
        for name, text in vector["files"].items()
    }
    front = files["SKILL.md"].removeprefix("---").partition("\n---")[0]

    assert valid("front-matter", load_yaml(front, origin="SKILL.md").value)
    assert valid("skill.yaml", load_yaml(files["skill.yaml"], origin="skill.yaml").value)


def test_a_rendered_index_is_valid() -> None:
    skill = InstalledSkill("a", "1.0.0", "2026-11-23T10:00:00Z", "path:../a", "blake3:" + "0" * 64)

    assert valid("index.json", json.loads(render_installed(Installed((skill,), None))))
    assert not valid("index.json", {"installedSkills": [{"name": "a"}]})
