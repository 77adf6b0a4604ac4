"""Start the processes, kill some of them, listen to all, and look at what is left."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.installed import (
    held,
    install,
    strays_in,
    view_of,
    wrong_in_texts,
    wrong_in_users,
    wrong_in_view,
)
from tests.torture.workers import ROLES, Worker, mend
from tests.torture.world import skills

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.torture.workers import Act
    from tests.torture.world import World

END_SECONDS = 60
MOST_VIOLATIONS = 20
_KILL_EVERY = (0.02, 0.25)  # seconds


@dataclass(slots=True)
class Outcome:
    """What a run did and saw."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def text(self) -> str:
        """Return the summary."""
        lines = [f"{count:7} {event}" for event, count in sorted(self.counts.items())]
        lines += [f"violation: {one}" for one in self.violations[:MOST_VIOLATIONS]]
        lines.append(f"seed {self.seed}: {len(self.violations)} violations")
        return "\n".join(lines)


class Run:
    """One run in one world."""

    def __init__(
        self,
        world: World,
        seed: int,
        *,
        roles: Mapping[str, tuple[int, Act]] = ROLES,
        most_violations: int = MOST_VIOLATIONS,
    ) -> None:
        """Prepare; nothing is started yet. So many violations are enough to stop."""
        self._roles, self._most = roles, most_violations
        self.outcome = Outcome(seed)
        self._world = world
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._running: dict[int, str] = {}
        self._started = 0
        self._reading, self._writing = os.pipe()
        self._rest = b""

    def run(self, seconds: float) -> Outcome:
        """Let them all work for ``seconds``, then look at everything."""
        end = time.monotonic() + seconds
        try:
            for role, (number, _) in self._roles.items():
                for _ in range(number):
                    self._start(role)
            kill = time.monotonic()
            while (now := time.monotonic()) < end and not self._is_enough():
                self._listen(min(end, max(kill, now)) - now)
                self._reap()
                if self._running and time.monotonic() >= kill:
                    self._kill_one()
                    kill = time.monotonic() + self._chance.uniform(*_KILL_EVERY)
            self._stop()
        finally:
            self._end_all()
        if not self.outcome.violations:
            self._look_at_the_end()
        return self.outcome

    def _is_enough(self) -> bool:
        return len(self.outcome.violations) >= self._most

    def _start(self, role: str) -> None:
        self._started += 1
        seed = f"{self.outcome.seed} {self._started}"
        child = os.fork()
        if child == 0:
            try:
                os.close(self._reading)
                chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
                Worker(self._world, chance, self._writing).work(self._roles[role][1])
                os._exit(0)
            except BaseException:  # noqa: BLE001 - nothing of this may go on in the child
                traceback.print_exc()
                os._exit(1)
        self._running[child] = role

    def _kill_one(self) -> None:
        process = self._chance.choice(sorted(self._running))
        os.kill(process, signal.SIGKILL)
        self.outcome.counts[f"killed: {self._running[process]}"] += 1

    def _reap(self) -> None:
        """Start another in the place of each that is dead."""
        for process in list(self._running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended == 0:
                continue
            role = self._running.pop(process)
            if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
                self.outcome.violations.append(f"a {role} ended by itself")
            if not self._world.stop.exists():
                self._start(role)

    def _listen(self, seconds: float) -> None:
        ready, _, _ = select.select([self._reading], [], [], max(0.0, seconds))
        while ready:
            *lines, self._rest = (self._rest + os.read(self._reading, 1 << 16)).split(b"\n")
            for line in lines:
                said = json.loads(line)
                self.outcome.counts[said["event"]] += 1
                if said["detail"]:
                    text = f"{said['event']} ({said['process']}): {said['detail']}"
                    self.outcome.violations.append(text)
            ready, _, _ = select.select([self._reading], [], [], 0)

    def _stop(self) -> None:
        """Let everyone finish; who does not, hangs."""
        self._world.stop.touch()
        end = time.monotonic() + END_SECONDS
        while self._running and time.monotonic() < end:
            self._listen(0.05)
            self._reap()
        self._listen(0)
        for process, role in self._running.items():
            self.outcome.violations.append(f"{role} {process} does not end")

    def _end_all(self) -> None:
        for process in self._running:
            os.kill(process, signal.SIGKILL)
        for process in self._running:
            os.waitpid(process, 0)
        self._running.clear()

    def _look_at_the_end(self) -> None:
        """Look at the projects as they were left, do the next commands, and look again."""
        wrong = self.outcome.violations
        world = self._world
        try:
            with world.store() as store:
                worker = Worker(world, self._chance, self._writing)
                mend(worker, store)
                wrong += [f"after repair: {one}" for one in store.verify()]
                for project in world.projects:
                    wrong += [
                        f"{project.name}: {one}" for one in wrong_in_view(world.root, project)
                    ]
                for project in world.projects:
                    with held(project):
                        view = sorted((view_of(project) or {}).items())
                        install(store, project, [skills()[item] for item in view])
                    about = strays_in(project) + wrong_in_users(project)
                    wrong += [f"{project.name}: {one}" for one in wrong_in_texts(project) + about]
                store.collect(max_age=0)
                wrong += self._left_over()
                wrong += [f"at the end: {one}" for one in store.verify()]
        except Exception as error:  # noqa: BLE001 - whatever a command says is a finding
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            wrong.append(f"at the end: {type(error).__name__}: {error}\n{where}")
        self._listen(0)

    def _left_over(self) -> list[str]:
        """Return what is in the store that no project needs, and what is not that one does."""
        from spm_store.sets import read_set

        root = self._world.root
        with self._world.store() as store:
            names = {name for one in store.roots() for name in one.generations.values()}
            needed = {one.tree for name in names for one in read_set(os.fspath(root), name)}
            there = {tree.digest for tree in store.trees()}
            wrong = [f"kept for nobody: {digest}" for digest in there - needed]
            wrong += [f"needed and gone: {digest}" for digest in needed - there]
            wrong += [f"without a row: {path.name}" for path in store.leftovers()]
        for folder, known in {"tmp": set[str](), "trash": set[str](), "sets": names}.items():
            found = {path.name for path in (root / folder).iterdir()}
            wrong += [f"in {folder}: {name}" for name in sorted(found - known)]
        return wrong
