"""Work side by side: everything once, in any order, and the first error ends it."""

from __future__ import annotations

from collections import deque
from threading import Event, get_ident

import pytest

from spm_store.lanes import side_by_side


@pytest.mark.parametrize("jobs", [1, 2, 8])
@pytest.mark.parametrize(("small", "large"), [(100, 7), (0, 7), (100, 0), (1, 0), (0, 0)])
def test_every_item_is_worked_on_once(jobs: int, small: int, large: int) -> None:
    answers = side_by_side(
        deque(range(small)), deque(range(1000, 1000 + large)), lambda item: item, jobs
    )

    assert sorted(answers) == [*range(small), *range(1000, 1000 + large)]


def test_large_items_run_beside_small_ones() -> None:
    """Each waits for the other: on one thread neither would come to an end."""
    small, large = Event(), Event()

    def work(item: str) -> int:
        if item == "small":
            small.set()
            assert large.wait(timeout=30)
        elif item == "large":
            large.set()
            assert small.wait(timeout=30)
        return get_ident()

    samples = ["sample"] * 32
    threads = set(side_by_side(deque([*samples, "small"]), deque(["large"]), work, 2))

    assert len(threads) == 3  # the caller's took the samples


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_where_the_answers_are_read_and_ends_the_work(jobs: int) -> None:
    done: list[int] = []

    def work(item: int) -> int:
        if item == 50:
            raise ValueError("item 50")
        done.append(item)
        return item

    with pytest.raises(ValueError, match="item 50"):
        list(side_by_side(deque(range(10_000)), deque[int](), work, jobs))

    assert len(done) < 10_000


def test_who_stops_listening_stops_the_work() -> None:
    queue = deque(range(10_000))
    answers = side_by_side(queue, deque([-1] * 10_000), lambda item: item, 2)
    next(answers)

    for _ in range(100):
        next(answers)
    answers.close()  # type: ignore[attr-defined]  # it is a generator

    assert not queue
