"""What a power cut may leave of a recorded scenario.

At a cut, everything is there that a wait for the disk covered before it. Of what came later,
a journaling file system may have kept any part, in any order:

* the names: none, all, those up to some moment, or any of them; a rename wholly or not at all;
* the bytes of a file, whatever its name: all, none, the first half, or as many zeros;
* permissions, or those of before;
* the index as some commit left it, never one before the last that was waited for; of its log
  also a part of the next commit.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.store.disk_model import Bytes, Entry, Inode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.store.disk_model import State
    from tests.store.recorded_disk import Change, IndexState, Recording

_DATABASE, _LOG = "index.sqlite", "index.sqlite-wal"
_INDEX_NAMES = (_LOG, "index.sqlite-shm")


@dataclass(frozen=True, slots=True)
class PowerCut:
    """One moment, and one of the states the disk may then be in."""

    number: int
    """Which of the sampled states it is: the same scenario and number give the same state."""
    call: int
    """The last call that returned; -1 before the first."""
    pattern: str
    state: State


def power_cuts(recording: Recording, number: int, seed: str) -> Iterator[PowerCut]:
    """Yield ``number`` states, every call having its turn before one has a second."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    moments: list[int] = []
    for count in range(number):
        if not moments:
            moments = list(range(-1, len(recording.calls)))
            chance.shuffle(moments)
        yield _cut(recording, moments.pop(), count, random.Random(f"{seed} {count}"))  # noqa: S311


def _cut(recording: Recording, call: int, number: int, chance: random.Random) -> PowerCut:
    happened = [change for change in recording.changes if change.call <= call]
    loose = [change for change in happened if change.durable is None or change.durable > call]
    pattern = chance.choice(("nothing", "everything", "in order", "any"))
    kept = _kept(pattern, loose, chance)
    state = recording.first.copy()
    for change in happened:
        held = change.durable is not None and change.durable <= call
        for effect in change.effects:
            if isinstance(effect, Bytes) and effect.inode.kind == "link":
                state.apply(effect)  # where a link points is kept with the link, if that is
            elif not held and isinstance(effect, Bytes):
                if pattern != "nothing":
                    state.apply(Bytes(effect.inode, _torn(effect.data, chance)))
            elif held or kept(change):
                state.apply(effect)
    _set_index(recording, state, call, chance)
    return PowerCut(number, call, pattern, state)


def _kept(pattern: str, loose: list[Change], chance: random.Random) -> Callable[[Change], bool]:
    """Return which of the changes that nobody waited for are on the disk."""
    if pattern in {"nothing", "everything"}:
        return lambda _: pattern == "everything"
    if pattern == "in order":
        first = loose[: chance.randint(0, len(loose))]
    else:
        first = [change for change in loose if chance.random() < 0.5]
    numbers = {id(change) for change in first}
    return lambda change: id(change) in numbers


def _torn(data: bytes, chance: random.Random) -> bytes:
    return chance.choice((data, data, b"", data[: len(data) // 2], bytes(len(data))))


def _set_index(recording: Recording, state: State, call: int, chance: random.Random) -> None:
    """Put SQLite's files as some commit left them into ``state``."""
    folder = state.find(recording.index)
    names = state.entries.get(folder, {}) if folder is not None else {}
    for name in _INDEX_NAMES:
        names.pop(name, None)
    database = names.get(_DATABASE)
    if database is None or folder is None:
        return
    possible = _possible(recording, database, call)
    if not possible:
        return
    position = chance.choice((0, len(possible) - 1, chance.randrange(len(possible))))
    files = dict(possible[position].files)
    if position + 1 < len(possible) and chance.random() < 0.5:
        files |= _torn_log(files, possible[position + 1].files, chance)
    state.apply(Bytes(database, files[_DATABASE]))
    if _LOG in files:
        log = Inode("file")
        state.apply(Entry(folder, _LOG, log))
        state.apply(Bytes(log, files[_LOG]))
        state.modes[log] = 0o644


def _possible(recording: Recording, database: Inode, call: int) -> list[IndexState]:
    states = [
        one for one in recording.index_states if one.call <= call and one.number == database.number
    ]
    waited = [n for n, one in enumerate(states) if one.durable is not None and one.durable <= call]
    return states[waited[-1] :] if waited else states


def _torn_log(
    now: dict[str, bytes], after: dict[str, bytes], chance: random.Random
) -> dict[str, bytes]:
    """Return a log of which the last commit is not whole."""
    before, longer = now.get(_LOG, b""), after.get(_LOG, b"")
    if now[_DATABASE] != after.get(_DATABASE) or not longer.startswith(before):
        return {}
    return {_LOG: longer[: chance.randint(len(before), max(len(before), len(longer) - 1))]}
