"""ColdStart on worlds one can see."""

import polars as pl
import pytest

import tesserec as tr
from tesserec.core.errors import BadData, BadSpec
from tesserec.data import toys
from tesserec.data.build import from_tables
from tesserec.evaluation.report import digest
from toys.worlds import world

ANN, BOB, NEW = 0, 1, 2


def shop():
    """Ann and Bob choose 0 1 2 until 29; after 30 comes item 3, and somebody new."""
    before = [(ANN, 0, 10), (ANN, 1, 20), (BOB, 0, 11), (BOB, 2, 21), (ANN, 4, 29)]
    after = [(ANN, 2, 30), (ANN, 3, 31), (BOB, 3, 30), (NEW, 0, 32), (NEW, 1, 33), (NEW, 3, 34)]
    return world([*before, *after], items=range(5))


def test_each_event_after_the_cutoff_is_in_one_setting_or_counted():
    split = tr.ColdStart(valid=0.0, test=6 / 11).split(shop())
    asked = {
        name: list(zip(one.requests.user.tolist(), one.truth.lists(), strict=True))
        for name, one in split.settings.items()
    }
    assert asked == {
        "warm": [(ANN, [2])],
        "item_cold": [(ANN, [3]), (BOB, [3])],
        "among_cold": [(ANN, [3]), (BOB, [3])],
        "user_cold": [(NEW, [1])],
        "user_cold_1": [(NEW, [1])],
    }
    assert split.settings["user_cold"].requests.history.items.lists() == [[0]]
    assert {why: n for why, n in split.test.left_out.items() if n} == {
        "events whose user and item are both new": 1,
        "events of new users with nothing before them": 1,
    }
    assert split.notes == ("1 users and 1 items first appear after the cutoff.",)
    assert split.settings["item_cold"].source["setting"] == "item_cold"


def test_what_first_appears_in_validation_is_neither_known_nor_new():
    split = tr.ColdStart(valid=1 / 11, test=6 / 11).split(shop())
    assert split.valid is None  # item 4 was its only one
    more = world([*shop().interactions.frame.select("user", "item", "time").rows(), (BOB, 4, 35)])
    split = tr.ColdStart(valid=1 / 12, test=7 / 12).split(more)
    why = "events whose user or item first appears in the validation part"
    assert split.test.left_out[why] == 1


def test_the_content_of_new_items_is_in_the_catalogue_and_no_event_of_them():
    split = tr.ColdStart(published=True).split(toys.newcomers())
    train = split.train
    assert (train.popularity == 0).sum() == 8
    assert (train.catalog.items.vectors["text"].norm(dim=1) > 0).all()


def test_published_parts_give_the_settings_that_their_times_give():
    data = toys.newcomers()
    parts = data.interactions.frame["split"]
    shares = {part: float((parts == part).mean()) for part in ("valid", "test")}
    by_time, published = (
        tr.ColdStart(**shares).split(data),
        tr.ColdStart(published=True).split(data),
    )
    assert list(by_time.settings) == list(published.settings)
    assert [digest(one) for one in by_time.settings.values()] == [
        digest(one) for one in published.settings.values()
    ]
    order = data.interactions.frame.with_columns(
        pl.col("time").rank("ordinal").over("user").cast(pl.Int64)
    )
    placed = from_tables(order, pl.DataFrame({"id": data.catalog.items.ids}), clock="order")
    split = tr.ColdStart(published=True).split(placed)
    assert [digest(one) for one in split.settings.values()] == [
        digest(one) for one in published.settings.values()
    ]
    assert "The published parts are taken to be cut by time." in split.notes


def test_the_order_of_rows_changes_nothing_even_where_times_are_equal():
    frame = shop().interactions.frame.with_columns(time=pl.col("time") // 10)
    items = pl.DataFrame({"id": range(5)})
    made = [
        tr.ColdStart(valid=0.0, test=0.5).split(from_tables(one, items))
        for one in (frame, frame.reverse(), frame.sample(fraction=1.0, shuffle=True, seed=1))
    ]
    for split in made:
        assert list(split.settings) == list(made[0].settings)
        for name, one in split.settings.items():
            assert digest(one) == digest(made[0].settings[name])
            assert one.requests.history.items.lists() == (
                made[0].settings[name].requests.history.items.lists()
            )


def test_published_parts_that_are_not_cut_by_time_are_refused():
    data = world([(0, 1, 1), (0, 2, 2), (1, 1, 5), (1, 2, 6)], split=["train", "test"] * 2)
    with pytest.raises(BadData, match="not cut by time"):
        tr.ColdStart(published=True, valid=0.0).split(data)


@pytest.mark.parametrize("part", [None, "extra"])
def test_events_that_are_not_used_may_lie_anywhere_in_time(part):
    events = [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 2, 6), (0, 3, 9)]
    data = world(events, split=["train", "train", "train", "test", part])
    split = tr.ColdStart(published=True, valid=0.0).split(data)
    assert len(split.test) == 1
    assert len(split.train.interactions) == 3


def test_without_a_known_user_who_chooses_a_known_item_there_is_nothing_to_compare_with():
    with pytest.raises(BadData, match="known item"):
        tr.ColdStart(valid=0.0, test=0.5).split(world([(0, 1, 1), (0, 2, 2)]))


@pytest.mark.parametrize(
    "fields",
    [{"requests": "user"}, {"seen": "exclude_train"}, {"contexts": ()}, {"contexts": ((3, 2),)}],
)
def test_nobody_is_asked_without_being_shown_anything(fields):
    with pytest.raises(BadSpec):
        tr.ColdStart(**fields)


def test_vectors_that_came_with_the_data_are_doubted():
    notes = tr.ColdStart(published=True).split(toys.newcomers()).notes
    assert "Whether text of the items, which came with the data" in notes[0]
