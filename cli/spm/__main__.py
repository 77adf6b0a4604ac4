"""The entry point: answers the hot commands itself, hands the rest to the full program."""

from __future__ import annotations

import sys

from spm import __version__

_HOT = ("install", "list", "path")


def main(arguments: list[str] | None = None, program: str = "spm") -> int:
    """Run ``spm`` with ``arguments`` and return the exit code of spec/cli.md."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(words, program)
    except KeyboardInterrupt:  # before the full program could answer it
        sys.stderr.write("error: interrupted\nhint: run the same command again to finish\n")
        return 130


def _run(words: list[str], program: str) -> int:
    if words in (["--version"], ["-V"]):
        sys.stdout.write(f"spm {__version__}\n")
        return 0
    if words and words[0] in _HOT:
        from spm.hot import answer

        code = answer(words)
        if code is not None:
            return code
    from spm.app import run

    return run(words, program)


if __name__ == "__main__":
    sys.exit(main())
