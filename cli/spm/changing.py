"""One change of a project: from a new manifest text to links, written when all of it worked."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from spm.installation import (
    InstallReport,
    frozen_lock,
    install_lock,
    refuse_nested,
    remember,
    texts_of,
)
from spm.locking import changes_between, is_settled, make_lock
from spm.placing import Target, in_place
from spm.project import LOCK_NAME, MANIFEST_NAME, Project, replace_text, staged_text
from spm.universe import read_source
from spm_spec.errors import UserMistake
from spm_spec.lock import Lock, render_lock
from spm_spec.manifest import Manifest, parse_manifest
from spm_spec.sources import RegistrySource, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from spm.reach import Reach
    from spm_spec.sources import Requirement


class Steps:
    """One change of one project, step by step; the caller holds the project's lock."""

    def __init__(self, project: Project, reach: Reach, *, force: bool) -> None:
        """Change ``project`` within ``reach``; ``force`` replaces what is in the way.

        Raises:
            StoreInProject: the project and the store contain each other.
        """
        refuse_nested(project.root, reach)
        self._project, self._reach, self._force = project, reach, force

    async def with_requirement(self, text: str, requirement: Requirement) -> str:
        """The manifest text with one more requirement, named by looking if need be."""
        from spm_spec.manifest_edit import with_requirement
        from spm_spec.names import is_host_package, parse_skill_name

        name = requirement.name
        if name is not None and is_host_package(name):
            raise UserMistake(
                f"`{name}` is provided by the environment, it is not a skill to install",
                hint=f'give its version in skills.toml under [hosts]: `{name} = "1.0.0"`',
            )
        if requirement.name is None:
            found = await read_source(requirement.source, project=self._project, reach=self._reach)
            name = parse_skill_name(found.name)
            requirement = replace(requirement, name=name, source=found.asked)
        return with_requirement(text, requirement)

    async def apply(
        self, text: str, *, unlocked: Sequence[str] | None, open_ended: Sequence[str] = ()
    ) -> InstallReport:
        """Lock and install the manifest ``text``; it is written only when all of it worked.

        Names in ``open_ended`` were added without a range: they get one that holds
        what was chosen and its compatible successors.
        """
        project, reach = self._project, self._reach
        manifest, before = parse_manifest(text, origin=MANIFEST_NAME), project.lock()
        if before is not None and unlocked == () and is_settled(project, manifest, before):
            after = before
        else:
            after = await make_lock(project, manifest, reach, current=before, unlocked=unlocked)
            text, manifest, after = _with_ranges(text, manifest, after, open_ended)
        with ExitStack() as staged:
            puts: list[Callable[[], None]] = []
            if text != project.manifest_text():
                puts.append(staged.enter_context(staged_text(project.manifest_path, text)))
            lock_text = render_lock(after)
            if after is not before and (before is None or render_lock(before) != lock_text):
                puts.append(staged.enter_context(staged_text(project.lock_path, lock_text)))
            texts = {MANIFEST_NAME: text.encode(), LOCK_NAME: lock_text.encode()}
            if after is before:
                texts[LOCK_NAME] = project.lock_path.read_bytes()
            report = await self._installed(manifest, after, texts, settled=after is before)
            for put in puts:
                put()
        if after is not before:
            from spm.registry_metadata import record_answers

            record_answers(project, after, reach)
        remember(project, manifest, after, reach)
        warnings = (*_ungranted(manifest, after), *report.warnings)
        return replace(report, changes=changes_between(before, after), warnings=warnings)

    async def install_frozen(self) -> InstallReport:
        """Install the lock as it is; never resolve."""
        manifest = self._project.manifest()
        lock = frozen_lock(self._project, manifest)
        report = await self._installed(manifest, lock, texts_of(self._project), settled=True)
        remember(self._project, manifest, lock, self._reach)
        return report

    async def _installed(
        self, manifest: Manifest, lock: Lock, texts: Mapping[str, bytes], *, settled: bool
    ) -> InstallReport:
        """Install ``lock``, unless it was ``settled`` before and everything is in place."""
        project, reach = self._project, self._reach
        target, mode = Target.of(project), manifest.link_mode
        store, text = reach.places.store, texts[LOCK_NAME]
        if settled and not self._force and in_place(target, lock, mode, store, text):
            return InstallReport(len(lock.entries), (), (), 0, 0)
        report = await install_lock(project, manifest, lock, reach, force=self._force, texts=texts)
        if not report.downloaded:
            return report
        from spm.collecting import collect_when_low

        return replace(report, warnings=collect_when_low(reach))


def write_lock(project: Project, before: Lock | None, after: Lock, reach: Reach) -> None:
    """Write ``after`` if its text differs, and what the registries answered."""
    from spm.registry_metadata import record_answers

    text = render_lock(after)
    if before is None or render_lock(before) != text:
        replace_text(project.lock_path, text)
    record_answers(project, after, reach)


def _ungranted(manifest: Manifest, lock: Lock) -> tuple[str, ...]:
    """One line for each skill that asks for rights the manifest does not grant."""
    from spm_spec.names import SkillName
    from spm_spec.policy import NOTHING

    lines: list[str] = []
    for entry in lock.entries:
        missing = entry.policy.beyond(manifest.grants.get(SkillName(entry.name), NOTHING))
        if missing:
            lines.append(f"`{entry.name}` asks for more than it is granted: {', '.join(missing)}")
    return tuple(lines)


def _with_ranges(
    text: str, manifest: Manifest, lock: Lock, names: Sequence[str]
) -> tuple[str, Manifest, Lock]:
    """The same answer, with ``^VERSION`` in the manifest for each of ``names``."""
    from spm_spec.manifest_edit import with_requirement

    for name in names:
        entry = lock.entry(name)
        if entry is None or not isinstance(entry.source, RegistrySource):
            continue
        wanted = parse_requirement(f"{name}@^{entry.version}")
        text = with_requirement(text, wanted)
    if names:
        manifest = parse_manifest(text, origin=MANIFEST_NAME)
        lock = replace(lock, requirements=manifest.requirement_lines())
    return text, manifest, lock
