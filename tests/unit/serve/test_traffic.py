"""Who is answered by which version, and work that nobody waits for."""

import threading
from collections import Counter
from collections.abc import Sequence

import pytest

from tesserec.serve.backlog import Backlog
from tesserec.serve.traffic import Traffic
from toys.serving import PATIENCE, until

USERS = [f"user-{n}" for n in range(20_000)]


def drawn(**weights: float) -> dict[str, str]:
    traffic = Traffic(weights)
    return {user: traffic.version(user) for user in USERS}


def test_versions_get_the_shares_of_their_weights() -> None:
    counts = Counter(drawn(a=7, b=2, c=1).values())
    for name, share in (("a", 0.7), ("b", 0.2), ("c", 0.1)):
        assert counts[name] / len(USERS) == pytest.approx(share, abs=0.015)


def test_a_user_stays_whatever_the_order_and_the_scale_of_weights() -> None:
    assert drawn(a=1, b=3) == drawn(b=300, a=100)
    # Fixed for ever: a new release must not send people elsewhere in the middle of a comparison.
    traffic = Traffic({"old": 1.0, "new": 1.0})
    assert "".join(traffic.version(f"u{n}")[0] for n in range(12)) == "ononnooooono"


def test_where_a_weight_grows_users_come_and_nobody_else_moves() -> None:
    before, after = drawn(a=4, b=5, c=1), drawn(a=4, b=5, c=3)
    moved = {(before[user], after[user]) for user in USERS if before[user] != after[user]}
    assert moved == {("a", "c"), ("b", "c")}


def test_another_version_draws_other_people() -> None:
    first, then = drawn(old=9, one=1), drawn(old=9, two=1)
    both = sum(first[user] == "one" and then[user] == "two" for user in USERS)
    assert both / len(USERS) < 0.05


class Gated:
    """Work that waits until it may go on, and how many jobs were dropped."""

    def __init__(self) -> None:
        self.open, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []
        self.dropped = 0

    def work(self, jobs: Sequence[int]) -> None:
        self.begun.set()
        assert self.open.wait(PATIENCE)
        self.batches.append(list(jobs))

    def drop(self, count: int) -> None:
        self.dropped += count


def test_a_backlog_works_in_batches_drops_what_has_no_room_and_ends_what_waits() -> None:
    gate = Gated()
    backlog = Backlog(gate.work, room=100, most=4, name="test", dropped=gate.drop)
    backlog.add(0, 50)
    assert gate.begun.wait(PATIENCE)
    for number in range(1, 15):
        backlog.add(number, 10)
    assert gate.dropped == 4
    backlog.add(99, 101)
    assert gate.dropped == 5
    gate.open.set()
    backlog.close(PATIENCE)
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
    backlog.add(100, 0)
    assert gate.dropped == 6


def test_what_comes_soon_after_the_first_job_is_done_with_it() -> None:
    gate = Gated()
    gate.open.set()
    backlog = Backlog(gate.work, 100, 100, "test", gate.drop, gather_seconds=0.2)
    for number in range(5):
        backlog.add(number, 1)
    until(lambda: bool(gate.batches))
    assert gate.batches == [[0, 1, 2, 3, 4]]
    backlog.close(PATIENCE)


def test_a_backlog_that_had_nothing_to_do_ends_at_once() -> None:
    gate = Gated()
    Backlog(gate.work, 1, 1, "test", gate.drop).close(PATIENCE)
    assert not gate.begun.is_set()
