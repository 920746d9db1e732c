from dataclasses import replace

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import (
    Catalog,
    Codes,
    Dataset,
    Entities,
    Holdout,
    Interactions,
    Ragged,
    Requests,
)
from tesserec.core.errors import BadData, UnknownId
from tesserec.data import format
from tesserec.data.build import from_tables
from toys.worlds import world, worlds

ANN, BOB = "ann", "bob"


def shop() -> Dataset:
    events = pl.DataFrame(
        {
            "user": [BOB, ANN, ANN, BOB, ANN],
            "item": ["cup", "tea", "cup", "jam", "tea"],
            "time": [5, 1, 9, 2, 4],
            "kind": ["view", "buy", "view", "buy", "view"],
            "weight": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    items = pl.DataFrame({"id": ["tea", "jam", "cup", "pot"], "price": [3, 2, 7, 20]})
    return from_tables(events, items, vectors={"text": torch.eye(4)})


def test_rows_are_numbered_by_sorted_id_and_vectors_and_features_follow_their_item():
    items = shop().catalog.items
    assert items.ids.to_list() == ["cup", "jam", "pot", "tea"]
    assert items.features["price"].to_list() == [7, 2, 20, 3]
    assert items.vectors["text"].argmax(1).tolist() == [2, 1, 3, 0]


def test_histories_are_oldest_first_with_time_kind_and_weight_beside_them():
    data = shop()
    histories, names = data.histories, data.catalog.items.names
    ann = histories[torch.tensor([data.catalog.users.row(ANN)])]
    _, places = ann.items.places()
    assert names(ann.items.values[places]) == ["tea", "tea", "cup"]
    assert histories.time[places].tolist() == [1, 4, 9]
    assert histories.weight[places].tolist() == [2.0, 5.0, 3.0]
    kinds = [data.interactions.kinds[code] for code in histories.kind[places]]
    assert kinds == ["buy", "view", "view"]


def test_before_is_strict():
    times = shop().interactions.before(5).frame["time"].to_list()
    assert times == [1, 2, 4]


def test_positives_popularity_and_active_count_what_happened():
    data = shop()
    assert data.positives.lists() == [[0, 3], [0, 1]]  # ann: cup, tea; bob: cup, jam
    assert data.popularity.tolist() == [2, 1, 0, 2]
    assert data.active.tolist() == [True, True]


def test_an_unknown_id_is_minus_one_and_a_name_for_minus_one_is_none():
    items = shop().catalog.items
    assert items.rows(["pot", "gin", "cup", None]).tolist() == [2, -1, 0, -1]
    assert items.names(torch.tensor([2, -1, 0])) == ["pot", None, "cup"]
    assert items.rows([]).tolist() == []
    with pytest.raises(UnknownId, match="'gin'"):
        items.row("gin")


def test_names_of_nobody_are_none_even_where_nobody_is_known():
    assert Entities(pl.Series("id", [], dtype=pl.Int64)).names(torch.tensor([-1, -1])) == [None] * 2


def test_a_number_is_found_by_its_text_and_by_itself():
    items = world([(1, 10), (1, 7)]).catalog.items
    assert items.rows(["7", "10"]).tolist() == items.rows([7, 10]).tolist() == [0, 1]
    assert items.names(torch.tensor([0, 1])) == [7, 10]


@pytest.mark.parametrize(
    "ids",
    [pl.Series(range(999, -1, -1)), pl.Series(["", "Z", "zz", *(f"é{n}" for n in range(997))])],
)
def test_a_few_ids_among_many_are_found_where_all_of_them_are(ids):
    things = Entities(ids)
    row_of = {str(one): row for row, one in enumerate(ids)}
    few = ["", "0", "17", "999", "1000", "Z", "z", "zz", "é17", "é996", "é", "\uffff", None]
    for asked in [few, *([one] for one in few), []]:
        expected = [row_of.get(one, -1) for one in asked]
        assert things.rows(asked).tolist() == expected
        # Among as many others they are joined with the table, not searched.
        assert things.rows([*asked, *row_of]).tolist() == expected + list(range(1000))


def test_features_or_vectors_of_another_length_than_the_ids_are_refused():
    ids = pl.Series("id", ["a", "b"])
    with pytest.raises(BadData, match="3 rows for 2 ids"):
        Entities(ids, vectors={"text": torch.zeros(3, 4)})
    with pytest.raises(BadData, match="1 rows for 2 ids"):
        Entities(ids, pl.DataFrame({"price": [1]}))


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_vectors_of_no_numbers_are_refused_where_they_are_not_noted_as_missing(kind):
    table, there = torch.ones(4, 3, dtype=kind), torch.tensor([True, True, False, True])
    table[2, 1] = torch.nan
    with pytest.raises(BadData, match="'x': item 'pot' has NaN in column 2"):
        shop().with_vectors("x", table)
    noted = shop().with_vectors("x", table, there).catalog.items
    assert torch.equal(noted.present("x"), there)
    table[3, 2] = -torch.inf
    with pytest.raises(BadData, match="'x': item 'tea' has -inf in column 3"):
        shop().with_vectors("x", table, there)


def test_bad_vectors_are_found_in_any_block(monkeypatch):
    monkeypatch.setattr("tesserec.core.data.BLOCK", 3)
    table = torch.ones(4, 3)
    table[3, 0] = torch.inf
    with pytest.raises(BadData, match="item 'tea' has inf in column 1"):
        shop().with_vectors("x", table)
    assert shop().with_vectors("x", torch.ones(4, 0)).catalog.items.vectors["x"].shape == (4, 0)


@given(worlds(), st.randoms())
def test_the_order_of_rows_changes_nothing(data, random):
    frame = data.interactions.frame
    order = list(range(frame.height))
    random.shuffle(order)
    items = pl.DataFrame({"id": data.catalog.items.ids}).sample(fraction=1, shuffle=True, seed=1)
    users = data.catalog.users.ids
    events = frame[order].with_columns(
        user=users.gather(frame["user"][order]),
        item=data.catalog.items.ids.gather(frame["item"][order]),
    )
    other = from_tables(events, items)
    assert other.interactions.frame.equals(frame)
    assert other.fingerprint == data.fingerprint


def changed() -> dict[str, Dataset]:
    """Worlds that differ from `shop` in one thing each."""
    data = shop()
    catalog, frame = data.catalog, data.interactions.frame
    items = catalog.items

    def with_items(**changes) -> Dataset:
        return replace(data, catalog=replace(catalog, items=replace(items, **changes)))

    def with_frame(frame: pl.DataFrame) -> Dataset:
        return replace(data, interactions=replace(data.interactions, frame=frame))

    vectors = items.vectors["text"].clone()
    vectors[1, 1] += 1e-6
    users_with_price = replace(catalog.users, features=pl.DataFrame({"age": [30, 40]}))
    return {
        "one event less": with_frame(frame[1:]),
        "another time": with_frame(frame.with_columns(time=pl.col("time") + 1)),
        "another item": with_frame(frame.with_columns(item=pl.Series([3, 1, 3, 0, 1]))),
        "another weight": with_frame(frame.with_columns(weight=pl.col("weight") * 2)),
        "other kinds": with_frame(
            frame.with_columns(kind=pl.lit("buy").cast(pl.Enum(["buy", "view"])))
        ),
        "no time": with_frame(frame.drop("time")),
        "another clock": replace(data, interactions=replace(data.interactions, clock="order")),
        "another id": with_items(ids=pl.Series("id", ["cup", "jam", "pan", "tea"])),
        "another price": with_items(features=pl.DataFrame({"price": [7, 2, 20, 4]})),
        "no price": with_items(features=pl.DataFrame()),
        "a number in a vector": with_items(vectors={"text": vectors}),
        "another name of a vector": with_items(vectors={"image": items.vectors["text"]}),
        "user features": replace(data, catalog=replace(catalog, users=users_with_price)),
    }


@pytest.mark.parametrize("what", list(changed()))
def test_the_fingerprint_changes_with(what):
    assert changed()[what].fingerprint != shop().fingerprint


def test_features_of_items_and_features_of_users_are_not_mistaken_for_each_other():
    ids, table = pl.Series("id", [0, 1]), pl.DataFrame({"age": [3, 4]})
    events = Interactions(pl.DataFrame({"user": [0], "item": [1]}))
    of_items = Dataset(Catalog(Entities(ids, table), Entities(ids)), events)
    of_users = Dataset(Catalog(Entities(ids), Entities(ids, table)), events)
    assert of_items.fingerprint != of_users.fingerprint


def test_the_fingerprint_is_that_of_the_same_data_read_back_from_disk(tmp_path):
    data = shop()
    format.write(data, tmp_path / "shop")
    again = format.read(tmp_path / "shop")
    assert again.fingerprint == data.fingerprint == shop().fingerprint
    assert again.interactions.frame.equals(data.interactions.frame)


def test_without_events_only_the_catalogue_is_left():
    bare = shop().without_events()
    assert len(bare.interactions) == 0
    assert bare.popularity.tolist() == [0, 0, 0, 0]
    assert bare.positives.lists() == [[], []]
    assert bare.interactions.frame.columns == shop().interactions.frame.columns


def test_what_is_printed_says_how_much_there_is_and_what_it_is_called():
    data = shop()
    data = data.with_codes("ids", Codes(torch.zeros(4, 2, dtype=torch.int64), (3, 5)))
    assert repr(data) == (
        "Dataset('data', "
        "items=Entities(4 ids; features: price; vectors: text [4]; codes: ids [2]), "
        "users=Entities(2 ids), "
        "interactions=Interactions(5 events: time, user, item, kind, weight))"
    )
    assert repr(data.catalog.items.codes["ids"]) == "Codes(4 items, sizes=(3, 5))"
    assert repr(data.histories.items) == "Ragged(2 rows of 5 values)"
    asked = Requests.of(data, histories=[["tea", "jam"]])
    assert repr(asked) == (
        "Requests(0 of known users, 1 of strangers; 2 events in their histories)"
    )
    holdout = Holdout(asked, Ragged.of([[0]]), seen="allow")
    assert repr(holdout) == "Holdout(1 requests, 1 to find; seen='allow')"
