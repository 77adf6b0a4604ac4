"""Finds the Python that runs this program, for use inside a sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from spm_sandbox.confinement import Bind
from spm_sandbox.errors import SandboxUnavailable
from spm_sandbox.plan import Interpreter

INSIDE = "/python"
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_SYSTEM_PACKAGES = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib/{_VERSION}/site-packages",
    f"/usr/lib64/{_VERSION}/site-packages",
    f"/usr/local/lib/{_VERSION}/dist-packages",
    f"/usr/local/lib/{_VERSION}/site-packages",
)


def this_executable() -> str:
    """Return the real path of the interpreter, outside any virtual environment."""
    if not sys.executable:
        raise SandboxUnavailable(
            "interpreter",
            "this program does not know its Python interpreter",
            remedy="start spm with a `python` executable",
        )
    return os.path.realpath(sys.executable)


def this_interpreter() -> Interpreter:
    """Return how the running interpreter is shown inside.

    One below ``/usr`` is there already. Another appears under ``/python``, so that
    the sandbox does not show whose home it lives in; its packages are hidden.
    """
    executable = Path(this_executable())
    prefix = Path(os.path.realpath(sys.base_prefix))
    if executable.is_relative_to("/usr"):
        return Interpreter(str(executable), hidden=_SYSTEM_PACKAGES)
    library_folders = dict.fromkeys(("lib", sys.platlibdir))
    binds = [Bind(str(executable), f"{INSIDE}/bin/{executable.name}", execute=True)]
    binds += [
        Bind(str(prefix / name), f"{INSIDE}/{name}", execute=True)
        for name in library_folders
        if (prefix / name).is_dir()
    ]
    if prefix.is_relative_to("/nix/store"):
        binds.append(Bind("/nix/store", "/nix/store", execute=True))
    shared = any((prefix / "lib").glob("libpython*.so*"))
    return Interpreter(
        f"{INSIDE}/bin/{executable.name}",
        tuple(binds),
        (
            *_SYSTEM_PACKAGES,
            *(f"{INSIDE}/{name}/{_VERSION}/site-packages" for name in library_folders),
        ),
        f"{INSIDE}/lib" if shared else "",
    )
