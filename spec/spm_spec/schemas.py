"""JSON Schemas (2020-12) of the documents, generated: ``python -m spm_spec.schemas FOLDER``.

The files in spec/schemas/ are what this prints; a test holds them current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spm_spec.errors import EXIT_DONE, EXIT_USAGE
from spm_spec.schema_models import (
    FrontMatterDocument,
    IndexDocument,
    LockDocument,
    ManifestDocument,
    SkillDocument,
)
from spm_spec.shapes import is_list, is_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"

DOCUMENTS: dict[str, type[BaseModel]] = {
    "front-matter": FrontMatterDocument,
    "skill.yaml": SkillDocument,
    "skills.toml": ManifestDocument,
    "skills.lock": LockDocument,
    "index.json": IndexDocument,
}


def schema_of(document: str) -> dict[str, object]:
    """Return the JSON Schema of one of ``DOCUMENTS``.

    Defaults are left out: an absent key means what the format's document says, and a
    model's stand-in for it would only mislead.
    """
    schema = DOCUMENTS[document].model_json_schema(by_alias=True)
    cleaned = _without_defaults(schema)
    return {"$schema": DIALECT, **cleaned, "title": document}


def _without_defaults(schema: dict[str, object]) -> dict[str, object]:
    """Return ``schema`` without ``default``, and without the titles pydantic invents."""
    waiting: list[object] = [schema]
    while waiting:
        node = waiting.pop()
        if is_list(node):
            waiting.extend(node)
        elif is_table(node):
            for key in ("default", "title"):
                if not isinstance(node.get(key), dict):
                    node.pop(key, None)
            waiting.extend(node.values())
    return schema


def render_schema(document: str) -> str:
    """Return the text of the schema's file."""
    return json.dumps(schema_of(document), indent=2) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write every schema into the folder that is the one argument."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m spm_spec.schemas FOLDER\n")
        return EXIT_USAGE
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for document in DOCUMENTS:
        path = folder / f"{document}.schema.json"
        path.write_text(render_schema(document), encoding="utf-8", newline="\n")
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
