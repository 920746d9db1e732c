"""Posted items as rows of a catalogue: what fits is taken as it is, and the rest is pointed at."""

from datetime import date
from typing import Any

import polars as pl
import pytest
import torch

from tesserec.core import Entities
from tesserec.serve.asked import GivenItem, Items
from tesserec.serve.newcomers import check_contents, check_names, entities_of
from tesserec.serve.problems import Problem

KNOWN = Entities(
    pl.Series("id", [1, 2]),
    pl.DataFrame(
        {
            "title": ["a", "b"],
            "price": [1.5, 2.5],
            "since": [date(2024, 1, 1)] * 2,
            "tags": [["x"], []],
        }
    ),
    {"text": torch.eye(2), "image": torch.eye(2)},
)


def items(*given: dict[str, Any]) -> list[GivenItem]:
    return Items.model_validate({"items": list(given)}).items


def pointers(posted: list[GivenItem], known: Entities = KNOWN, made: str = "text") -> list[str]:
    with pytest.raises(Problem) as told:
        entities_of(posted, known, {made})
    assert told.value.status == 422
    assert told.value.cure
    return [one["pointer"] for one in told.value.errors]


def test_columns_get_the_types_of_the_catalogue_and_nothing_where_nothing_is_said() -> None:
    features = {"title": "tea", "price": 3, "since": "2024-05-01", "tags": ["new", "blue"]}
    posted = items({"id": 7, "features": features}, {"id": "8", "features": {"price": None}})
    found = entities_of(posted, KNOWN, {"text"})
    assert found.ids.to_list() == [7, 8]
    assert found.features.schema == KNOWN.features.schema
    assert found.features.rows() == [
        ("tea", 3.0, date(2024, 5, 1), ["new", "blue"]),
        (None, None, None, None),
    ]
    assert not found.vectors


def test_vectors_are_taken_with_a_note_of_who_has_none() -> None:
    posted = items({"id": 7, "vectors": {"image": [1, 2.5]}}, {"id": 8, "vectors": {"image": None}})
    found = entities_of(posted, KNOWN, {"text"})
    assert found.vectors["image"].tolist() == [[1.0, 2.5], [0.0, 0.0]]
    assert found.present("image").tolist() == [True, False]


@pytest.mark.parametrize(
    ("item", "pointer"),
    [
        ({"id": "007"}, "/items/1/id"),
        ({"id": "seven"}, "/items/1/id"),
        ({"id": 9, "features": {"price": "cheap"}}, "/items/1/features/price"),
        ({"id": 9, "features": {"price": [1.0]}}, "/items/1/features/price"),
        ({"id": 9, "features": {"since": "soon"}}, "/items/1/features/since"),
        ({"id": 9, "vectors": {"image": [1.0]}}, "/items/1/vectors/image"),
        ({"id": 9, "vectors": {"text": [1.0, 2.0]}}, "/items/1/vectors/text"),
    ],
)
def test_what_does_not_fit_is_pointed_at(item: dict[str, Any], pointer: str) -> None:
    good = {"id": 3, "features": {"price": 1.0, "since": "2024-01-01"}}
    assert pointers(items(good, item)) == [pointer]


def test_the_same_id_twice_is_pointed_at_both_times() -> None:
    assert pointers(items({"id": 3}, {"id": 4}, {"id": "3"})) == ["/items/0/id", "/items/2/id"]


def test_names_are_refused_that_no_version_knows() -> None:
    posted = items({"id": 3, "features": {"titel": "tea"}})
    with pytest.raises(Problem, match="title"):
        check_names(posted, [KNOWN])
    other = Entities(pl.Series("id", [1]), pl.DataFrame({"titel": ["a"]}))
    check_names(posted, [KNOWN, other])


def test_a_content_that_is_missing_has_to_be_missing_on_purpose() -> None:
    posted = items({"id": 7}, {"id": 8, "vectors": {"image": None}}, {"id": 9})
    ids = pl.Series("id", [7, 8])  # 9 is known already

    def lacking(text: list[bool], image: list[bool]) -> list[str]:
        masks = {"text": torch.tensor(text), "image": torch.tensor(image)}
        vectors = {name: torch.eye(2) for name in masks}
        try:
            check_contents(Entities(ids, pl.DataFrame(), vectors, masks), posted)
        except Problem as told:
            return [one["pointer"] for one in told.errors]
        return []

    assert lacking([True, True], [True, False]) == []
    assert lacking([True, True], [False, False]) == ["/items/0"]
    assert lacking([True, False], [True, False]) == ["/items/1"]
