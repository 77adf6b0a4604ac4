"""From a skill's tools to declarations, and the arguments' names a framework cannot write."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from spm_sandbox.adapters.model import Declaration, Notebook, Translation
from spm_sandbox.adapters.names import known_tools, wire_name, wire_property

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from spm_sandbox.adapters.model import Note
    from spm_sandbox.adapters.schema import Schema
    from spm_spec.skill import Skill


def declarations_of(skill: Skill) -> tuple[Declaration, ...]:
    """Return the skill's tools under their wire names, in the order written.

    Raises:
        Untranslatable: two of them have one name.
    """
    known_tools([skill])
    return tuple(
        Declaration(
            tool=tool.name,
            name=wire_name(str(skill.name), tool.name),
            description=tool.description,
            input_schema=tool.input_schema,
        )
        for tool in skill.tools
    )


def translated(
    declarations: Sequence[Declaration],
    give: Callable[[Declaration, Notebook], dict[str, object]],
) -> Translation:
    """Return what ``give`` makes of each declaration, with the notes it wrote on the way."""
    notes: list[Note] = []
    payload: list[dict[str, object]] = []
    for declaration in declarations:
        notebook = Notebook(declaration.tool)
        payload.append(give(declaration, notebook))
        notes.extend(notebook.notes)
    return Translation(payload, tuple(notes))


def rename_arguments(root: Schema, legal: re.Pattern[str], notebook: Notebook) -> Schema:
    """Return the root with every argument under a name that ``legal`` matches.

    Only the arguments themselves: what lies inside one is data, and no provider
    restricts its keys. ``calls.invocation_of`` gives the skill its own names back.
    """
    properties = cast("Schema", root.get("properties", {}))
    renamed = {
        name: wire
        for name in (*properties, *cast("list[str]", root.get("required", [])))
        if (wire := wire_property(name, legal)) != name
    }
    if not renamed:
        return root
    for name, wire in renamed.items():
        notebook.add(("properties", name), "properties", f"the argument is called `{wire}` there")
    result = dict(root)
    result["properties"] = {renamed.get(name, name): each for name, each in properties.items()}
    if "required" in root:
        result["required"] = [
            renamed.get(name, name) for name in cast("list[str]", root["required"])
        ]
    return result
