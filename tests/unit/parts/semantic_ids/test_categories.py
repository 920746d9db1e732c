import polars as pl
import pytest
import torch

from tesserec.core import Codes
from tesserec.core.errors import BadRequest
from tesserec.parts.semantic_ids.categories import categories, shared


def told(column: pl.Series | list, name: str | None = "kind") -> list[str | None]:
    found = categories(pl.DataFrame({"kind": column}), name)
    assert found is not None
    return [found.names[place] if place >= 0 else None for place in found.of_item.tolist()]


def test_a_text_is_the_category_and_an_empty_one_is_none() -> None:
    assert told(["b", "a", "", None, " b "]) == ["b", "a", None, None, "b"]


def test_of_several_the_most_frequent_counts_but_not_what_most_items_have() -> None:
    lists = [["Shop", "Toys", "Balls"], ["Shop", "Toys"], ["Shop", "Books"], ["Shop"], [], None]
    assert told(lists) == ["Toys", "Toys", "Books", "Shop", None, None]


def test_texts_with_bars_hold_several() -> None:
    texts = ["Comedy|Drama", "Comedy", "War|Comedy", "War|Drama", "Drama", "Drama", ""]
    assert told(texts) == ["Comedy", "Comedy", "Comedy", "War", "Drama", "Drama", None]


def test_numbers_with_a_fraction_are_cut_into_tenths() -> None:
    prices = [float(n) for n in range(100)]
    tens = [n // 10 * 10 for n in range(100)]
    assert told(prices) == [f"{float(ten)} to {float(ten + 9)}" for ten in tens]
    assert told([0.5, None, float("nan")]) == ["0.5 to 0.5", None, None]
    assert told([1, 2, 1]) == ["1", "2", "1"]


def test_a_column_called_like_categories_is_taken_else_one_of_few_texts() -> None:
    colours = ["red", "blue"] * 20
    frame = pl.DataFrame({"title": [f"t{n}" for n in range(40)], "colour": colours})
    assert categories(frame).column == "colour"
    named = frame.with_columns(Categories=pl.Series([["x"], ["y"]] * 20))
    assert categories(named).column == "Categories"
    assert categories(frame.drop("colour")) is None
    assert categories(pl.DataFrame()) is None


def test_a_column_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadRequest, match="colour"):
        categories(pl.DataFrame({"colour": ["red"]}), "color")


def test_levels_share_what_they_know_of_categories_and_chance_little() -> None:
    kinds = [n % 4 for n in range(400)]
    frame = pl.DataFrame({"kind": [f"k{n}" for n in kinds[:-1]] + [None]})
    noise = torch.randint(2, (400,), generator=torch.Generator().manual_seed(0))
    table = torch.stack([torch.tensor(kinds) // 2, torch.tensor(kinds) % 2, noise], 1)
    found = shared(Codes(table, (2, 2, 2)), categories(frame, "kind"))
    assert found.items == 399
    assert found.of_prefix[1] == pytest.approx(1)
    assert found.of_level[0] == pytest.approx(2 / 3, abs=0.01)
    assert found.of_level[2] < 0.05
    assert max(found.by_chance) < 0.1
    assert found.to_dict()["of_level"] == list(found.of_level)
