"""Histories of the data, and what happened after them."""

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tesserec.core import Dataset
from tesserec.serve.keeping import Version
from tesserec.serve.people import People
from tesserec.serve.rows import Event, Exposure, Tally
from tesserec.serve.running import keeper_of
from tesserec.serve.served import beginnings
from tesserec.serve.traffic import Traffic
from toys.worlds import world


def people(data: Dataset) -> People:
    return People.of(data, data.histories, np.arange(len(data.catalog.users)))


def items(data: Dataset) -> dict[str, int]:
    return {str(one): row for row, one in enumerate(data.catalog.items.ids.to_list())}


def test_later_events_come_after_the_datas_and_none_is_there_twice() -> None:
    data = world([("a", 1, 10), ("a", 2, 20), ("b", 3, 5)], clock="seconds")
    told = [
        Event("1", "a", "2", 20),  # the data were read again after it had been sent
        Event("2", "a", "3", 30),
        Event("3", "a", "new", 31),
        Event("4", "a", "2", 40),
    ]
    past = people(data).past("a", told, items(data))
    assert past.items.tolist() == [0, 1, 2, 1]
    assert past.time is not None
    assert past.time.tolist() == [10, 20, 30, 40]
    assert people(data).past("stranger", told[:2], items(data)).items.tolist() == [1, 2]
    assert people(data).past("b", [], items(data)).items.tolist() == [2]


def test_where_the_data_count_places_later_events_take_the_next_ones() -> None:
    data = world([("a", 1, 0), ("a", 2, 1)], clock="order")
    past = people(data).past("a", [Event("1", "a", "1", 1_700_000_000)], items(data))
    assert past.time is not None
    assert past.time.tolist() == [0, 1, 2]


def test_kinds_and_weights_are_the_datas_own() -> None:
    frame = {"kind": pl.Series(["buy", "view"], dtype=pl.Enum(["buy", "view"]))}
    data = world([("a", 1, 0), ("a", 2, 1)], weight=[2.0, 3.0], **frame)
    told = [Event("1", "a", "1", 5, "view", 4.0), Event("2", "a", "2", 6, "unheard of")]
    past = people(data).past("a", told, items(data))
    codes = {kind: code for code, kind in enumerate(data.interactions.kinds)}
    assert past.kind is not None
    assert past.kind.tolist() == [codes["buy"], codes["view"], codes["view"], -1]
    assert past.weight is not None
    assert past.weight.tolist() == [2.0, 3.0, 4.0, 1.0]


@pytest.mark.parametrize("kind", ["memory", "database"])
def test_a_keeper_keeps_each_event_once_in_order_of_arrival(kind: str, tmp_path: Path) -> None:
    keeper = keeper_of("memory" if kind == "memory" else str(tmp_path / "store.sqlite"))
    late, early = Event("1", "a", "x", 20, "buy", 2.0), Event("2", "a", "y", 10)
    assert keeper.add([late, early, late]) == 2
    assert keeper.add([early]) == 0
    assert keeper.history("a") == [late, early]
    assert keeper.histories(["b", "a"]) == [[], [late, early]]
    assert not any(keeper.forgotten(["a", "b"]))
    assert keeper.forget_user("a")["events"] == 2
    assert keeper.forgotten(["b", "a"]) == [False, True]
    assert keeper.history("a") == []
    assert keeper.add([late]) == 1
    assert keeper.active() is None
    for name in "aba":
        keeper.activate(Version(name, str(tmp_path)))
    assert keeper.active() == Version("a", str(tmp_path))
    assert {one.name for one in keeper.versions()} == {"a", "b"}
    keeper.close()


@pytest.mark.parametrize("kind", ["memory", "database"])
def test_a_keeper_counts_what_was_shown_and_what_was_clicked_soon_after(
    kind: str, tmp_path: Path
) -> None:
    keeper = keeper_of("memory" if kind == "memory" else str(tmp_path / "store.sqlite"))
    shown = [
        Exposure("1", "old", "a", ("x", "y"), 100.7),  # clicked twice, and an answer once
        Exposure("2", "old", "a", ("z",), 100.0),  # clicked before it was shown, and too late
        Exposure("3", "old", None, ("x",), 100.0),
        Exposure("4", "old", "b", ("x",), 100.0),  # somebody else's click
        Exposure("5", "new", "c", ("x",), 50.0),  # clicked, and a shadow's would have been
        Exposure("5/shadow", "next", "c", ("y", "x"), 50.0, shadow=True),
        Exposure("6", "old", "a", ("x",), 10.0),
    ]
    assert keeper.show(shown) == 7
    assert keeper.show(shown[:2]) == 0
    clicks = [("a", "x", 100), ("a", "y", 102), ("a", "z", 98), ("a", "z", 111), ("c", "x", 60)]
    keeper.add([Event(f"{n}", *click) for n, click in enumerate(clicks)])
    assert keeper.tallies(since=20, window=10) == [
        Tally("new", False, 1, 1, 1, 1),
        Tally("old", False, 4, 3, 2, 1),
        Tally("next", True, 1, 1, 1, 1),
    ]
    assert keeper.end_exposures(before=60) == 3
    assert keeper.tallies(since=0, window=10) == [Tally("old", False, 4, 3, 2, 1)]
    keeper.close()


@pytest.mark.parametrize("kind", ["memory", "database"])
def test_what_was_shown_to_somebody_before_they_were_forgotten_comes_too_late(
    kind: str, tmp_path: Path
) -> None:
    keeper = keeper_of("memory" if kind == "memory" else str(tmp_path / "store.sqlite"))
    before = [Exposure(f"{n}", "v", user, ("x",), time.time()) for n, user in enumerate("aab")]
    assert keeper.show(before[:1]) == 1
    assert keeper.forget_user("a")["exposures"] == 1
    assert keeper.show(before) == 1
    assert keeper.tallies(0, 1)[0].users == 1
    assert keeper.show([Exposure("9", "v", "a", ("x",), time.time() + 1)]) == 1
    keeper.close()


@pytest.mark.parametrize("kind", ["memory", "database"])
def test_a_keeper_knows_how_traffic_goes(kind: str, tmp_path: Path) -> None:
    keeper = keeper_of("memory" if kind == "memory" else str(tmp_path / "store.sqlite"))
    assert keeper.traffic() == Traffic()
    for traffic in (Traffic({"a": 0.5, "b": 2.0}, "c"), Traffic({}, None)):
        keeper.direct(traffic)
        assert keeper.traffic() == traffic
    keeper.close()


def test_the_beginnings_of_answers_are_json_whatever_ids_and_titles_hold() -> None:
    import json

    titles = ['quo"te', "line\nbreak", "back\\slash", "ü€😀", None]
    data = world([(0, n) for n in range(5)], items=range(5))
    items_ = data.catalog.items
    from dataclasses import replace

    whole = replace(items_, features=pl.DataFrame({"title": titles}))
    told = [json.loads(one + "}") for one in beginnings(whole).to_list()]
    assert told == [{"id": str(n), "title": title} for n, title in enumerate(titles)]
