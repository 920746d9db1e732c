import polars as pl
import pytest
import torch

from tesserec.core.errors import BadData
from tesserec.data.build import from_tables

EVENTS = pl.DataFrame({"user": ["b", "a"], "item": [20, 10], "time": [5, 6]})


def test_rows_are_numbered_by_sorted_id_and_events_by_time():
    data = from_tables(EVENTS)
    assert data.catalog.users.ids.to_list() == ["a", "b"]
    assert data.interactions.frame.select("time", "user", "item").rows() == [(5, 1, 1), (6, 0, 0)]


def test_numbers_are_sorted_as_numbers_and_text_as_text():
    assert from_tables(pl.DataFrame({"user": [10, 9], "item": [1, 1]})).catalog.users.ids[0] == 9
    text = pl.DataFrame({"user": ["10", "9"], "item": [1, 1]})
    assert from_tables(text).catalog.users.ids[0] == "10"


def test_vectors_follow_their_items_and_new_items_have_zeros():
    items = pl.DataFrame({"id": [20, 5]})
    data = from_tables(EVENTS, items, vectors={"x": torch.tensor([[2.0], [1.0]])})
    assert data.catalog.items.ids.to_list() == [5, 10, 20]
    assert data.catalog.items.vectors["x"].tolist() == [[1], [0], [2]]


def test_vectors_of_another_number_are_refused():
    with pytest.raises(BadData, match="have 3 rows"):
        from_tables(EVENTS, pl.DataFrame({"id": [20, 10]}), vectors={"x": torch.ones(3, 1)})


def test_vectors_that_are_no_numbers_are_refused():
    items = pl.DataFrame({"id": [20, 10]})
    with pytest.raises(BadData, match="'x': item 10 has NaN in column 1"):
        from_tables(EVENTS, items, vectors={"x": torch.tensor([[1.0], [torch.nan]])})


def test_an_id_that_is_there_twice_or_missing_is_refused():
    with pytest.raises(BadData, match="holds 20 twice"):
        from_tables(EVENTS, pl.DataFrame({"id": [20, 20]}))
    with pytest.raises(BadData, match="has no id"):
        from_tables(EVENTS, pl.DataFrame({"id": [20, None]}))


def test_links_of_ids_no_table_holds_are_refused():
    links = pl.DataFrame({"head": [20], "tail": [99]})
    with pytest.raises(BadData, match="names an id that no table holds"):
        from_tables(EVENTS, relations={"like": ("items", "items", links)})


def test_the_order_of_rows_is_irrelevant_where_only_a_list_or_a_kind_differs():
    frame = pl.DataFrame(
        {"user": [1, 1], "item": [2, 2], "tags": [["b"], ["a"]], "kind": ["view", "buy"]}
    )
    same = frame.drop("kind")
    assert from_tables(same).fingerprint == from_tables(same.reverse()).fingerprint
    assert from_tables(frame).fingerprint == from_tables(frame.reverse()).fingerprint


def test_the_order_of_links_is_irrelevant_where_only_their_kind_differs():
    links = pl.DataFrame({"head": [10, 10], "tail": [20, 20], "kind": ["like", "also"]})
    one, other = (
        from_tables(EVENTS, relations={"x": ("items", "items", frame)})
        for frame in (links, links.reverse())
    )
    assert one.fingerprint == other.fingerprint
