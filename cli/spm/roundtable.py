"""``roundtable skills …`` is ``spm …``, for people who come from Roundtable."""

from __future__ import annotations

import sys

from spm.__main__ import main as spm_main


def main(arguments: list[str] | None = None) -> int:
    """Run ``roundtable``; only its ``skills`` command lives here."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["skills"]:
        return spm_main(words[1:], "roundtable skills")
    sys.stderr.write(
        "error: this program knows only `roundtable skills`\nhint: try `roundtable skills --help`\n"
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
