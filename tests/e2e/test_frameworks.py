"""Recorded conversations: a framework's call goes through the loader to the tool and back.

The messages are whole ones, as the providers' APIs send them; what goes back is held
to the providers' own types. The skill is one of the examples, its tools run in the sandbox.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from spm import LoadedSkill, SkillManager
from spm_sandbox.adapters.model import InvalidCall, UnknownTool
from tests.support.program import Program
from tests.support.provider_rules import check_tool
from tests.support.sandbox_host import require_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.needs("sandbox")

EXAMPLES = Path(__file__).parents[2] / "examples"
CSV = "region,amount\nnorth,120\nsouth,80\nnorth,60\n"
CHOSEN = "region,amount\nnorth,120\nnorth,60\n"
SCHEMA = {"type": "object", "properties": {"csv": {"type": "string"}}, "required": ["csv"]}
TABLE: dict[str, object] = {"csv": "a\n1\n"}
ARGUMENTS = {"csv": CSV, "where": {"region": "north"}}

CLAUDE = {
    "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "text", "text": "I will keep the rows of the north."},
        {
            "type": "tool_use",
            "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
            "name": "table-core__select",
            "input": ARGUMENTS,
        },
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 512, "output_tokens": 74},
}
OPENAI_RESPONSES: dict[str, Any] = {
    "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "object": "response",
    "created_at": 1795000000,
    "model": "gpt-5.1",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "output": [
        {"type": "reasoning", "id": "rs_67ccd2bf17f0", "summary": []},
        {
            "type": "function_call",
            "id": "fc_67ccd2bf17f0",
            "call_id": "call_2345abc",
            "name": "table-core__select",
            # Strict mode sends what was left out as null.
            "arguments": json.dumps(
                {**ARGUMENTS, "columns": None, "sort": None, "descending": None}
            ),
            "status": "completed",
        },
    ],
}
OPENAI_CHAT = {
    "role": "assistant",
    "content": None,
    "refusal": None,
    "tool_calls": [
        {
            "id": "call_62136354",
            "type": "function",
            "function": {"name": "table-core__select", "arguments": json.dumps(ARGUMENTS)},
        }
    ],
}
GOOGLE = {
    "role": "model",
    "parts": [
        {"text": "I will keep the rows of the north."},
        {
            "functionCall": {"id": "fc-1", "name": "table-core__select", "args": ARGUMENTS},
            "thoughtSignature": "c2lnbmF0dXJl",
        },
    ],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], LoadedSkill]:
    """Install the skill in a folder into a project of its own, and load it."""
    require_sandbox()
    root = tmp_path_factory.mktemp("frameworks")
    program = Program.below(root)

    def loaded(folder: Path) -> LoadedSkill:
        project = program.project(f"project-{len(list(root.iterdir()))}")
        skills = SkillManager(project, environment=program.environment).synchronous
        skills.install(f"path:{os.path.relpath(folder, project)}")
        return skills.load(folder.name)

    return loaded


@pytest.fixture(scope="module")
def table(installed: Callable[[Path], LoadedSkill]) -> LoadedSkill:
    return installed(EXAMPLES / "table-core")


def accepted(kind: Any, value: object) -> None:
    """Hold ``value`` to a provider's own type."""
    from pydantic import TypeAdapter

    TypeAdapter[Any](kind).validate_python(value)


def test_claude_calls_a_tool_and_reads_its_result(table: LoadedSkill) -> None:
    import anthropic.types as claude

    accepted(claude.Message, CLAUDE)

    result = table.answer_now(CLAUDE, "claude")

    assert result == {
        "type": "tool_result",
        "tool_use_id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
        "content": CHOSEN,
        "is_error": False,
    }
    accepted(claude.ToolResultBlockParam, result)


def test_openai_calls_a_tool_in_a_response(table: LoadedSkill) -> None:
    from openai.types import responses

    accepted(responses.Response, OPENAI_RESPONSES)

    result = table.answer_now(OPENAI_RESPONSES, "openai")

    assert result == {
        "type": "function_call_output",
        "call_id": "call_2345abc",
        "output": CHOSEN,
    }
    accepted(responses.response_input_param.FunctionCallOutput, result)


def test_openai_calls_a_tool_in_a_chat(table: LoadedSkill) -> None:
    from openai.types import chat

    accepted(chat.ChatCompletionMessage, OPENAI_CHAT)

    result = table.answer_now(OPENAI_CHAT, "openai-chat")

    assert result == {"role": "tool", "tool_call_id": "call_62136354", "content": CHOSEN}
    accepted(chat.ChatCompletionToolMessageParam, result)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:google")
def test_google_calls_a_tool_and_reads_its_response(table: LoadedSkill) -> None:
    from google.genai import types as google

    google.Content.model_validate(GOOGLE)

    result = table.answer_now(GOOGLE, "google")

    assert result == {
        "functionResponse": {
            "id": "fc-1",
            "name": "table-core__select",
            "response": {"output": CHOSEN},
        }
    }
    google.Part.model_validate(result)


def call_of(framework: str, tool: str, arguments: dict[str, object]) -> dict[str, object]:
    """One call alone, as a program takes it out of a message."""
    name = f"table-core__{tool}"
    if framework == "claude":
        return {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
    if framework == "openai":
        text = json.dumps(arguments)
        return {"type": "function_call", "call_id": "call_1", "name": name, "arguments": text}
    return {"functionCall": {"name": name, "args": arguments}}


def error_of(framework: str, result: dict[str, Any]) -> str:
    """What the model reads when a call went wrong."""
    if framework == "claude":
        assert result["is_error"] is True
        return str(result["content"])
    if framework == "openai":
        return str(json.loads(result["output"])["error"])
    return str(result["functionResponse"]["response"]["error"])


@pytest.mark.parametrize("framework", ["claude", "openai", "google"])
def test_a_refused_call_is_an_answer_that_the_model_can_read(
    table: LoadedSkill, framework: str
) -> None:
    error = error_of(framework, table.answer_now(call_of(framework, "select", {}), framework))

    assert "csv" in error
    assert "required" in error


def test_a_failure_of_the_tool_is_an_answer_too(table: LoadedSkill) -> None:
    arguments: dict[str, object] = {"csv": CSV, "sort": "price"}

    result = table.answer_now(call_of("claude", "select", arguments), "claude")

    error = error_of("claude", result)
    assert "there is no column `price`; there are region, amount" in error


def test_what_is_no_call_of_this_skill_is_no_answer(table: LoadedSkill) -> None:
    other = call_of("claude", "select", {}) | {"name": "weather__today"}

    with pytest.raises(UnknownTool, match="weather__today"):
        table.answer_now(other, "claude")
    with pytest.raises(InvalidCall):
        table.answer_now({"role": "assistant", "content": "no call at all"}, "claude")


@pytest.mark.parametrize(
    ("framework", "file", "more"),
    [
        ("claude", "anthropic.json", {"input_schema": SCHEMA}),
        ("openai", "openai.json", {"parameters": SCHEMA}),
        ("google", "google.json", {}),
    ],
)
def test_a_file_of_the_skill_for_a_framework_wins_and_its_tools_are_called(
    installed: Callable[[Path], LoadedSkill],
    tmp_path: Path,
    framework: str,
    file: str,
    more: dict[str, object],
) -> None:
    tool = {"name": "parse", "description": "From the file."} | more
    folder = shutil.copytree(EXAMPLES / "table-core", tmp_path / "table-core")
    (folder / ".skill").mkdir()
    (folder / ".skill" / file).write_text(json.dumps({"tools": [tool]}), encoding="utf-8")
    skill = installed(folder)

    shape = skill.shape(framework)
    answer = json.dumps(skill.answer_now(call_of(framework, "parse", TABLE), framework))

    assert [tool["description"] for tool in shape.tools] == ["From the file."]
    assert shape.notes == (f"select: not offered: .skill/{file} leaves it out",)
    check_tool(framework, dict(shape.tools[0]))
    assert "columns" in answer
