"""Jobs that come together are done together, and each thread hears of its own."""

from collections.abc import Sequence
from threading import Event, Thread

import pytest

from tesserec.serve.store.together import Together


class Slow:
    """Notes what it was given; its first turn waits until it is let go."""

    def __init__(self) -> None:
        self.turns: list[list[int]] = []
        self.began, self.go = Event(), Event()

    def __call__(self, jobs: Sequence[int]) -> list[int]:
        self.turns.append(list(jobs))
        self.began.set()
        assert self.go.wait(10)
        if 130 in jobs:
            raise ValueError("thirteen")
        return [10 * job for job in jobs]


def started(together: Together[int, int], jobs: Sequence[int]) -> tuple[list[Thread], dict]:
    heard: dict[int, object] = {}

    def ask(job: int) -> None:
        try:
            heard[job] = together(job)
        except ValueError as error:
            heard[job] = error

    threads = [Thread(target=ask, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    return threads, heard


def waited(together: Together[int, int], count: int, threads: Sequence[Thread]) -> None:
    while len(together._waiting) < count:
        assert any(thread.is_alive() for thread in threads)


def test_what_comes_while_one_works_is_done_in_one_turn() -> None:
    slow = Slow()
    together: Together[int, int] = Together(slow)
    first, heard_first = started(together, [1])
    assert slow.began.wait(10)
    rest, heard = started(together, range(2, 30))
    waited(together, 28, rest)
    slow.go.set()
    for thread in [*first, *rest]:
        thread.join(10)
    assert heard_first == {1: 10}
    assert heard == {job: 10 * job for job in range(2, 30)}
    assert slow.turns[0] == [1]
    assert sorted(slow.turns[1]) == list(range(2, 30))


def test_all_of_a_turn_hear_of_its_failure_and_the_next_turn_works() -> None:
    slow = Slow()
    together: Together[int, int] = Together(slow)
    first, _ = started(together, [1])
    assert slow.began.wait(10)
    rest, heard = started(together, [120, 130])
    waited(together, 2, rest)
    slow.go.set()
    for thread in [*first, *rest]:
        thread.join(10)
    assert {str(one) for one in heard.values()} == {"thirteen"}
    assert together(14) == 140
    with pytest.raises(ValueError, match="thirteen"):
        together(130)
