"""Start-up of the hot commands beside a bare Python.

python bench/startup.py [--runs N] [--json]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from generated_skills import write_skills
from timing import Comparison, command, options, paired, report

PYTHON = sys.executable
SPM = str(Path(PYTHON).with_name("spm"))
SKILLS = 20


def main() -> None:
    """Compare `--version`, a no-op `install` and `list` with `python -I -c pass`."""
    asked = options("start-up of the hot commands", runs=30)
    with tempfile.TemporaryDirectory() as folder:
        project, environment = _project(Path(folder))
        bare = command([PYTHON, "-I", "-c", "pass"], environment=environment)
        comparisons: list[Comparison] = []
        for words, goal in (
            (["--version"], "1.5"),
            (["install"], "5"),
            (["list"], "none set"),
        ):
            ours = command([SPM, *words], folder=project, environment=environment)
            mine, theirs = paired(ours, bare, runs=asked.runs)
            comparisons.append(
                Comparison(f"spm {' '.join(words)}", mine, "python -I -c pass", theirs, goal)
            )
    report(comparisons, as_json=asked.json)


def _project(root: Path) -> tuple[Path, dict[str, str]]:
    """A project with everything in place, from a git repository so that nothing is re-read."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("SPM_", "GIT_"))
    } | {"SPM_DATA": str(root / "data"), "SPM_CACHE": str(root / "cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    repository = root / "repository"
    skills = write_skills(repository, SKILLS)
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "skills"]):
        command(["git", *words], folder=repository, environment=environment)()
    project = root / "project"
    project.mkdir()
    command([SPM, "init"], folder=project, environment=environment)()
    urls = [f"git+file://{repository}#subdirectory={skill.name}" for skill in skills]
    command([SPM, "add", *urls], folder=project, environment=environment)()
    return project, environment


if __name__ == "__main__":
    main()
