"""Skills: the vectors, every problem code, and what a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spm_spec.problems import CODES
from spm_spec.skill import checksum_of, read_skill
from spm_spec.skill_yaml import KEYS

if TYPE_CHECKING:
    from spm_spec.skill import Skill, SkillReading

SPEC = Path(__file__).parents[2] / "spec"
FRONT_MATTER = sorted((SPEC / "vectors/frontmatter").glob("*.json"))
SKILL_YAML = sorted((SPEC / "vectors/skill").glob("*.json"))
VECTORS = FRONT_MATTER + SKILL_YAML


def contents(content: str | list[str] | dict[str, Any]) -> bytes:
    """The bytes a vector means: text as it is, lines with LF after each, hex, or a repetition."""
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, list):
        return "".join(f"{line}\n" for line in content).encode()
    if "hex" in content:
        return bytes.fromhex(content["hex"])
    repeated: str = content["repeat"]
    return repeated.encode() * int(content["times"])


def reading_of(vector: dict[str, Any]) -> SkillReading:
    files = {path: contents(content) for path, content in vector["files"].items()}
    return read_skill(files, folder=vector["folder"])


def described(skill: Skill) -> dict[str, object]:
    """The skill as vectors show it."""
    return {
        "name": skill.name,
        "description": skill.description,
        "version": None if skill.version is None else str(skill.version),
        "license": skill.license,
        "compatibility": skill.compatibility,
        "metadata": dict(skill.metadata),
        "allowed_tools": list(skill.allowed_tools),
        "author": skill.author,
        "repository": skill.repository,
        "homepage": skill.homepage,
        "tags": list(skill.tags),
        "capabilities": list(skill.capabilities),
        "frameworks": [
            f"{framework.name} {framework.compatibility} {framework.instructions_file}"
            for framework in skill.frameworks
        ],
        "dependencies": {name: wanted.text for name, wanted in skill.dependencies.items()},
        "python_requirements": dict(skill.python_requirements),
        "tools": [f"{tool.name} {tool.runtime} {tool.entry}" for tool in skill.tools],
        "checksum": skill.checksum,
        "signing": dict(skill.signing),
        "body": skill.body,
    }


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_skill_vector(path: Path) -> None:
    vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    reading = reading_of(vector)
    found = [f"{problem.file}:{problem.line} {problem.code}" for problem in reading.problems]

    assert sorted(found) == sorted(vector["outcome"]["problems"])
    assert reading.loads == vector["outcome"]["loads"]
    assert reading.publishable == vector["outcome"]["publishable"]
    expected: dict[str, object] = vector.get("skill", {})
    if reading.skill is not None:
        shown = described(reading.skill)
        assert {key: shown[key] for key in expected} == expected
    else:
        assert not expected


def test_there_are_enough_vectors() -> None:
    assert len(FRONT_MATTER) >= 25
    assert len(SKILL_YAML) >= 25


def test_every_problem_code_has_a_vector() -> None:
    seen: set[str] = set()
    for path in VECTORS:
        vector: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        seen |= {line.split()[1] for line in vector["outcome"]["problems"]}

    assert seen == set(CODES)


def test_every_problem_code_is_in_the_document() -> None:
    """The table says what each code blocks, in the order of the vocabulary."""
    table: dict[str, str] = {}
    for line in (SPEC / "skill.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if (
            line.startswith("| `")
            and len(cells) == 3
            and cells[1] in {"nothing", "publish", "load"}
        ):
            table[cells[0].strip("`")] = cells[1]

    assert table == CODES
    assert list(table) == list(CODES)


def first_problem(markdown: str, skill_yaml: str = "version: 1.0.0\n") -> tuple[str, str | None]:
    """The place and text of the first problem, and its hint."""
    files = {"SKILL.md": markdown.encode(), "skill.yaml": skill_yaml.encode(), "src/a.py": b""}
    problem = read_skill(files, folder="pdf-tools").problems[0]
    return f"{problem.file}:{problem.line}: {problem.message}", problem.hint


def with_fields(*lines: str) -> str:
    return "\n".join(["---", "name: pdf-tools", "description: Reads PDF.", *lines, "---", ""])


GOOD = with_fields()


@pytest.mark.parametrize(
    ("markdown", "message", "hint"),
    [
        (
            "# PDF\n",
            "SKILL.md:1: there is no front matter: the first line is not `---`",
            "begin the file with a line `---`, then `name:` and `description:`, then `---`",
        ),
        (
            "---\nname: pdf-tools\n",
            "SKILL.md:1: the front matter that begins here has no closing line `---`",
            "put `---` on a line of its own after the last field",
        ),
        (
            "---\nname: pdf-tools\ndescription: Use when: asked\n---\n",
            "SKILL.md:3: the value of `description` is not YAML without quotes",
            "put quotes around the value: a `: ` inside it, or its first character, needs them",
        ),
        (
            "---\nname: pdf-tools\n---\n",
            "SKILL.md:2: the front matter has no `description`",
            "say in `description:` what the skill does and when to use it",
        ),
        (
            "---\nname: PDF Tools\ndescription: x\n---\n",
            (
                "SKILL.md:2: skill name `PDF Tools` must be lower-case letters, digits "
                "and single hyphens between them"
            ),
            "name it `pdf-tools`",
        ),
        (
            "---\nname: python\ndescription: x\n---\n",
            "SKILL.md:2: `python` is the name of something the environment provides",
            "choose a name that says what the skill does",
        ),
        (
            "---\nname: pdf\ndescription: x\n---\n",
            "SKILL.md:2: the name is `pdf`, the folder is `pdf-tools`",
            "rename the folder to `pdf` or the skill to `pdf-tools`",
        ),
        (
            with_fields("version: 1.0.0"),
            "SKILL.md:4: `version` is not a field of the Agent Skills specification",
            "move it to skill.yaml",
        ),
        (
            with_fields("lisence: MIT"),
            "SKILL.md:4: `lisence` is not a field of the Agent Skills specification",
            "did you mean `license`?",
        ),
        (
            with_fields("metadata: {a: b}"),
            "SKILL.md:4: `metadata` is written in braces, which some agents cannot read",
            "write one `key: value` a line, indented by two spaces",
        ),
        (
            with_fields("metadata:", "  version: 1.10"),
            "SKILL.md:5: `version` in `metadata` is a number, read as the text `1.10`",
            'write "1.10" in quotes',
        ),
        (
            with_fields("allowed-tools: Read, Bash(git add:*)"),
            "SKILL.md:4: `allowed-tools` is separated by commas, not by blanks",
            "write `allowed-tools: Read Bash(git add:*)`",
        ),
        (
            with_fields("name: again"),
            "SKILL.md:4: the key `name` stands here again, first on line 2",
            "keep one of the two",
        ),
    ],
)
def test_front_matter_problems_name_the_line_and_the_fix(
    markdown: str, message: str, hint: str
) -> None:
    assert first_problem(markdown) == (message, hint)


@pytest.mark.parametrize(
    ("skill_yaml", "message", "hint"),
    [
        (
            "lisence: MIT\nversion: 1.0.0\n",
            "skill.yaml:1: unknown field `lisence`",
            "did you mean `license`?",
        ),
        (
            "version: 1.0\n",
            "skill.yaml:1: version `1.0` is not MAJOR.MINOR.PATCH of SemVer 2.0.0",
            "write `1.0.0`",
        ),
        (
            "author: x\n",
            "skill.yaml:0: the skill has no version",
            "write `version: 1.0.0` in skill.yaml, or give --version",
        ),
        (
            "version: 1.0.0\ndescription: Writes PDF.\n",
            "skill.yaml:2: `description` is `Writes PDF.` here and `Reads PDF.` in SKILL.md",
            "say it in SKILL.md alone",
        ),
        (
            "version: 1.0.0\nhomepage: http://example.org\n",
            "skill.yaml:2: `homepage` is `http://example.org`, not an https address",
            "write it as `https://host/path`",
        ),
        (
            "version: 1.0.0\ndependencies:\n  other: newest\n",
            "skill.yaml:3: dependency `other`: `newest` is not a version range",
            "write it like `^1.2`, `>=1.0 <3` or `*`",
        ),
        (
            "version: 1.0.0\ndependencies:\n  other:\n",
            "skill.yaml:3: dependency `other`: a version range is text, not nothing",
            "write `*` for any version",
        ),
        (
            "version: 1.0.0\ndependencies:\n  python: {requests: git+https}\n",
            "skill.yaml:3: Python requirement `requests`: `git+https` is not a version specifier",
            "write it as pip does, `'>=2.31,<3'`, or `'*'` for any version",
        ),
        (
            "version: 1.0.0\ntools:\n  - name: run\n    description: x\n    entry: src/b.py:run\n",
            "skill.yaml:5: the entry point of `run` is `src/b.py`, which the skill lacks",
            "add the file",
        ),
        (
            "version: 1.0.0\ntools:\n  - name: run\n    description: x\n    entry: b.sh\n",
            "skill.yaml:5: `b.sh` is not an entry point",
            "write `src/skill.py:function`, `src/skill.ts#function` or `scripts/program`",
        ),
        (
            "version: 1.0.0\nchecksum: sha256:" + "0" * 64 + "\n",
            "skill.yaml:2: the files have the checksum sha256:"
            "{checksum}, this says sha256:" + "0" * 64,
            "a file was changed after packing; leave the line out in a folder you edit",
        ),
    ],
)
def test_skill_yaml_problems_name_the_line_and_the_fix(
    skill_yaml: str, message: str, hint: str | None
) -> None:
    files = {"SKILL.md": GOOD.encode(), "src/a.py": b""}
    checksum = checksum_of(files).removeprefix("sha256:")

    assert first_problem(GOOD, skill_yaml) == (message.replace("{checksum}", checksum), hint)


@pytest.mark.parametrize(
    "skill_yaml",
    [
        "dependencies: {python: {requests: '>=2 <3'}}",
        "dependencies: {python: {requests: [a]}}",
        "dependencies: {python: {'re quests': '*'}}",
        "dependencies: {python: {requests: '" + ">=1," * 100 + "'}}",
        "dependencies: {python: {" + ", ".join(f"p{n}: '*'" for n in range(257)) + "}}",
        "dependencies: {" + ", ".join(f"d{n}: '*'" for n in range(513)) + "}",
        "dependencies: {other: true}",
        "dependencies: {other: [a]}",
    ],
)
def test_dependencies_that_nobody_could_resolve_do_not_load(skill_yaml: str) -> None:
    files = {"SKILL.md": GOOD.encode(), "skill.yaml": f"version: 1.0.0\n{skill_yaml}".encode()}
    reading = read_skill(files, folder="pdf-tools")

    assert [problem.code for problem in reading.problems] == ["invalid-dependency"]
    assert not reading.loads


@pytest.mark.parametrize(
    ("skill_yaml", "code"),
    [
        ("frameworks: claude", "invalid-framework"),
        ("frameworks: [7]", "invalid-framework"),
        ("author: " + "a" * 201, "invalid-field"),
        ("author:", "invalid-field"),
        ("tools: [" + ", ".join(["a"] * 129) + "]", "invalid-tool"),
        ("tools: [a]", "invalid-tool"),
        ("tags: [" + ", ".join(f"t{n}" for n in range(33)) + "]", "invalid-word"),
        ("homepage: https://example.org/\u00e9", "invalid-url"),
        ("homepage: https://" + "a" * 2048, "invalid-url"),
    ],
)
def test_a_field_that_is_not_valid_is_left_out(skill_yaml: str, code: str) -> None:
    files = {"SKILL.md": GOOD.encode(), "skill.yaml": f"version: 1.0.0\n{skill_yaml}".encode()}
    reading = read_skill(files, folder="pdf-tools")

    assert [problem.code for problem in reading.problems] == [code]
    assert reading.loads
    assert not reading.publishable


def test_permissions_are_refused_at_their_line() -> None:
    skill_yaml = "version: 1.0.0\npermissions:\n  subprocess: true\n  netwrok: []\n"
    files = {"SKILL.md": GOOD.encode(), "skill.yaml": skill_yaml.encode()}
    reading = read_skill(files, folder="pdf-tools")

    assert [(problem.code, problem.line) for problem in reading.problems] == [
        ("invalid-permissions", 4)
    ]
    assert not reading.loads


def test_permissions_are_read() -> None:
    skill_yaml = "version: 1.0.0\npermissions:\n  network: ['api.example.org:443']\n"
    files = {"SKILL.md": GOOD.encode(), "skill.yaml": skill_yaml.encode()}
    skill = read_skill(files, folder="pdf-tools").skill

    assert skill is not None
    assert skill.permissions.network == ("api.example.org:443",)
    assert not skill.permissions.asks_nothing


@given(
    st.text(alphabet="-ab:{}[]\"'|>#,\n &*!%@`\r\ufeff", max_size=80),
    st.text(alphabet="-ab:{}[]\"'|>#,\n toolsversion1.", max_size=80),
)
def test_no_files_make_reading_fail(markdown: str, skill_yaml: str) -> None:
    files = {
        "SKILL.md": f"---\nname: a\ndescription: {markdown}\n---\n".encode(),
        "skill.yaml": skill_yaml.encode(),
    }
    reading = read_skill(files, folder="a")

    assert reading.loads == all(problem.blocks != "load" for problem in reading.problems)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("[a]", "is a list, not a schema"),
        (
            "{type: object, properties: [a]}",
            "has a list at `properties`, not a mapping of schemas",
        ),
        ("{type: object, properties: {x: text}}", "has text at `properties.x`, not a schema"),
        (
            "{type: object, properties: {x: {type: strnig}}}",
            "has the unknown type `strnig` at `properties.x.type`",
        ),
        ("{type: object, required: x}", "must list names at `required`"),
        ("{type: object, anyOf: {}}", "has a mapping at `anyOf`, not a list of schemas"),
        (
            "{type: object, anyOf: [{type: 7}]}",
            "has the unknown type a number at `anyOf[0].type`",
        ),
    ],
)
def test_an_input_schema_is_refused_with_the_place(schema: str, message: str) -> None:
    tool = f"  - name: a\n    description: b\n    entry: src/a.py:run\n    input: {schema}\n"
    problem, _ = first_problem(GOOD, f"version: 1.0.0\ntools:\n{tool}")

    assert problem == f"skill.yaml:6: the input of `a` {message}"


@pytest.mark.timeout(5)
def test_many_unknown_keys_cost_little() -> None:
    lines = "".join(f"k{number}: 1\n" for number in range(9_000))
    files = {"SKILL.md": GOOD.encode(), "skill.yaml": ("version: 1.0.0\n" + lines).encode()}
    problems = read_skill(files, folder="pdf-tools").problems

    assert len(problems) == 201
    assert problems[-1].message == "8800 more problems are not shown"


FIELD_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(KEYS), FIELD_VALUES))
def test_no_value_of_any_field_makes_reading_fail(values: dict[str, object]) -> None:
    """Whatever kind of value stands under a known key."""
    tools = [{"name": "a", "description": "b", "entry": "src/a.py:run", **values}]
    for document in (values, {**values, "tools": tools}, {"frameworks": [values]}):
        files = {
            "SKILL.md": GOOD.encode(),
            "skill.yaml": json.dumps(document).encode(),
            "src/a.py": b"",
        }
        reading = read_skill(files, folder="pdf-tools")

        assert reading.loads == all(problem.blocks != "load" for problem in reading.problems)
