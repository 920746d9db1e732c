"""Markov, VSKNN and RecentPopular against slow loops."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

import tesserec as tr
from tesserec.core import Answering, Dataset, Histories, Ragged, Requests, Run
from tesserec.core.errors import NoOrder
from tesserec.methods.sequential.markov import Markov
from tesserec.methods.sequential.recentpopular import RecentPopular
from tesserec.methods.sequential.vsknn import UNMET, VSKNN
from toys.worlds import random_world, world

DATA = random_world(seed=3, users=30, items=18, events=300, moments=100_000)
ORDERED = random_world(seed=4, users=30, items=18, events=300, moments=40)  # moments are shared
HISTORIES = [[0], [3, 5, 7], [17, 2, 9, 4, 2], [6, 6, 1, 1, 6, 8, 3, 11, 0, 14], []]
DAY = 24 * 60 * 60


def strangers(histories: list[list[int]]) -> Requests:
    return Requests(torch.full((len(histories),), -1), Histories(Ragged.of(histories)))


def all_scores(fitted: Answering, asked: Requests) -> np.ndarray:
    items = torch.arange(len(fitted.catalog.items)).expand(len(asked), -1)
    return fitted.score(asked, items).numpy()


def sums_of_contributions(fitted: Answering, asked: Requests, items: torch.Tensor) -> torch.Tensor:
    rows, _ = asked.history.items.places()
    added = fitted.network.contributions(asked, items)
    return torch.zeros(len(asked)).index_add(0, rows, added)


# Markov


def slow_markov(data: Dataset, method: Markov, last: int) -> np.ndarray:
    """P(j | i) = (weight + s share) / (out + s), added up pair by pair."""
    weight: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for history in data.histories.items.lists():
        for place, first in enumerate(history):
            for distance, after in enumerate(history[place + 1 :][: method.steps], 1):
                weight[first][after] += 1 / distance
    share = data.popularity.double().numpy() / len(data.interactions)
    if last < 0:
        return share
    out = sum(weight[last].values()) + method.smoothing
    scores = method.smoothing * share / out
    best = sorted(weight[last], key=lambda after: (-weight[last][after], after))
    for after in best[: method.successors]:
        scores[after] += weight[last][after] / out
    return scores


@pytest.mark.parametrize(
    "method",
    [
        Markov(),
        Markov(steps=4),
        Markov(successors=2),
        Markov(steps=1000, successors=None, smoothing=0.1),
    ],
)
@pytest.mark.parametrize("data", [DATA, ORDERED])
def test_markov_is_the_chance_of_what_came_next(method, data):
    scores = all_scores(method.fit(data, Run()), strangers(HISTORIES))
    for row, history in enumerate(HISTORIES):
        expected = slow_markov(data, method, history[-1] if history else -1)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5)


def test_the_chances_of_what_comes_next_add_up_to_one():
    scores = all_scores(Markov().fit(DATA, Run()), strangers([[item] for item in range(18)]))
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-5)


def test_popularity_orders_equals_and_never_overturns_a_transition():
    """After 0 came 1 twice and 2 and 3 once each; 3 and 4 are the most popular by far."""
    pairs = [(0, 1), (0, 1), (0, 2), (0, 3), *[(3, 4)] * 50]
    events = [
        (user, item, place) for user, two in enumerate(pairs) for place, item in enumerate(two)
    ]
    data = world(events, clock="order", items=range(6))
    fitted = Markov().fit(data, Run())
    assert fitted.recommend(strangers([[0]]), 6).items.tolist() == [[1, 3, 2, 4, 0, 5]]
    assert fitted.recommend(strangers([[5]]), 6).items.tolist() == [[3, 4, 0, 1, 2, 5]]
    assert fitted.recommend(strangers([[]]), 6).items.tolist() == [[3, 4, 0, 1, 2, 5]]


def test_transitions_do_not_cross_from_one_person_to_the_next():
    events = [(0, 0, 0), (0, 1, 1), (1, 2, 0), (1, 3, 1)]
    data = world(events, clock="order")
    network = Markov(steps=3).fit(data, Run()).network
    assert network.after.tolist() == [1, 3]
    assert network.ends.tolist() == [1, 1, 2, 2]


def test_the_reason_of_markov_is_the_last_event():
    fitted = Markov(steps=2).fit(DATA, Run())
    asked = strangers(HISTORIES[:4])
    best = fitted.recommend(asked, 1).items[:, 0]
    added = fitted.network.contributions(asked, best)
    last = asked.history.items.lengths.cumsum(0) - 1
    assert added.nonzero()[:, 0].tolist() == last.tolist()
    items = torch.tensor([history[-1] for history in HISTORIES[:4]])
    fallback = fitted.network.back[items] * fitted.network.share[best]
    score = fitted.score(asked, best[:, None])[:, 0]
    torch.testing.assert_close(added[last] + fallback, score)


# VSKNN


def slow_vsknn(
    data: Dataset, method: VSKNN, history: list[int], asker: int = -1
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of all items, and what each event of the history adds to each item."""
    sessions = [set(row) for row in data.histories.items.lists()]
    time = data.histories.time.tolist()
    ends = data.histories.items.ends.tolist()
    seconds = data.interactions.clock == "seconds"
    latest = {s: (time[ends[s] - 1] if seconds else 0, s) for s in range(len(sessions))}
    rarity = Counter(item for session in sessions for item in session)
    people = sum(1 for session in sessions if session)
    dropped = max(0, len(history) - method.length)
    shown = history[dropped:]
    weight = {item: ((p + 1) / len(shown)) ** method.decay for p, item in enumerate(shown)}
    candidates = [s for s, one in enumerate(sessions) if one & set(shown) and s != asker]
    sampled = sorted(candidates, key=lambda s: latest[s], reverse=True)[: method.sample]
    similar = {s: sum(weight[item] for item in sorted(sessions[s] & set(shown))) for s in sampled}
    near = sorted(sampled, key=lambda s: round(similar[s], 9), reverse=True)[: method.neighbours]
    popularity = data.popularity.numpy()
    scores = UNMET * popularity / popularity.max()
    parts = np.zeros((len(history), len(popularity)))
    for s in near:
        step = next(n for n, item in enumerate(reversed(shown), 1) if item in sessions[s])
        for item in sessions[s]:
            factor = 1 + method.idf * math.log(people / rarity[item])
            scores[item] += similar[s] * step**-method.match_decay * factor
            for shared in sessions[s] & set(shown):
                place = dropped + max(p for p, one in enumerate(shown) if one == shared)
                parts[place, item] += weight[shared] * step**-method.match_decay * factor
    return scores, parts


VSKNNS = [
    VSKNN(),
    VSKNN(neighbours=5),
    VSKNN(neighbours=4, sample=7),
    VSKNN(neighbours=5, decay=0, match_decay=0),
    VSKNN(neighbours=6, decay=2, match_decay=0.5, idf=3.0),
    VSKNN(neighbours=6, length=3),
    VSKNN(neighbours=6, length=10**9),
]


@pytest.mark.parametrize("method", VSKNNS)
@pytest.mark.parametrize("data", [DATA, ORDERED])
def test_vsknn_adds_up_what_similar_sessions_hold(method, data, threads):
    fitted = method.fit(data, Run())
    scores = all_scores(fitted, strangers(HISTORIES))
    for row, history in enumerate(HISTORIES):
        expected, _ = slow_vsknn(data, method, history)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5)


@pytest.mark.parametrize("method", VSKNNS)
def test_reasons_of_vsknn_are_the_parts_of_its_similarities(method, threads):
    fitted = method.fit(DATA, Run())
    asked = strangers(HISTORIES)
    best = fitted.recommend(asked, 1).items[:, 0]
    added = fitted.network.contributions(asked, best).numpy()
    expected = [
        slow_vsknn(DATA, method, history)[1][:, item]
        for history, item in zip(HISTORIES, best.tolist(), strict=True)
    ]
    np.testing.assert_allclose(added, np.concatenate(expected), rtol=1e-5)
    summed = sums_of_contributions(fitted, asked, best)
    score = fitted.score(asked, best[:, None])[:, 0]
    torch.testing.assert_close(summed, score, rtol=1e-5, atol=2 * UNMET)


def test_nobody_is_their_own_neighbour():
    users = torch.tensor([4, 0, 29])
    asked = Requests(users, DATA.histories[users])
    scores = all_scores(VSKNN(neighbours=5).fit(DATA, Run()), asked)
    for row, user in enumerate(users.tolist()):
        history = DATA.histories.items.row(user).tolist()
        expected, _ = slow_vsknn(DATA, VSKNN(neighbours=5), history, asker=user)
        np.testing.assert_allclose(scores[row], expected, rtol=1e-5)


def test_the_latest_sessions_are_compared():
    """Users 0, 1 and 2 chose item 0 and then one of their own; user 1 did so last."""
    events = [(0, 0, 100), (0, 1, 200), (1, 0, 800), (1, 2, 900), (2, 0, 300), (2, 3, 400)]
    data = world(events, clock="seconds")
    assert data.interactions.clock == "seconds"

    def met(sample: int) -> list[int]:
        found = all_scores(VSKNN(sample=sample).fit(data, Run()), strangers([[0]]))
        return (found[0] >= 1).nonzero()[0].tolist()

    assert met(1) == [0, 2]
    assert met(2) == [0, 2, 3]
    assert met(3) == [0, 1, 2, 3]


def test_equally_similar_sessions_are_taken_from_the_latest_back():
    events = [(0, 0, 100), (0, 1, 200), (1, 0, 800), (1, 2, 900), (2, 0, 300), (2, 3, 400)]
    fitted = VSKNN(neighbours=2).fit(world(events, clock="seconds"), Run())
    found = all_scores(fitted, strangers([[0]]))
    assert (found[0] >= 1).nonzero()[0].tolist() == [0, 2, 3]


def test_vsknn_neighbours_of_an_item_are_what_sessions_hold_beside_it():
    fitted = VSKNN().fit(DATA, Run())
    found = fitted.similar(torch.tensor([4, 11]), 3)
    for row, item in enumerate((4, 11)):
        scores, _ = slow_vsknn(DATA, VSKNN(), [item])
        best = np.sort(np.delete(scores, item))[::-1][:3]
        assert item not in found.items[row].tolist()
        np.testing.assert_allclose(scores[found.items[row]], best, rtol=1e-5)
        np.testing.assert_allclose(found.scores[row], best, rtol=1e-5)


def test_a_saved_model_of_sessions_says_that_it_holds_them(tmp_path: Path):
    fitted = VSKNN().fit(DATA, Run())
    card = (tr.save(fitted, tmp_path / "sessions") / "README.md").read_text()
    assert "holds what people did" in card
    assert "without the data" not in card
    other = (tr.save(Markov().fit(DATA, Run()), tmp_path / "chain") / "README.md").read_text()
    assert "without the data" in other
    assert "holds what people did" not in other


# RecentPopular

EVENTS = [(0, 0, 0), (1, 0, DAY), (0, 1, 8 * DAY), (1, 2, 9 * DAY), (2, 2, 10 * DAY), (3, 3, 1)]


def slow_recent(data: Dataset, weight) -> np.ndarray:
    """Each event's weight by its age in days, and all events as a tie-breaker below one."""
    counts = data.popularity.double().numpy() / (len(data.interactions) + 1)
    latest = data.interactions.frame["time"].max()
    for item, time in data.interactions.frame.select("item", "time").rows():
        counts[item] += weight((latest - time) / DAY)
    return counts


@pytest.mark.parametrize("days", [1.0, 2.0, 7.0, 100.0])
def test_recent_popularity_counts_the_last_days(days):
    data = world(EVENTS, clock="seconds", items=range(5))
    found = RecentPopular(days=days).fit(data, Run()).network.events
    expected = slow_recent(data, lambda age: float(age <= days))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_events_fade_by_half_in_a_half_life():
    data = world(EVENTS, clock="seconds", items=range(5))
    found = RecentPopular(half_life_days=2.0).fit(data, Run()).network.events
    expected = slow_recent(data, lambda age: 0.5 ** (age / 2))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


def test_what_is_not_met_lately_is_ordered_by_all_events_and_stays_behind():
    data = world(EVENTS, clock="seconds", items=range(5))
    fitted = RecentPopular(days=1).fit(data, Run())
    assert fitted.recommend(strangers([[], [3]]), 5).items.tolist() == [[2, 0, 1, 3, 4]] * 2


def test_without_times_each_users_last_events_are_counted():
    events = [
        (user, item, place) for user in range(3) for place, item in enumerate([0, 0, 0, user])
    ]
    data = world([*events, (3, 4, 0)], clock="order", items=range(5))
    found = RecentPopular(events_per_user=2).fit(data, Run()).network.events
    ever = data.popularity / (len(data.interactions) + 1)
    expected = torch.tensor([4.0, 1.0, 1.0, 0.0, 1.0]) + ever  # user 0 chose item 0 once more
    torch.testing.assert_close(found, expected)


def test_a_half_life_is_refused_where_no_time_is_known():
    data = world([(0, 0, 0), (0, 1, 1)], clock="order")
    with pytest.raises(NoOrder, match="half_life_days"):
        RecentPopular(half_life_days=1.0).fit(data, Run())


@pytest.mark.parametrize("method", [Markov(), Markov(steps=9), VSKNN(), RecentPopular()])
def test_one_event_is_enough(method):
    data = world([(0, 0, 0)], clock="order", items=range(3))
    answers = method.fit(data, Run()).recommend(strangers([[0], [2], []]), 4)
    assert answers.items[:, :3].sort(1).values.tolist() == [[0, 1, 2]] * 3
    assert answers.scores[:, :3].isfinite().all()
