import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given

import tesserec as tr
from tesserec.core import Dataset
from tesserec.core.errors import BadData, NoOrder, UnknownId
from tesserec.data.build import from_tables
from tesserec.data.transforms import without
from toys.worlds import world, worlds


def happened(data: Dataset, *columns: str) -> list[tuple]:
    """The events by their raw ids."""
    frame, catalog = data.interactions.frame, data.catalog
    users = catalog.users.ids.gather(frame["user"]).to_list()
    items = catalog.items.ids.gather(frame["item"]).to_list()
    return list(zip(users, items, *(frame[name].to_list() for name in columns), strict=True))


def rich() -> Dataset:
    """Three users, three items; each item's vector is ten times its place; links of all sorts."""
    events = [("ann", "a"), ("ann", "b"), ("bob", "a"), ("bob", "b"), ("cyd", "c")]
    frame = pl.DataFrame(events, schema=["user", "item"], orient="row")
    items = pl.DataFrame({"id": ["a", "b", "c", "cold"], "title": ["A", "B", "C", "Cold"]})
    users = pl.DataFrame({"id": ["ann", "bob", "cyd"], "age": [1, 2, 3]})
    like = pl.DataFrame({"head": ["a", "c"], "tail": ["b", "a"], "weight": [0.5, 0.6]})
    trust = pl.DataFrame({"head": ["ann", "cyd"], "tail": ["bob", "ann"]})
    tagged = pl.DataFrame({"head": ["b", "c"], "tail": [7, 8]})
    return from_tables(
        frame,
        items,
        users,
        vectors={"image": torch.arange(4.0)[:, None] * 10},
        relations={
            "like": ("items", "items", like),
            "trust": ("users", "users", trust),
            "tagged": ("items", "tags", tagged),
        },
        others={"tags": pl.DataFrame({"id": [7, 8]})},
    )


def test_a_core_keeps_ids_features_vectors_and_links_of_those_who_stay():
    core = tr.k_core(rich(), users=2, items=2)
    catalog = core.catalog
    assert happened(core) == [("ann", "a"), ("ann", "b"), ("bob", "a"), ("bob", "b")]
    assert catalog.users.ids.to_list() == ["ann", "bob"]
    assert catalog.users.features["age"].to_list() == [1, 2]
    assert catalog.items.ids.to_list() == ["a", "b"]
    assert catalog.items.features["title"].to_list() == ["A", "B"]
    assert catalog.items.vectors["image"].tolist() == [[0], [10]]
    links = {name: one.frame.rows() for name, one in catalog.relations.items()}
    assert links == {"like": [(0, 1, 0.5)], "trust": [(0, 1)], "tagged": [(1, 0)]}


def test_a_core_is_peeled_until_nothing_changes():
    chain = [("a", 1), ("a", 2), ("b", 2), ("b", 3), ("c", 3), ("c", 4), ("d", 4)]
    with pytest.raises(BadData, match="No user has 2 events"):
        tr.k_core(world(chain), users=2, items=2)


def slow_core(events: list[tuple], users: int, items: int) -> list[tuple]:
    while True:
        people, things = [one[0] for one in events], [one[1] for one in events]
        kept = [e for e in events if people.count(e[0]) >= users and things.count(e[1]) >= items]
        if kept == events:
            return kept
        events = kept


@given(data=worlds())
def test_a_core_is_what_peeling_by_hand_leaves(data: Dataset):
    wanted = slow_core(happened(data, "time"), 2, 2)
    if not wanted:
        with pytest.raises(BadData):
            tr.k_core(data, 2, 2)
        return
    core = tr.k_core(data, 2, 2)
    assert happened(core, "time") == wanted
    assert tr.k_core(core, 2, 2).fingerprint == core.fingerprint
    assert bool((core.popularity >= 2).all())
    assert bool(core.active.all())


def test_of_equal_events_the_first_or_the_last_stays():
    events = [("u", 1, 10), ("u", 2, 20), ("u", 1, 30), ("v", 1, 40)]
    assert happened(tr.deduplicate(world(events)), "time") == [
        ("u", 1, 10),
        ("u", 2, 20),
        ("v", 1, 40),
    ]
    assert happened(tr.deduplicate(world(events), keep="last"), "time") == [
        ("u", 2, 20),
        ("u", 1, 30),
        ("v", 1, 40),
    ]


def test_events_of_another_kind_are_not_equal():
    data = world([("u", 1), ("u", 1), ("u", 1)], kind=["view", "buy", "view"])
    assert sorted(happened(tr.deduplicate(data), "kind")) == [("u", 1, "buy"), ("u", 1, "view")]


@given(data=worlds())
def test_deduplicating_leaves_every_pair_once_and_everybody_in_place(data: Dataset):
    for keep in ("first", "last"):
        single = tr.deduplicate(data, keep)
        assert len(single.interactions) == len(data.positives.values)
        assert single.catalog is data.catalog
        times = single.interactions.frame["time"]
        assert times.is_sorted()


def test_only_some_kinds_stay_and_who_did_nothing_else_leaves():
    events = [("ann", 1), ("ann", 2), ("bob", 2)]
    data = world(events, items=[1, 2, 3], kind=["buy", "view", "view"])
    bought = tr.only(data, ["buy"])
    assert happened(bought, "kind") == [("ann", 1, "buy")]
    assert bought.interactions.kinds == ["buy"]
    assert bought.catalog.users.ids.to_list() == ["ann"]
    assert bought.catalog.items.ids.to_list() == [1, 3]  # nobody ever chose 3: it is new, and stays


def test_a_kind_there_is_not_is_refused():
    data = world([("ann", 1)], kind=["buy"])
    with pytest.raises(BadData, match="no 'view' events, only buy"):
        tr.only(data, ["view"])
    with pytest.raises(BadData, match="only no kinds"):
        tr.only(world([("ann", 1)]), ["view"])


def test_a_pause_ends_a_session():
    times = [0, 1800, 3601, 3700]
    events = [("ann", n, time) for n, time in enumerate(times)]
    data = tr.sessions(world([*events, ("bob", 0, 5)]), gap_seconds=1800)
    assert happened(data, "time") == [
        ("ann#1", 0, 0),
        ("bob#1", 0, 5),
        ("ann#1", 1, 1800),
        ("ann#2", 2, 3601),
        ("ann#2", 3, 3700),
    ]


def test_sessions_keep_features_items_and_what_is_no_link_of_users():
    data = rich()
    frame = data.interactions.frame.with_columns(time=pl.int_range(pl.len()) * 10_000)
    timed = Dataset(data.catalog, tr.Interactions(frame, "seconds"), "shop")
    found = tr.sessions(timed)
    assert found.catalog.users.ids.to_list() == ["ann#1", "ann#2", "bob#1", "bob#2", "cyd#1"]
    assert found.catalog.users.features["age"].to_list() == [1, 1, 2, 2, 3]
    assert found.catalog.items.ids.to_list() == ["a", "b", "c", "cold"]
    assert torch.equal(found.catalog.items.vectors["image"], data.catalog.items.vectors["image"])
    assert set(found.catalog.relations) == {"like", "tagged"}
    assert found.name == "shop"


def test_sessions_need_times():
    with pytest.raises(NoOrder):
        tr.sessions(world([("ann", 1)]))


@given(data=worlds(clock="seconds"))
def test_sessions_lose_no_event_and_hold_no_long_pause(data: Dataset):
    found = tr.sessions(data, gap_seconds=3)
    assert len(found.interactions) == len(data.interactions)
    owners = [(name.rpartition("#")[0], item, t) for name, item, t in happened(found, "time")]
    assert sorted(owners) == sorted((str(u), i, t) for u, i, t in happened(data, "time"))
    histories = found.histories
    for row in range(len(histories)):
        start, end = int(histories.items.starts[row]), int(histories.items.ends[row])
        assert end > start
        assert (np.diff(histories.time[start:end].numpy()) <= 3).all()


def test_transforms_keep_a_published_split():
    core = tr.k_core(tr.sample(), 5, 5)
    split = tr.Published(seen="allow").split(core)
    assert set(core.interactions.frame["split"]) == {"train", "valid", "test"}
    assert len(split.test) > 0


def test_without_somebody_the_data_are_as_if_they_had_never_been() -> None:
    data = rich()
    keep, gone = without(data, users=["ann"])
    events = [("bob", "a"), ("bob", "b"), ("cyd", "c")]
    assert happened(keep) == events
    assert happened(gone) == [("ann", "a"), ("ann", "b")]
    assert keep.catalog.users.ids.to_list() == ["bob", "cyd"]
    assert keep.catalog.users.features["age"].to_list() == [2, 3]
    assert keep.catalog.items.ids.to_list() == ["a", "b", "c", "cold"]
    assert keep.catalog.relations["trust"].frame.height == 0
    assert keep.catalog.relations["like"].frame.height == 2


def test_without_an_item_its_events_vectors_and_links_are_gone_and_nobody_leaves() -> None:
    data = rich()
    keep, gone = without(data, items=["c"])
    assert happened(gone) == [("cyd", "c")]
    assert keep.catalog.users.ids.to_list() == ["ann", "bob", "cyd"]
    assert keep.catalog.items.ids.to_list() == ["a", "b", "cold"]
    assert keep.catalog.items.vectors["image"][:, 0].tolist() == [0, 10, 30]
    assert keep.catalog.relations["tagged"].frame.height == 1


def test_somebody_unknown_cannot_be_taken_out() -> None:
    with pytest.raises(UnknownId):
        without(rich(), users=["nobody"])
