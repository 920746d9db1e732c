"""Nearest neighbours as the report shows them."""

from dataclasses import replace

import torch

from tesserec.experiment.neighbours import neighbours
from tesserec.experiment.page import write_content_page
from unit.content.test_encoding import shop


def angles(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], 1)


def test_the_nearest_come_first_with_their_cosine():
    data = shop(["east", "nearly east", "north", "nearly north"])
    data = data.with_vectors("text", angles(0, 10, 90, 100))
    (table,) = neighbours(data)
    rows = {row[0]["title"]: row[1:] for row in table["rows"]}
    assert rows.keys() == {"east", "nearly east", "north", "nearly north"}
    assert rows["east"][0]["title"] == "nearly east"
    assert rows["north"][0]["title"] == "nearly north"
    likeness = [item["likeness"] for item in rows["east"]]
    expected = torch.tensor([10.0, 90.0, 100.0]).deg2rad().cos()
    torch.testing.assert_close(torch.tensor(likeness), expected, atol=1e-6, rtol=0)


def test_items_without_content_neither_ask_nor_answer():
    data = shop(["east", "nearly east", "filled"])
    mask = torch.tensor([True, True, False])
    (table,) = neighbours(data.with_vectors("text", angles(0, 10, 5), mask))
    assert {item["title"] for row in table["rows"] for item in row} == {"east", "nearly east"}


def test_each_table_of_vectors_is_shown_and_one_with_a_single_item_is_not():
    data = shop(["a", "b", "c"]).with_vectors("text", angles(0, 1, 2))
    data = data.with_vectors("image", angles(3, 1, 2))
    data = data.with_vectors("audio", angles(3, 1, 2) * torch.tensor([[1.0], [0.0], [0.0]]))
    assert [table["name"] for table in neighbours(data)] == ["text", "image"]


def test_without_titles_items_are_called_by_their_ids():
    data = shop(["a", "b"]).with_vectors("text", angles(0, 1))
    items = replace(data.catalog.items, features=data.catalog.items.features.drop("title"))
    data = replace(data, catalog=replace(data.catalog, items=items))
    assert {row[0]["title"] for row in neighbours(data)[0]["rows"]} == {"0", "1"}


def test_titles_cannot_break_the_page(tmp_path):
    data = shop(["<script>alert(1)</script>", "b & c"]).with_vectors("text", angles(0, 1))
    text = write_content_page(data, tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "b &amp; c" in text
