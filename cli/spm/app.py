"""The full program: commands, their help, and one place that turns errors into exit codes.

Commands stand in `spm.commands`, a module a group; each command imports what it
does inside its body, so that `spm --help` stays quick. Exit codes are those of
spec/cli.md.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from spm import console
from spm.commands import (
    authoring,
    caching,
    dependencies,
    discovery,
    profiling,
    running,
    serving,
    storage,
)
from spm_spec.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    EnvironmentFailure,
    SpmError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUMMARY = """Installs, locks, verifies and runs agent skills.

Start with `spm init`, then `spm add NAME`, then `spm load NAME`.
`spm demo` shows all of it in under a minute.
"""


class WrongCommandLine(SpmError):
    """The command line is none that the program knows."""

    exit_code = EXIT_USAGE
    kind = "usage"


class Bug(SpmError):
    """The program met what it should never meet."""

    exit_code = EXIT_BUG
    kind = "bug"


class Interrupted(SpmError):
    """A person pressed Ctrl-C."""

    exit_code = EXIT_INTERRUPTED
    kind = "interrupted"

    def __init__(self) -> None:
        """Say how to go on."""
        super().__init__("interrupted", hint="run the same command again to finish")


def program() -> typer.Typer:
    """The command line with every command registered."""
    app = typer.Typer(
        name="spm",
        help=_SUMMARY,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_everywhere)
    groups = (authoring, discovery, dependencies, running, serving, storage, profiling, caching)
    for group in groups:
        group.register(app)
    return app


def _everywhere(
    project: str = typer.Option(
        "", "--project", "-C", metavar="FOLDER", help="Work as if started in this folder."
    ),
    version: bool = typer.Option(  # noqa: FBT001  # typer passes options by position or name
        False,  # noqa: FBT003
        "--version",
        "-V",
        help="Print the version and exit.",
    ),
) -> None:
    if version:
        from spm import __version__

        console.put(f"spm {__version__}")
        raise typer.Exit
    if project:
        try:
            os.chdir(project)
        except OSError as error:
            raise EnvironmentFailure(f"cannot enter `{project}`: {error.strerror}") from error


def run(words: Sequence[str], program_name: str) -> int:
    """Run one command line; every way it can end is an exit code."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    try:
        if reconfigure is not None:  # an encoding that lacks a character is no reason to fail
            reconfigure(errors="backslashreplace")
        return _obey(words, program_name)
    except BrokenPipeError:
        # The reader has seen enough; leave without a second complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # a bug must not look like an answer
        refusal = _refusal_of(error)
        console.complain(refusal, as_json="--json" in words)
        return refusal.exit_code


def _obey(words: Sequence[str], program_name: str) -> int:
    command = typer.main.get_command(program())
    try:
        with command.make_context(program_name, list(words)) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        code = done.exit_code
    except Exception as error:
        if type(error).__name__ != "NoArgsIsHelpError":  # the library does not export it
            raise
        # A group without a command: its help is the answer, and the exit code a wrong line's.
        console.talk(str(error.args[0] if error.args else error))
        code = EXIT_USAGE
    sys.stdout.flush()
    return code if isinstance(code, int) else EXIT_DONE


def _refusal_of(error: Exception | KeyboardInterrupt) -> SpmError:
    """What ended the command, as one of the errors that have an exit code."""
    if isinstance(error, SpmError):
        return error
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Interrupted()
    if isinstance(error, OSError):
        return _from_system(error)
    show, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):
        path = getattr(getattr(error, "ctx", None), "command_path", "spm")
        return WrongCommandLine(str(show()), hint=f"see `{path} --help`")
    import traceback

    trace = "".join(traceback.format_exception(error)).rstrip()
    return Bug("this is a bug in spm", hint=f"please report it with these lines:\n{trace}")


def _from_system(error: OSError) -> EnvironmentFailure:
    where = f"{error.filename}: " if error.filename else ""
    return EnvironmentFailure(
        f"{where}{(error.strerror or str(error)).lower()}",
        hint="free some space or fix the permissions, then run the same command again",
    )
