import pytest
import torch

from tesserec.core import Dataset
from tesserec.core.errors import NoContent
from tesserec.parts.filling import filled
from toys.worlds import random_world, world

TABLE = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 0.0], [0.0, 8.0], [0.0, 0.0], [5.0, 5.0]])


def shop() -> Dataset:
    """Item 2 is bought with 0 and 1, item 4 with nothing; 2 and 4 have no vector, 5 no event."""
    events = [(0, 0), (0, 2), (1, 1), (1, 2), (2, 3), (3, 4)]
    return world(events, items=range(6), vectors={"image": TABLE})


def row(data: Dataset, item: int, name: str = "image") -> list[float]:
    return data.catalog.items.vectors[name][item].tolist()


@pytest.mark.parametrize("how", ["zero", "mean", "neighbours"])
def test_what_was_there_stays_and_what_was_missing_is_still_said_to_be_missing(how):
    data = filled(shop(), how)
    there = torch.tensor([True, True, False, True, False, True])
    assert torch.equal(data.catalog.items.present("image"), there)
    assert torch.equal(data.catalog.items.vectors["image"][there], TABLE[there])
    assert torch.equal(shop().catalog.items.vectors["image"], TABLE)


def test_the_mean_is_that_of_training_items():
    data = filled(shop(), "mean")
    assert row(data, 2) == row(data, 4) == pytest.approx([4 / 3, 8 / 3])  # item 5 has no events


def test_neighbours_are_those_bought_together_and_else_the_mean():
    data = filled(shop(), "neighbours")
    assert row(data, 2) == [2.0, 0.0]
    assert row(data, 4) == pytest.approx([4 / 3, 8 / 3])


def test_zero_fills_what_a_mask_calls_missing():
    mask = torch.tensor([True, False, True, True, True, True])
    data = filled(shop().with_vectors("image", TABLE, mask), "zero")
    assert row(data, 1) == [0.0, 0.0]
    assert torch.equal(data.catalog.items.present("image"), mask)


@pytest.mark.parametrize(("how", "expected"), [("mean", [2.0, 0.0]), ("neighbours", [1.0, 0.0])])
def test_events_of_the_test_part_are_not_looked_at(how, expected):
    """Item 2 meets item 1, and item 3 meets anybody, in the test part alone."""
    events = [(0, 0), (0, 2), (1, 1), (1, 2), (1, 3)]
    parts = ["train", "train", "train", "test", "test"]
    data = world(events, items=range(6), vectors={"image": TABLE}, split=parts)
    assert row(filled(data, how), 2) == expected
    assert row(filled(data, how), 4) == [2.0, 0.0]


def test_neighbours_are_the_mean_over_the_present_among_all_that_were_met_together():
    """With 15 items all that meet are among the neighbours."""
    events = random_world(items=15, events=120)
    table = torch.randn(15, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(15) % 4 != 0
    data = events.with_vectors("text", table, mask)
    found = filled(data, "neighbours").catalog.items.vectors["text"]
    rows = events.interactions.frame.select("user", "item").rows()
    for item in torch.nonzero(~mask)[:, 0].tolist():
        people = {user for user, other in rows if other == item}
        met = {other for user, other in rows if user in people and mask[other]}
        torch.testing.assert_close(found[item], table[sorted(met)].mean(0))


def test_of_several_tables_all_are_filled_or_the_one_that_is_named():
    data = shop().with_vectors("text", TABLE.half())
    both, one = filled(data, "mean"), filled(data, "mean", "text")
    assert row(both, 4) == pytest.approx([4 / 3, 8 / 3])
    assert row(both, 4, "text") == pytest.approx([4 / 3, 8 / 3], abs=1e-2)
    assert both.catalog.items.vectors["text"].dtype == torch.float16
    assert row(one, 4) == [0.0, 0.0]
    assert row(one, 4, "text") == row(both, 4, "text")


def test_what_cannot_be_learned_is_refused():
    with pytest.raises(NoContent, match="image"):
        filled(shop(), "mean", "sound")
    nothing = shop().with_vectors("image", TABLE, torch.zeros(6, dtype=torch.bool))
    with pytest.raises(NoContent, match="training"):
        filled(nothing, "mean")
    assert not filled(nothing, "zero").catalog.items.vectors["image"].any()
