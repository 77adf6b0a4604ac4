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
from spm.commands import authoring, dependencies, discovery, running, serving, storage
from spm_spec.errors import (
    EXIT_BUG,
    EXIT_DONE,
    EXIT_ENVIRONMENT,
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
    for group in (authoring, discovery, dependencies, running, serving, storage):
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
    as_json = "--json" in words
    try:
        command = typer.main.get_command(program())
        code = command.main(args=list(words), prog_name=program_name, standalone_mode=False)
        sys.stdout.flush()
    except SpmError as error:
        console.complain(error, as_json=as_json)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        console.complain(Interrupted(), as_json=as_json)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; leave without a second complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        console.complain(_from_system(error), as_json=as_json)
        return EXIT_ENVIRONMENT
    except Exception as error:  # noqa: BLE001  # the last resort: a bug of ours must not look like an answer
        return _end_of(error, as_json=as_json)
    return code if isinstance(code, int) else EXIT_DONE


def _from_system(error: OSError) -> EnvironmentFailure:
    where = f"{error.filename}: " if error.filename else ""
    return EnvironmentFailure(
        f"{where}{(error.strerror or str(error)).lower()}",
        hint="free some space or fix the permissions, then run the same command again",
    )


def _end_of(error: Exception, *, as_json: bool) -> int:
    """A usage error of the command-line library, or a bug of ours."""
    show = getattr(error, "format_message", None)
    code = getattr(error, "exit_code", None)
    if callable(show) and isinstance(code, int):
        context = getattr(error, "ctx", None)
        path = getattr(context, "command_path", "spm")
        usage = WrongCommandLine(str(show()), hint=f"see `{path} --help`")
        console.complain(usage, as_json=as_json)
        return EXIT_USAGE
    import traceback

    trace = "".join(traceback.format_exception(error)).rstrip()
    bug = Bug("this is a bug in spm", hint=f"please report it with these lines:\n{trace}")
    console.complain(bug, as_json=as_json)
    return EXIT_BUG
