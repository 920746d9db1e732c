"""Going on from what was learned: rows, replay, and what new events have to look like."""

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Run
from tesserec.core.errors import BadData
from tesserec.lifecycle.updating import WarmStart, continued
from tesserec.methods.collaborative.itemknn import ItemKNN
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF

SHORT = {"dim": 4, "batches": {"size": 8}, "schedule": {"epochs": 2, "rate": 0.05}}


def events(*rows: tuple[str, str, int]) -> Dataset:
    frame = pl.DataFrame(rows, schema=["user", "item", "time"], orient="row")
    return tr.from_tables(frame)


def test_the_rows_of_a_model_come_first_and_new_ones_last(two_tastes: Dataset) -> None:
    model = MF().changed(SHORT).fit(two_tastes, Run())
    old, new = continued(model, two_tastes, events(("a", "i1", 900), ("u3", "i0", 901)))
    assert old.catalog.users.ids.to_list() == [*(f"u{n}" for n in range(8)), "a"]
    assert old.catalog.items.ids.equals(two_tastes.catalog.items.ids)
    assert old.interactions.frame.equals(
        two_tastes.interactions.frame.select(old.interactions.frame.columns)
    )
    assert new.interactions.frame.select("user", "item").rows() == [(8, 1), (3, 0)]


def test_new_items_of_events_get_a_row_where_ids_are_all_there_is(two_tastes: Dataset) -> None:
    model = LightGCN().changed(SHORT).fit(two_tastes, Run())
    old, new = continued(model, two_tastes, events(("a", "x", 900), ("u3", "x", 901)))
    grown = WarmStart(epochs=1).update(model, old, new, Run())
    assert grown.catalog.items.ids.to_list()[-1] == "x"
    users, items = grown.network.vectors()
    assert (len(users), len(items)) == (9, 9)


def test_without_learning_the_old_answers_are_those_from_before(two_tastes: Dataset) -> None:
    """A rate of next to nothing: only rows were moved, MF having nothing that is counted."""
    model = MF().changed(SHORT).fit(two_tastes, Run())
    old, new = continued(model, two_tastes, events(("a", "i1", 900)))
    grown = WarmStart(epochs=1, pace=1e-9).update(model, old, new, Run())
    asked = tr.Requests.of(two_tastes, users=["u0", "u5"])
    torch.testing.assert_close(grown.recommend(asked, 3).scores, model.recommend(asked, 3).scores)


def test_what_is_computed_is_computed_from_all(two_tastes: Dataset) -> None:
    model = ItemKNN().fit(two_tastes, Run())
    old, new = continued(model, two_tastes, events(("a", "i0", 900), ("a", "i1", 901)))
    grown = WarmStart().update(model, old, new, Run())
    asked = tr.Requests.of(grown.catalog, histories=[["i1"]])
    found = [grown.catalog.items.ids[row] for row in grown.recommend(asked, 4).items[0].tolist()]
    assert "i0" in found


def test_people_with_new_events_are_replayed_whole_and_a_share_of_the_others(
    two_tastes: Dataset,
) -> None:
    model = MF().changed(SHORT).fit(two_tastes, Run())
    old, new = continued(model, two_tastes, events(("u2", "i1", 900)))
    none = WarmStart(replay=0.0).replayed(old, new, Run(seed=1))
    assert none.interactions.users.unique().tolist() == [2]
    assert len(none.interactions) == 3
    everything = WarmStart(replay=1.0).replayed(old, new, Run(seed=1))
    assert len(everything.interactions) == len(old.interactions)
    half = WarmStart(replay=0.5).replayed(old, new, Run(seed=1)).interactions.users.unique()
    assert 1 < len(half) < 8


def test_events_with_other_columns_or_ids_are_refused(two_tastes: Dataset) -> None:
    model = MF().changed(SHORT).fit(two_tastes, Run())
    with pytest.raises(BadData, match="clock"):
        continued(model, two_tastes, tr.from_tables(pl.DataFrame({"user": ["a"], "item": ["i1"]})))
    numbers = pl.DataFrame({"user": [1], "item": [2], "time": [3]})
    ids = pl.DataFrame({"user": ["a"], "item": ["b"], "time": [3]})
    model = MF().changed(SHORT).fit(tr.from_tables(numbers), Run())
    with pytest.raises(BadData, match="Int64"):
        continued(model, tr.from_tables(numbers), tr.from_tables(ids))
