"""Calls a function of the skill: load the module from its file, call, answer."""

from __future__ import annotations

import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import SourceFileLoader, spec_from_file_location

from spm_sandbox.worker import failure

TYPE_CHECKING = False  # typing, inspect and importlib.util would cost more than the sandbox
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any


def run(call: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a ``python`` call: ``path`` and ``attribute`` of the entry point, ``arguments``."""
    try:
        function = getattr(_load(call["path"]), call["attribute"], None)
        if not callable(function):
            message = f"{call['path']} has no function `{call['attribute']}`"
            return {"error": {"kind": "entry", "message": message}}
        return {"result": _finished(function(**call["arguments"]))}
    except SystemExit as leaving:
        message = f"the tool called exit ({leaving.code!r:.80})"
        return {"error": {**failure.describe(leaving), "message": message}}
    except BaseException as error:  # noqa: BLE001 - whatever the skill raises is its answer
        return {"error": failure.describe(error)}
    finally:
        failure.flush_quietly()


def _load(path: str) -> ModuleType:
    """Run the module as the program's only one: its folder first on the path, no bytecode."""
    file = f"{failure.SKILL}{path}"
    folder, _, name = file.rpartition("/")
    name = name.partition(".")[0]
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    loader = SourceFileLoader(name, file)
    specification = spec_from_file_location(name, file, loader=loader)
    if specification is None:
        raise ImportError(f"{path} is not a module")
    module: ModuleType = module_from_spec(specification)
    sys.modules[name] = module
    loader.exec_module(module)
    return module


def _finished(value: object) -> object:
    """Wait for an asynchronous function."""
    if not hasattr(type(value), "__await__"):
        return value
    import asyncio

    async def waited() -> object:
        return await value  # type: ignore[misc]  # it was just seen to be awaitable

    return asyncio.run(waited())
