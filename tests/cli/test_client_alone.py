"""The base install is the client: what needs more says what to install."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from spm.app import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "words",
    [
        ["registry", "serve", "--data", "data"],
        ["registry", "token", "create", "--data", "data", "ada"],
        ["demo"],
    ],
    ids=" ".join,
)
def test_running_a_registry_without_its_extra_says_what_to_install(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("sqlalchemy", "aiosqlite"):
        monkeypatch.setitem(sys.modules, name, None)

    code = run(words, "spm")

    assert code == 3
    assert capsys.readouterr() == (
        "",
        (
            "error: running a registry needs sqlalchemy and aiosqlite\n"
            "hint: install spm with its registry extra: `skills-package-manager[registry]`\n"
        ),
    )
    assert list(tmp_path.iterdir()) == []
