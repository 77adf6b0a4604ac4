"""Work on many things side by side: each lane is one thread, going through its queues.

Reading small files is mostly Python, of which one thread runs at a time: two threads
take twice the processor and no less time, unless they wait for the disk. So small
things share one lane while the disk answers at once, and large ones have all lanes.
"""

from __future__ import annotations

from time import perf_counter, thread_time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator, Sequence
    from queue import SimpleQueue

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_SAMPLES = 32
_MOSTLY_WAITING = 0.5


def side_by_side(
    small: deque[Item], large: deque[Item], work: Callable[[Item], Answer], jobs: int
) -> Iterator[Answer]:
    """Yield what ``work`` answers for each item, in any order; empties both queues.

    At most ``jobs`` threads run. What ``work`` raises is raised here, and ends all.
    """
    if jobs == 1 or len(small) + len(large) == 1:
        for queue in (large, small):
            while queue:
                yield work(queue.popleft())
        return
    waited, started, worked = False, perf_counter(), thread_time()
    for _ in range(min(_SAMPLES, len(small))):
        yield work(small.popleft())
        spent = perf_counter() - started
        waited = thread_time() - worked < _MOSTLY_WAITING * spent
    lanes = [(small, large)] + [(large, small) if waited else (large,)] * (jobs - 1)
    yield from _running([lane for lane in lanes if any(lane)], work)


def _running(
    lanes: Sequence[tuple[deque[Item], ...]], work: Callable[[Item], Answer]
) -> Iterator[Answer]:
    from queue import SimpleQueue
    from threading import Thread

    done: SimpleQueue[Answer | _Ended] = SimpleQueue()
    threads = [Thread(target=_lane, args=(lane, work, done), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            answer = done.get()
            if not isinstance(answer, _Ended):
                yield answer
            elif answer.error is not None:
                raise answer.error
            else:
                running -= 1
    finally:
        for lane in lanes:  # whoever stops listening stops the work
            for queue in lane:
                queue.clear()
        for thread in threads:
            thread.join()


class _Ended:
    """One lane has nothing more to do, or met ``error``."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _lane(
    queues: tuple[deque[Item], ...],
    work: Callable[[Item], Answer],
    done: SimpleQueue[Answer | _Ended],
) -> None:
    error: BaseException | None = None
    try:
        for queue in queues:
            while True:
                try:
                    item = queue.popleft()
                except IndexError:
                    break
                done.put(work(item))
    except BaseException as raised:  # noqa: BLE001  # it is raised where the answers are read
        error = raised
    finally:
        done.put(_Ended(error))
