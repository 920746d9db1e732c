"""The settings of a cold start are what a slow reading of the protocol says."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tesserec.core import Split
from tesserec.core.errors import BadData
from tesserec.data.splits import ColdStart
from tesserec.evaluation import find_leaks
from toys.worlds import worlds

splitters = st.builds(
    ColdStart,
    valid=st.sampled_from([0.0, 0.2]),
    test=st.sampled_from([0.3, 0.6]),
    seen=st.sampled_from(["exclude", "allow"]),
    contexts=st.sampled_from([((1, 1), (2, 2), (3, 5)), ((1, 2),), ((2, 9), (1, 1))]),
)

Row = tuple[int, list[int], int]  # user, history, item


def split_of(splitter: ColdStart, data) -> Split:
    try:
        return splitter.split(data)
    except BadData:
        assume(False)
        raise


def slow(splitter: ColdStart, data) -> tuple[dict[str, list[Row]], dict[str, int]]:
    """Rows by setting, and how many events were in none, one event after the other."""
    parts = splitter.parts(data).of_event.tolist()
    rows = data.interactions.frame.select("user", "item", "time").rows()
    events = [(*row, part) for row, part in zip(rows, parts, strict=True)]
    found: dict[str, list[Row]] = {}
    unasked = {"both": 0, "between": 0, "nothing": 0, "length": 0}
    for user, item, time, part in sorted(events, key=lambda event: event[0]):
        history = [e[1] for e in events if e[0] == user and e[2] < time]
        if part != 2 or (splitter.seen == "exclude" and item in history):
            continue
        of_user = {e[3] for e in events if e[0] == user}
        of_item = {e[3] for e in events if e[1] == item}
        row = (user, history, item)
        if 0 in of_user and 0 in of_item:
            found.setdefault("warm", []).append(row)
        elif 0 in of_user and of_item == {2}:
            found.setdefault("item_cold", []).append(row)
            found.setdefault("among_cold", []).append(row)
        elif of_user == {2} and of_item == {2}:
            unasked["both"] += 1
        elif of_user == {2} and 0 in of_item:
            names = [
                f"user_cold_{first}-{last}" if first < last else f"user_cold_{first}"
                for first, last in splitter.contexts
                if first <= len(history) <= last
            ]
            for name in ["user_cold", *names] if names else []:
                found.setdefault(name, []).append(row)
            unasked["nothing"] += not history
            unasked["length"] += bool(history) and not names
        else:
            unasked["between"] += 1
    return found, unasked


def rows_of(holdout) -> list[Row]:
    requests = holdout.requests
    histories, truth = requests.history.items.lists(), holdout.truth.lists()
    rows = zip(requests.user.tolist(), histories, truth, strict=True)
    return [(user, history, item) for user, history, (item,) in rows]


@given(worlds(least=6), splitters)
def test_settings_are_those_of_a_slow_reading(data, splitter):
    split = split_of(splitter, data)
    found, unasked = slow(splitter, data)
    assert {name: rows_of(one) for name, one in split.settings.items()} == found
    assert split.test is split.settings["warm"]
    assert list(split.test.left_out.values())[-4:] == list(unasked.values())


@given(worlds(least=6), splitters)
def test_nothing_new_is_learned_from_and_no_context_reaches_its_target(data, splitter):
    split = split_of(splitter, data)
    learned_users = set(split.train.interactions.users.tolist())
    learned_items = set(split.train.interactions.items.tolist())
    for name, holdout in split.settings.items():
        requests = holdout.requests
        rows, places = requests.history.items.places()
        assert (requests.history.time[places] < requests.time[rows]).all()
        users, items = set(requests.user.tolist()), set(holdout.truth.values.tolist())
        assert users.isdisjoint(learned_users) == name.startswith("user_cold")
        assert items.isdisjoint(learned_items) == (name in ("item_cold", "among_cold"))
    assert find_leaks(split) == []


@given(worlds(least=6), splitters)
def test_validation_is_warm(data, splitter):
    split = split_of(splitter, data)
    if split.valid is None:  # too often for an assumption
        return
    train = split.train.interactions
    assert set(split.valid.requests.user.tolist()) <= set(train.users.tolist())
    assert set(split.valid.truth.values.tolist()) <= set(train.items.tolist())


@given(worlds(least=6), splitters)
def test_among_cold_ranks_what_first_appears_after_the_cutoff(data, splitter):
    split = split_of(splitter, data)
    if "among_cold" not in split.settings:  # too often for an assumption
        return
    allowed = split.settings["among_cold"].requests.allowed
    parts = splitter.parts(data).of_event
    items = data.interactions.items
    for item in range(len(data.catalog.items)):
        assert bool(allowed[item]) == (set(parts[items == item].tolist()) == {2})
    assert split.settings["item_cold"].requests.allowed is None


@pytest.mark.parametrize("row", range(3))
def test_each_setting_counts_its_own_openings(row):
    from tesserec.data import toys

    split = ColdStart(published=True).split(toys.newcomers())
    list(split.settings.values())[row].seal.opened += 1
    assert [one.seal.opened for one in split.settings.values()].count(1) == 1
