"""Runs a script of the skill; what it prints goes where the sandbox's output goes."""

from __future__ import annotations

import subprocess

from spm_sandbox.worker import confinement, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def run(call: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a ``program`` call: ``command`` (a list of text) and ``input`` (bytes).

    The answer is the exit status; negative means ended by that signal.
    """
    try:
        confinement.hide_from_programs()
        process = subprocess.Popen(call["command"], stdin=subprocess.PIPE)
    except OSError as error:
        return {"error": failure.describe(error)}
    process.communicate(call["input"])
    return {"result": process.returncode}
