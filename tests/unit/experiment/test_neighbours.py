"""Nearest neighbours as the report shows them."""

import base64
import io
import shutil
from dataclasses import replace

import polars as pl
import pytest
import torch
from PIL import Image

import tesserec as tr
from tesserec.content.folder import encode_folder
from tesserec.content.image import ImageStatistics
from tesserec.data.format import write
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


@pytest.mark.parametrize("place", ["parquet", "files", "column"])
def test_items_are_shown_with_their_pictures_wherever_these_lie(tmp_path, place):
    red, blue = (painted(colour) for colour in ("red", "blue"))
    data = shop(["a", "b", "c"], photo=["red.png", "blue.png", "broken.png"])
    columns = ("photo",) if place == "column" else ()
    (tmp_path / "media" / "image").mkdir(parents=True)
    if place == "parquet":
        frame = pl.DataFrame({"item": [0, 1, 2], "bytes": [red, blue, b"broken"]})
        frame.write_parquet(tmp_path / "media" / "image.parquet")
    for number, content in enumerate((red, blue, b"broken")):
        name = (
            data.catalog.items.features["photo"][number] if columns else f"media/image/{number}.png"
        )
        (tmp_path / name).write_bytes(content)
    write(data, tmp_path / "data")
    shutil.move(tmp_path / "media", tmp_path / "data" / "media")
    for path in tmp_path.glob("*.png"):
        shutil.move(path, tmp_path / "data")
    encode_folder(tmp_path / "data", ImageStatistics(columns=columns, dim=2))
    (table,) = neighbours(tr.read(tmp_path / "data"))
    shown = {item["title"]: item["picture"] for row in table["rows"] for item in row}
    assert shown.keys() == {"a", "b"}
    for title, colour in (("a", (255, 0, 0)), ("b", (0, 0, 255))):
        small = base64.b64decode(shown[title].partition(",")[2])
        pixel = Image.open(io.BytesIO(small)).convert("RGB").getpixel((2, 2))
        assert max(abs(one - other) for one, other in zip(pixel, colour, strict=True)) < 12


def painted(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


def test_titles_cannot_break_the_page(tmp_path):
    data = shop(["<script>alert(1)</script>", "b & c"]).with_vectors("text", angles(0, 1))
    text = write_content_page(data, tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "b &amp; c" in text
