"""Histories of the data, and what happened after them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tesserec.core import Dataset
from tesserec.serve.keeping import Event, Version
from tesserec.serve.people import People
from tesserec.serve.running import keeper_of
from tesserec.serve.served import beginnings
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
    assert keeper.forget_user("a") == 2
    assert keeper.history("a") == []
    assert keeper.add([late]) == 1
    assert keeper.active() is None
    for name in "aba":
        keeper.activate(Version(name, str(tmp_path)))
    assert keeper.active() == Version("a", str(tmp_path))
    assert {one.name for one in keeper.versions()} == {"a", "b"}
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
