"""Filters are parsed, never evaluated, and say where they are wrong."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Entities
from tesserec.core.errors import BadRequest
from tesserec.recommenders.where import allowed_items

ITEMS = Entities(
    pl.Series(["a", "b", "c", "d"]),
    pl.DataFrame(
        {
            "title": ["mug", "tea 'pot'", None, "Mug"],
            "price": [1.0, 7.5, 3.0, None],
            "tags": [["red", "big"], ["blue"], [], None],
            "in stock": [True, False, True, None],
        }
    ),
)


def kept(text: str) -> str:
    return "".join(
        one for one, keep in zip("abcd", allowed_items(ITEMS, text), strict=True) if keep
    )


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("price < 5", "ac"),
        ("price<=7.5 and price != 3", "ab"),
        ("price >= 7.5e0 or title = 'mug'", "ab"),
        ("not title = 'mug'", "bd"),
        ("title = 'tea \\'pot\\''", "b"),
        ('title in ("mug", "Mug")', "ad"),
        ("tags = 'red'", "a"),
        ("tags in ('blue', 'big')", "ab"),
        ("`in stock` = true", "ac"),
        ("id = 'c'", "c"),
        ("price < 5 and (title = 'mug' or id = 'c') and not id = 'a'", "c"),
        ("title = 'mug' or title = 'Mug' and price > 100", "a"),  # `and` binds closer
        ("NOT (price > 2 OR price < 2)", ""),
    ],
)
def test_an_expression_keeps_what_it_says(text: str, items: str) -> None:
    assert kept(text) == items


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a column"),
        ("colour = 'red'", "no column 'colour'"),
        ("titel = 'mug'", "did you mean 'title'"),
        ("price < 'five'", "a number"),
        ("title = 5", "text"),
        ("price <", "place 8"),
        ("(price < 5", "`)`"),
        ("price < 5 price", "`and`, `or` or the end"),
        ("price ~ 5", "'~ 5'"),
        ("price in ()", "a number"),
        ("__import__('os')", "no column"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=".*") as error:
        allowed_items(ITEMS, text)
    assert said in error.value.cause


@given(st.text(alphabet="pricetl<>=!()'\" andornt0159.,[]`\\", max_size=40))
def test_any_text_is_answered_or_refused(text: str) -> None:
    try:
        assert len(allowed_items(ITEMS, text)) == 4
    except BadRequest as error:
        assert error.cause
