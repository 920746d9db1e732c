"""Items called by the words of their titles, against a dictionary."""

from collections import Counter

import polars as pl
import pytest

from tesserec.core import Dataset, Entities, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.data.build import from_tables
from tesserec.parts.semantic_ids.digests import digests
from tesserec.parts.semantic_ids.words import NONE, Words

TITLES = ["Red silk dress", "red SILK scarf", "Blue dress!", "", None, "red", "Ünique Ж 7"]


def shop(bought: int = len(TITLES)) -> Dataset:
    """Everything before `bought` was bought once."""
    events = pl.DataFrame({"user": [0] * bought, "item": list(range(bought))})
    items = pl.DataFrame({"id": list(range(len(TITLES))), "title": TITLES})
    return from_tables(events, items, name="shop")


def by_dictionary(known: list[str], words: list[str], levels: int) -> list[int]:
    padded = [*words, *[""] * levels][:levels]
    return [known.index(word) + 1 if word in known else 0 for word in padded]


def test_codes_are_those_of_a_dictionary_up_to_the_order_of_words() -> None:
    found = Words(levels=3, codes=50).fit(shop(), Run())
    words = [["red", "silk", "dress"], ["red", "silk", "scarf"], ["blue", "dress"], [], [], ["red"]]
    words.append(["ünique", "ж", "7"])
    known = sorted(Counter(word for row in words for word in row), key=number)
    table = found.codes.table.tolist()
    wanted = [by_dictionary(known, row, 3) for row in words]
    names = {0: 0}
    for row, other in zip(table, wanted, strict=True):
        for one, two in zip(row, other, strict=True):
            assert names.setdefault(two, one) == one
    assert len(set(names.values())) == len(known) + 1
    assert table[3] == table[4] == [0, 0, 0]


def number(word: str) -> int:
    return int(digests(pl.Series([word]))[0])


def test_only_the_most_frequent_words_are_known() -> None:
    found = Words(levels=2, codes=3).fit(shop(), Run())  # red, three times; silk, twice
    table = found.codes.table
    assert (table[[0, 1]] == table[0]).all()
    assert (table[0] > 0).all()
    assert table[5].tolist() == [int(table[0, 0]), 0]
    assert table[2].tolist() == [0, 0]  # blue dress


def test_words_of_new_items_alone_are_not_known() -> None:
    found = Words(levels=1, codes=50).fit(shop(bought=2), Run())
    assert [bool(one) for one in found.codes.table[:, 0]] == [1, 1, 0, 0, 0, 1, 0]


def test_two_codes_know_one_word_and_one_code_is_refused() -> None:
    found = Words(levels=1, codes=2).fit(shop(), Run())
    assert found.codes.table[:, 0].tolist() == [1, 1, 0, 0, 0, 1, 0]
    with pytest.raises(BadSpec, match="codes"):
        Words(codes=1)


def test_an_item_without_a_title_has_nothing_to_quantise() -> None:
    present = Words().present(shop().catalog.items)
    assert present.tolist() == [True, True, True, False, False, True, True]
    assert number("") == NONE


def test_items_without_text_are_refused() -> None:
    items = pl.DataFrame({"id": [0, 1], "price": [1.0, 2.0]})
    data = from_tables(pl.DataFrame({"user": [0], "item": [0]}), items, name="plain")
    with pytest.raises(NoContent, match="text columns: none"):
        Words().fit(data, Run())
    with pytest.raises(NoContent, match="no column 'name'"):
        Words(columns=("name",)).codebook(items_of(shop())).read(items_of(shop()))


def items_of(data: Dataset) -> Entities:
    return data.catalog.items
