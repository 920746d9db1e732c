"""What goes with a forgotten event is what each strategy says, session by session."""

import pytest
import torch

from tesserec.core import Ragged
from tesserec.lifecycle.forgetting import CED, NED, RED, Extra
from tesserec.lifecycle.forgetting.extra import taken_out
from toys.worlds import world

SESSIONS = Ragged.of([[0, 1, 2, 3, 4], [4, 3], [2, 0, 1, 5]])
PLACE = torch.tensor([3, 0, 2])  # the 3 of the first, the 4 of the second, the 1 of the third
VECTORS = torch.tensor([[1.0, 0.1], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.1, 9.0]])


def gone(extra: Extra, seed: int = 0) -> list[list[int]]:
    """The items that go, of each session."""
    generator = torch.Generator().manual_seed(seed)
    mask = extra.chosen(SESSIONS, PLACE, VECTORS, generator)
    row, item = SESSIONS.pairs()
    return [item[mask & (row == session)].tolist() for session in range(len(SESSIONS))]


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (0, [[], [], []]),
        (1, [[2], [], [0]]),
        (2, [[1, 2], [], [2, 0]]),
        (9, [[0, 1, 2], [], [2, 0]]),
    ],
)
def test_ned_takes_those_just_before(count: int, wanted: list[list[int]]) -> None:
    assert gone(NED(count=count)) == wanted


def slowly_alike(session: list[int], place: int, count: int) -> list[int]:
    """By cosine, whatever its sign, the largest first; in the order of the session."""
    unit = VECTORS / VECTORS.norm(dim=1, keepdim=True)
    size = {
        at: abs(float(unit[item] @ unit[session[place]]))
        for at, item in enumerate(session)
        if at != place
    }
    best = sorted(size, key=lambda at: -size[at])[:count]
    return [session[at] for at in sorted(best)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_ced_takes_the_most_alike_whatever_the_sign(count: int) -> None:
    wanted = [
        slowly_alike(session, place, count)
        for session, place in zip(SESSIONS.lists(), PLACE.tolist(), strict=True)
    ]
    assert gone(CED(count=count)) == wanted
    assert gone(CED(count=1))[0] == [2]  # opposite to 3, and so as like it as can be


def test_red_takes_so_many_of_all_but_the_target() -> None:
    seen = set()
    for seed in range(40):
        first, second, third = gone(RED(count=2), seed)
        assert (len(first), second, len(third)) == (2, [3], 2)
        assert 3 not in first
        assert 1 not in third
        seen |= set(first)
    assert seen == {0, 1, 2, 4}
    assert gone(RED(count=2), 7) == gone(RED(count=2), 7)


def test_the_events_of_some_people_are_taken_out_and_all_others_stay() -> None:
    """Times of different people are mixed, so that rows of events are not those of histories."""
    events = [
        (f"u{user}", f"i{(user + step) % 6}", 10 * step - user)
        for user in range(3)
        for step in range(4)
    ]
    data = world(events)
    keep, drop = taken_out(
        data,
        torch.tensor([2, 0]),
        torch.tensor([3, 1]),
        NED(count=2),
        VECTORS,
        torch.Generator().manual_seed(0),
    )
    assert drop.histories.items.lists() == [[0, 1], [], [3, 4, 5]]
    assert keep.histories.items.lists() == [[2, 3], [1, 2, 3, 4], [2]]
    assert keep.catalog is data.catalog
