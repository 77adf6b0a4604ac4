"""The example skills: each may be published, and each tool does what its description says."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from spm_spec.skill import Skill, read_skill

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
CSV = "region,amount\nnorth,120\nsouth,80\nnorth,60\nwest,\n"


def files_of(name: str) -> dict[str, bytes]:
    folder = EXAMPLES / name
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def skill_of(name: str) -> Skill:
    skill = read_skill(files_of(name), folder=name).skill
    assert skill is not None
    return skill


def tool_of(name: str, tool: str) -> Callable[..., Any]:
    """The function behind a tool, loaded without leaving bytecode beside it."""
    entry = next(each for each in skill_of(name).tools if each.name == tool).entry
    assert entry.attribute is not None
    function: Callable[..., Any] = runpy.run_path(str(EXAMPLES / name / entry.path))[
        entry.attribute
    ]
    return function


def run_script(name: str, *arguments: str, stdin: str) -> subprocess.CompletedProcess[str]:
    script, *rest = arguments
    command = [sys.executable, "-B", str(EXAMPLES / name / script), *rest]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_there_are_eight_examples() -> None:
    assert len(NAMES) == 8


@pytest.mark.parametrize("name", NAMES)
def test_each_example_may_be_published_without_a_single_problem(name: str) -> None:
    reading = read_skill(files_of(name), folder=name)

    assert reading.problems == ()
    assert reading.publishable


@pytest.mark.parametrize("name", NAMES)
def test_each_example_has_a_license_a_version_and_tags(name: str) -> None:
    skill = skill_of(name)

    assert (skill.license, bool(skill.version), bool(skill.tags)) == ("Apache-2.0", True, True)


def test_the_tables_are_a_diamond_whose_ranges_admit_the_examples() -> None:
    tables = {name: skill_of(name) for name in NAMES if name.startswith("table-")}
    needs = {name: sorted(map(str, skill.dependencies)) for name, skill in tables.items()}

    assert needs == {
        "table-core": [],
        "table-stats": ["table-core"],
        "table-chart": ["table-core"],
        "table-report": ["table-chart", "table-stats"],
    }
    for skill in tables.values():
        for needed, wanted in skill.dependencies.items():
            version = tables[str(needed)].version
            assert version is not None
            assert wanted.admits(version), (skill.name, needed)


def test_two_examples_are_words_alone() -> None:
    assert [name for name in NAMES if not skill_of(name).tools] == [
        "changelog-writer",
        "code-review-checklist",
    ]


def test_one_example_asks_for_much_and_the_attacker_asks_for_nothing() -> None:
    asked = skill_of("link-checker").permissions

    assert asked.network == ("example.org:443", "www.example.org:443")
    assert asked.read == ("~/.config/link-checker",)
    assert asked.environment == ("LINK_CHECKER_TOKEN",)
    assert skill_of("pretend-helper").permissions.asks_nothing


def test_parse_finds_types_and_keeps_empty_cells_apart() -> None:
    result = tool_of("table-core", "parse")(CSV, limit=4)

    assert result["columns"] == [
        {"name": "region", "type": "text"},
        {"name": "amount", "type": "number"},
    ]
    assert result["rows"][0] == {"region": "north", "amount": 120}
    assert result["rows"][3] == {"region": "west", "amount": None}


def test_select_filters_sorts_and_orders_columns() -> None:
    select = tool_of("table-core", "select")

    assert select(CSV, columns=["amount"], where={"region": "north"}, sort="amount") == (
        "amount\n60\n120\n"
    )
    with pytest.raises(ValueError, match="there is no column `x`; there are region, amount"):
        select(CSV, sort="x")


def test_a_ragged_table_is_refused_with_the_row() -> None:
    with pytest.raises(ValueError, match="row 2 has 3 cells, the table has 2 columns"):
        tool_of("table-core", "parse")("a,b\n1,2,3\n")


def test_the_script_writes_a_markdown_table() -> None:
    done = run_script("table-core", "scripts/to_markdown.py", stdin="a,b\n1,x|y\n")

    assert (done.returncode, done.stdout) == (
        0,
        "| a   | b    |\n| --- | ---- |\n| 1   | x\\|y |\n",
    )


def test_describe_counts_what_is_there_and_what_is_missing() -> None:
    result = tool_of("table-stats", "describe")(CSV, "amount")

    assert (result["count"], result["missing"], result["sum"]) == (3, 1, 260)
    assert (result["median"], result["min"], result["max"]) == (80, 60, 120)


def test_group_gives_one_number_for_each_value() -> None:
    group = tool_of("table-stats", "group")

    assert group(CSV, "region", "amount") == {"north": 180, "south": 80}
    assert group(CSV, "region", "amount", "count") == {"north": 2, "south": 1, "west": 0}


def test_bars_are_as_long_as_their_values() -> None:
    chart = tool_of("table-chart", "bars")("name,n\na,10\nbb,5\n", "name", "n", width=10)

    assert chart == "a  ██████████ 10\nbb █████ 5\n"


def test_svg_is_well_formed_whatever_the_labels_say() -> None:
    picture = tool_of("table-chart", "svg")('name,n\n<a>&"b",3\n', "name", "n", title="<x>")

    root = ET.fromstring(picture)  # noqa: S314
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(root.findall("{*}rect")) == 1


def test_report_brings_numbers_shares_and_a_chart() -> None:
    text = tool_of("table-report", "report")(CSV, "region", "amount")

    assert "3 rows with a number, 1 without.\nTotal 260, mean 86.67, median 80." in text
    assert "| north | 180 | 69% |" in text
    assert "north ████████████████████████ 180" in text


def test_the_script_gives_the_same_report_and_says_what_is_wrong() -> None:
    good = run_script("table-report", "scripts/report.py", "region", "amount", stdin=CSV)
    bad = run_script("table-report", "scripts/report.py", "region", "x", stdin=CSV)

    assert good.stdout == tool_of("table-report", "report")(CSV, "region", "amount")
    assert (bad.returncode, bad.stderr) == (
        1,
        "there is no column `x`; there are region, amount\n",
    )


def test_extract_finds_links_but_not_images_or_code() -> None:
    text = "[a](https://a.example) ![i](i.png)\n```\n[no](x)\n```\n<https://b.example>\n"

    assert tool_of("link-checker", "extract")(text) == [
        {"address": "https://a.example", "line": 1},
        {"address": "https://b.example", "line": 5},
    ]


def test_check_never_calls_a_link_broken_because_it_could_not_look() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    check = tool_of("link-checker", "check")

    answer = check([f"https://127.0.0.1:{port}/", "ftp://example.org/"])

    assert [each["verdict"] for each in answer] == ["unknown", "unknown"]
    assert answer[0]["reason"].startswith("could not look: ")


def test_the_attacker_reports_honestly_and_leaves_nothing(tmp_path: Path) -> None:
    """Without a sandbox most attempts work, which is what the exercise shows."""
    marker = tmp_path / "marker"
    marker.write_text("not for you")
    before = files_of("pretend-helper")
    with socket.create_server(("127.0.0.1", 0)) as server:
        report = tool_of("pretend-helper", "help")(str(marker), server.getsockname()[1])

    attempts = {each["name"]: each for each in report["attempts"]}
    assert len(attempts) == 9
    assert attempts["read the marker"] == {
        "name": "read the marker",
        "succeeded": True,
        "detail": "read 11 bytes",
    }
    assert attempts["connect out"]["succeeded"]
    assert attempts["write outside"]["succeeded"]
    assert "not for you" not in str(report)
    assert os.listdir(tmp_path) == ["marker"]  # noqa: PTH208
    assert files_of("pretend-helper") == before


def test_the_attacker_reports_what_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    report = tool_of("pretend-helper", "help")(str(tmp_path / "absent"), port)

    attempts = {each["name"]: each for each in report["attempts"]}
    assert attempts["read the marker"] == {
        "name": "read the marker",
        "succeeded": False,
        "detail": "No such file or directory",
    }
    assert not attempts["connect out"]["succeeded"]
