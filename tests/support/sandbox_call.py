"""Calls one Python tool in a sandbox, as a program: JSON in, JSON out.

Tests start it as another user to show that the sandbox needs no privileges.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from spm_sandbox.loader import Loader
from spm_spec.policy import Policy
from spm_spec.skill import EntryPoint, Tool


def python_tool(path: str, attribute: str, schema: dict[str, object] | None = None) -> Tool:
    """Return a tool that calls ``attribute`` of the module ``path``."""
    return Tool(
        name=attribute,
        description="A tool of a test.",
        input_schema=schema or {"type": "object"},
        runtime="python",
        entry=EntryPoint(path, attribute),
        line=1,
    )


def call(request: dict[str, Any]) -> Any:
    """Call ``request["attribute"]`` of ``request["path"]`` and return its value."""
    policy = Policy(subprocess=request["subprocess"])
    tool = python_tool(request["path"], request["attribute"])
    with Loader() as loader:
        return loader.call(Path(request["tree"]), tool, request["arguments"], policy).value


if __name__ == "__main__":
    sys.stdout.write(json.dumps(call(json.loads(sys.stdin.read()))))
