"""Promise 17: splits never leak, whatever the data look like."""

from itertools import pairwise

import polars as pl
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from tesserec.core import Dataset, Holdout, Split
from tesserec.core.errors import BadData
from tesserec.data.build import from_tables
from tesserec.data.splits import (
    ByItem,
    BySession,
    ByTime,
    ByUser,
    LeaveLast,
    Published,
    Splitter,
)
from tesserec.data.splits.holdouts import Asking, hold_out
from toys.worlds import world, worlds

ASKED = ("user", "event", "last")
SEEN = ("exclude", "exclude_train", "allow")
shares = st.sampled_from([0.1, 0.25, 0.4])
protocols = {
    "requests": st.sampled_from(ASKED),
    "seen": st.sampled_from(SEEN),
    "shortest": st.integers(0, 2),
}
within = protocols | {
    "requests": st.sampled_from(["event", "last"]),
    "seen": st.sampled_from(["exclude", "allow"]),
}
by_time = st.builds(ByTime, valid=shares | st.just(0.0), test=shares, **protocols)
by_last = st.builds(LeaveLast, valid=st.integers(0, 2), test=st.integers(1, 2), **protocols)
by_user = st.builds(ByUser, valid=shares, test=shares, seed=st.integers(0, 3), **protocols)
by_item = st.builds(ByItem, valid=shares, test=shares, seed=st.integers(0, 3), **protocols)
by_session = st.builds(BySession, valid=shares, test=shares, seed=st.integers(0, 3), **within)
published = st.builds(
    Published, valid=shares, sessions=st.booleans(), seed=st.integers(0, 3), **protocols
)
everyone = by_time | by_last | by_user | by_item | by_session | published

Events = list[tuple[int, ...]]


@st.composite
def published_worlds(draw: st.DrawFn) -> Dataset:
    data = draw(worlds(least=2))
    parts = st.sampled_from(["train", "train", "train", "valid", "test", "other"])
    names = draw(st.lists(parts, min_size=len(data.interactions), max_size=len(data.interactions)))
    frame = data.interactions.frame.with_columns(split=pl.Series(names, dtype=pl.String))
    items = pl.DataFrame({"id": data.catalog.items.ids})
    users = data.catalog.users.ids.gather(frame["user"])
    return from_tables(frame.with_columns(user=users), items)


def split_of(splitter: Splitter, data: Dataset) -> Split:
    """The split, or nothing to see where there is nothing to learn from or to ask."""
    try:
        return splitter.split(data)
    except BadData:
        assume(False)
        raise


def holdouts(split: Split) -> list[tuple[int, Holdout]]:
    return [(1, split.valid), (2, split.test)] if split.valid is not None else [(2, split.test)]


def events_of(data: Dataset) -> Events:
    return data.interactions.frame.select("user", "item", "time").rows()


Row = tuple[int, list[int], list[int], list[int] | None]  # user, history, truth, excluded


def rows_of(holdout: Holdout) -> list[Row]:
    requests = holdout.requests
    excluded = None if requests.exclude is None else requests.exclude.lists()
    return [
        (user, history, truth, None if excluded is None else excluded[index])
        for index, (user, history, truth) in enumerate(
            zip(
                requests.user.tolist(),
                requests.history.items.lists(),
                holdout.truth.lists(),
                strict=True,
            )
        )
    ]


def slow_hold_out(
    events: Events, parts: list[int], part: int, asking: Asking
) -> tuple[list[Row], list[int]]:
    """What `hold_out` says, user by user: its rows, and how much it left out for which reason."""
    asked, seen = asking.requests, asking.seen

    def is_shown(other: int) -> bool:
        if seen == "exclude_train":
            return other == 0
        return other < part if asked == "user" else other <= part

    rows: list[Row] = []
    too_short = items_left_out = requests_left_out = 0
    for user in sorted({event[0] for event in events}):
        own = [(*event, p) for event, p in zip(events, parts, strict=True) if event[0] == user]
        targets = [event for event in own if event[3] == part]
        shown = [event for event in own if is_shown(event[3])]
        if asked == "user":
            truth = sorted({event[1] for event in targets})
            questions = [([event[1] for event in shown], truth)] if truth else []
        else:
            questions = [
                ([event[1] for event in shown if event[2] < target[2]], [target[1]])
                for target in (targets[-1:] if asked == "last" else targets)
            ]
        for history, truth in questions:
            if len(history) < asking.shortest:
                too_short += 1
                continue
            kept = [item for item in truth if seen == "allow" or item not in history]
            items_left_out += len(truth) - len(kept)
            requests_left_out += not kept
            if kept:
                rows.append((user, history, kept, None if seen == "allow" else history))
    short = [too_short] if asking.shortest else []
    return rows, short + ([] if seen == "allow" else [items_left_out, requests_left_out])


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("asked", ASKED)
@given(data=worlds(), draw=st.data(), shortest=st.integers(0, 3))
def test_holding_out_says_what_a_slow_reference_says(asked, seen, data, draw, shortest):
    asking = Asking(asked, seen, shortest)
    events = events_of(data)
    numbers = st.lists(st.integers(0, 3), min_size=len(events), max_size=len(events))
    parts, part = draw.draw(numbers), draw.draw(st.sampled_from([1, 2]))
    assume(part in parts)
    train = data.interactions.keep(pl.Series(parts) == 0)
    found = hold_out(
        data,
        Dataset(data.catalog, train),
        torch.tensor(parts, dtype=torch.int8),
        part,
        asking,
    )
    rows, left_out = slow_hold_out(events, parts, part, asking)
    assert rows_of(found) == rows
    assert list(found.left_out.values()) == left_out
    assert found.popularity is not None
    assert found.popularity.tolist() == [
        sum(event[1] == item and p == 0 for event, p in zip(events, parts, strict=True))
        for item in range(len(data.catalog.items))
    ]
    assert (found.asked, found.seen) == (asked, seen)


@given(worlds(least=2), by_time)
def test_by_time_the_future_is_strictly_later(data, splitter):
    split = split_of(splitter, data)
    parts, times = splitter.parts(data).of_event, data.interactions.column("time")
    groups = [times[parts == part] for part in (0, 1, 2) if (parts == part).any()]
    for earlier, later in pairwise(groups):
        assert earlier.max() < later.min()
    assert len(split.train.interactions) == int((parts == 0).sum())
    for part, holdout in holdouts(split):
        history = holdout.requests.history
        _, places = history.items.places()
        assert (history.time[places] < times[parts == part].max()).all()
        if splitter.requests == "user":
            assert (history.time[places] < times[parts == part].min()).all()


@given(
    worlds(least=2),
    by_time | by_last | by_user | by_item | by_session,
    st.sampled_from(["event", "last"]),
)
def test_an_event_request_shows_only_what_its_user_did_strictly_before(data, splitter, asked):
    split = split_of(splitter.changed({"requests": asked}), data)
    for _, holdout in holdouts(split):
        requests = holdout.requests
        rows, places = requests.history.items.places()
        assert (requests.history.time[places] < requests.time[rows]).all()


@given(worlds(least=2) | published_worlds(), everyone)
def test_nothing_to_find_is_in_the_history_unless_that_is_allowed(data, splitter):
    assume(not isinstance(splitter, Published) or "split" in data.interactions.frame.columns)
    split = split_of(splitter, data)
    for _, holdout in holdouts(split):
        for _, history, truth, excluded in rows_of(holdout):
            assert truth
            if splitter.seen == "allow":
                assert excluded is None
            else:
                assert not set(truth) & set(history)
                assert excluded == history


@given(worlds(least=2) | published_worlds(), everyone)
def test_every_event_is_in_one_part_and_training_holds_its_own_alone(data, splitter):
    assume(not isinstance(splitter, Published) or "split" in data.interactions.frame.columns)
    split = split_of(splitter, data)
    parts = splitter.parts(data).of_event.tolist()
    assert len(parts) == len(data.interactions)
    assert set(parts) <= {0, 1, 2, 3}
    events = events_of(data)
    expected = [event for event, part in zip(events, parts, strict=True) if part == 0]
    assert events_of(split.train) == expected
    assert "split" not in split.train.interactions.frame.columns


@given(worlds(least=2) | published_worlds(), everyone)
def test_nobody_is_asked_who_did_less_than_was_wanted(data, splitter):
    assume(not isinstance(splitter, Published) or "split" in data.interactions.frame.columns)
    split = split_of(splitter, data)
    for _, holdout in holdouts(split):
        assert (holdout.requests.history.items.lengths >= splitter.shortest).all()
        if splitter.requests == "last":
            assert (holdout.requests.user.diff() > 0).all()
            assert (holdout.truth.lengths == 1).all()


@given(worlds(least=4) | worlds(clock="order", least=4), by_session)
def test_by_session_a_session_is_in_one_part_and_later_parts_end_later(data, splitter):
    users = data.interactions.users
    parts = splitter.parts(data).of_event
    of_user = {user: set(parts[users == user].tolist()) for user in set(users.tolist())}
    assert all(len(own) == 1 for own in of_user.values())
    counts = [sum(own == {part} for own in of_user.values()) for part in (0, 1, 2)]
    assert counts[2] == round(len(of_user) * splitter.test)
    assert counts[0] == len(of_user) - round(len(of_user) * (splitter.test + splitter.valid))
    times = data.interactions.column("time")
    place = {
        user: int(times[users == user].max()) if data.interactions.clock == "seconds" else user
        for user in of_user
    }
    for earlier, later in pairwise((0, 1, 2)):
        before = [place[user] for user, own in of_user.items() if own == {earlier}]
        after = [place[user] for user, own in of_user.items() if own == {later}]
        assert not before or not after or max(before) <= min(after)


@given(published_worlds(), published)
def test_sessions_are_held_out_whole_from_the_published_training_part(data, splitter):
    names = data.interactions.frame["split"]
    assume("valid" not in names and "train" in names)
    parts = splitter.changed({"sessions": True}).parts(data).of_event
    users, times = data.interactions.users, data.interactions.column("time")
    training = torch.tensor((names == "train").to_list())
    sessions = users[training].unique().tolist()
    ends = {user: int(times[training & (users == user)].max()) for user in sessions}
    held = [u for u in sessions if (parts[training & (users == u)] == 1).all()]
    kept = [u for u in sessions if (parts[training & (users == u)] == 0).all()]
    assert sorted(held + kept) == sessions
    assert len(held) == round(len(sessions) * splitter.valid)
    assert not held or not kept or max(ends[u] for u in kept) <= min(ends[u] for u in held)
    assert ((parts == 1) <= training).all()


@given(worlds(least=2) | published_worlds(), everyone)
def test_exclude_train_shows_training_events_alone(data, splitter):
    assume(not isinstance(splitter, Published) or "split" in data.interactions.frame.columns)
    assume(not isinstance(splitter, BySession))  # it refuses: nothing would be shown
    splitter = splitter.changed({"seen": "exclude_train"})
    split = split_of(splitter, data)
    learned = set(events_of(split.train))
    for _, holdout in holdouts(split):
        history = holdout.requests.history
        rows, places = history.items.places()
        shown = zip(
            holdout.requests.user[rows].tolist(),
            history.items.values[places].tolist(),
            history.time[places].tolist(),
            strict=True,
        )
        assert set(shown) <= learned


@given(worlds(least=2), by_last)
def test_leave_last_takes_each_users_last_events_and_keeps_one_to_learn_from(data, splitter):
    parts = splitter.parts(data).of_event.tolist()
    held = splitter.valid + splitter.test
    few = 0
    for user in range(len(data.catalog.users)):
        own = [p for (u, *_), p in zip(events_of(data), parts, strict=True) if u == user]
        if len(own) > held:
            learned = [0] * (len(own) - held)
            assert own == learned + [1] * splitter.valid + [2] * splitter.test
        else:
            few += 1
            assert own == [0] * len(own)
    assert splitter.parts(data).notes == (
        (f"{few} users with at most {held} events are only learned from.",) if few else ()
    )


@given(worlds(least=2), by_user)
def test_by_user_holds_out_the_same_share_of_everybody(data, splitter):
    parts = splitter.parts(data).of_event.tolist()
    for user in range(len(data.catalog.users)):
        own = [p for (u, *_), p in zip(events_of(data), parts, strict=True) if u == user]
        assert abs(own.count(2) - len(own) * splitter.test) <= 0.5
        assert abs(own.count(1) - len(own) * splitter.valid) <= 0.5


@given(worlds(least=5), by_user | by_item, st.randoms())
def test_a_seeded_split_is_the_same_whatever_the_order_of_rows(data, splitter, random):
    frame = data.interactions.frame
    order = list(range(frame.height))
    random.shuffle(order)
    ids = {"user": data.catalog.users.ids.gather(frame["user"])}
    shuffled = from_tables(
        frame.with_columns(**ids)[order], pl.DataFrame({"id": data.catalog.items.ids})
    )
    assert splitter.parts(shuffled).of_event.tolist() == splitter.parts(data).of_event.tolist()


def test_other_seeds_draw_other_events():
    data = world([(user, item, item) for user in range(5) for item in range(20)])
    for kind in (ByUser, ByItem):
        drawn = {tuple(kind(seed=seed).parts(data).of_event.tolist()) for seed in range(4)}
        assert len(drawn) == 4


@given(worlds(least=4), by_item)
def test_by_item_no_event_of_a_held_out_item_is_learned_from(data, splitter):
    split = split_of(splitter, data)
    learned = set(split.train.interactions.items.tolist())
    parts = splitter.parts(data).of_event
    items = data.interactions.items
    held = [set(items[parts == part].tolist()) for part in (1, 2)]
    assert not learned & held[0]
    assert not learned & held[1]
    assert not held[0] & held[1]
    met = int((data.popularity > 0).sum())
    assert len(held[1]) == round(met * splitter.test)
    for _, truth in zip(*split.test.truth.pairs(), strict=True):
        assert int(truth) in held[1]


@given(published_worlds(), published)
def test_published_parts_are_kept_as_they_are(data, splitter):
    names = data.interactions.frame["split"].to_list()
    parts = splitter.parts(data)
    codes = {"train": 0, "valid": 1, "test": 2, "other": 3}
    if "valid" in names:
        assert parts.of_event.tolist() == [codes[name] for name in names]
    for name, part in zip(names, parts.of_event.tolist(), strict=True):
        assert part == codes[name] or (name == "train" and part == 1 and "valid" not in names)
    assert any("'other'" in note for note in parts.notes) == ("other" in names)
    assert any("No validation" in note for note in parts.notes) == ("valid" not in names)
