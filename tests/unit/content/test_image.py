"""ImageStatistics and the statistics it is made of, against slow and obvious references."""

import colorsys
from dataclasses import replace
from math import atan2, hypot, pi
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("PIL.Image")

from tesserec.content import image
from tesserec.content.encoding import encode
from tesserec.content.image import ImageStatistics, prepared, statistics
from tesserec.core import Dataset
from toys.pictures import as_file, plain, speckles, stripes
from toys.worlds import world

SIDE = image.SIDE


def row(picture) -> np.ndarray:
    return statistics([prepared(picture)])[0]


def pixels(picture) -> np.ndarray:
    """[1, SIDE, SIDE, 3] from 0 to 1"""
    return prepared(picture)[None].astype(np.float32) / 255


def grey(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((1, SIDE, SIDE)).astype(np.float32)


# Statistics


def test_colours_are_the_shares_of_a_count_pixel_by_pixel():
    picture = pixels(speckles())
    counts = np.zeros((image.HUES, image.SATURATIONS, image.VALUES))
    for colour in picture.reshape(-1, 3).astype(float):
        if max(colour) - min(colour) < 0.02:
            continue  # a grey has no hue
        parts = zip(colorsys.rgb_to_hsv(*colour), counts.shape, strict=True)
        counts[tuple(min(int(share * bins + 1e-6), bins - 1) for share, bins in parts)] += 1
    shares = image.colours(picture)[0]
    assert shares.sum() == pytest.approx(1)
    # Colours on the border of two bins may be counted in either.
    assert np.abs(shares - counts.ravel() / counts.sum()).sum() < 0.02


@pytest.mark.parametrize("colour", ["black", "grey", "white"])
def test_greys_have_no_hue(colour: str):
    where = image.colours(pixels(plain(colour)))[0].reshape(image.HUES, -1)
    assert where[0].sum() == 1


def test_fields_hold_mean_and_deviation_of_every_part():
    picture = pixels(speckles())
    found = image.fields(picture).reshape(image.GRID, image.GRID, 3, 2)
    size = SIDE // image.GRID
    for down in range(image.GRID):
        for right in range(image.GRID):
            part = picture[0, down * size :, right * size :][:size, :size]
            for band in range(3):
                mean, deviation = found[down, right, band]
                assert mean + 0.5 == pytest.approx(part[..., band].mean(), abs=1e-5)
                assert deviation == pytest.approx(part[..., band].std(), abs=1e-5)


def test_patterns_count_who_of_the_neighbours_is_brighter():
    picture = grey(0)
    counts: dict[str, int] = {}
    circle = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    for y in range(1, SIDE - 1):
        for x in range(1, SIDE - 1):
            centre = picture[0, y, x]
            signs = [picture[0, y + down, x + right] > centre + 1e-4 for down, right in circle]
            changes = sum(signs[place] != signs[place - 1] for place in range(8))
            pattern = "".join("10"[not sign] for sign in signs) if changes <= 2 else "others"
            counts[pattern] = counts.get(pattern, 0) + 1
    shares = image.patterns(picture)[0]
    assert shares.shape == (59,)
    assert shares[-1] == pytest.approx(counts.pop("others") / (SIDE - 2) ** 2)
    expected = sorted(count / (SIDE - 2) ** 2 for count in counts.values())
    assert np.allclose(sorted(shares[:-1])[-len(expected) :], expected)


def test_outlines_are_histograms_of_the_gradients_of_each_cell():
    picture = grey(1)
    cells = SIDE // image.CELL
    sums = np.zeros((cells, cells, image.ANGLES))
    for y in range(SIDE):
        for x in range(SIDE):
            above, below = max(y - 1, 0), min(y + 1, SIDE - 1)
            left, right = max(x - 1, 0), min(x + 1, SIDE - 1)
            down = (picture[0, below, x] - picture[0, above, x]) / (below - above)
            across = (picture[0, y, right] - picture[0, y, left]) / (right - left)
            angle = int(atan2(down, across) % pi / pi * image.ANGLES) % image.ANGLES
            sums[y // image.CELL, x // image.CELL, angle] += hypot(down, across)
    blocks = []
    for y in range(0, cells, 2):
        for x in range(0, cells, 2):
            block = sums[y : y + 2, x : x + 2].ravel()
            blocks.append(block / (np.linalg.norm(block) + 0.5))
    assert np.allclose(image.outlines(picture)[0], np.concatenate(blocks), atol=1e-3)


def test_a_plain_picture_has_no_outlines():
    assert not image.outlines(np.full((1, SIDE, SIDE), 0.4, np.float32)).any()


def test_light_moves_no_outline_and_no_pattern():
    picture = grey(2) / 2
    assert np.allclose(image.outlines(picture), image.outlines(picture + 0.3), atol=1e-4)
    assert np.abs(image.patterns(picture) - image.patterns(picture + 0.3)).sum() < 0.01


def test_no_kind_of_statistic_drowns_the_others():
    assert np.linalg.norm(row(speckles())) ** 2 == pytest.approx(5, rel=1e-4)


# The encoder


PICTURES = {
    "red": plain("red"),
    "dark red": plain("#d00000"),
    "blue": plain("blue"),
    "dark blue": plain("#0000d0"),
    "across": stripes(across=True),
    "finer across": stripes(across=True, period=4),
    "upright": stripes(across=False),
    "finer upright": stripes(across=False, period=4),
    "speckles": speckles(),
    "other speckles": speckles(1),
    "black": plain("black"),
    "almost black": plain("#0a0a0a"),
    "white": plain("white"),
    "almost white": plain("#f5f5f5"),
}


def folder_of(folder: Path, pieces: dict[str, bytes]) -> Dataset:
    """A data folder with these picture files, one of each item."""
    (folder / "media").mkdir(parents=True)
    table = {"item": list(pieces), "bytes": list(pieces.values())}
    pl.DataFrame(table).write_parquet(folder / "media" / "image.parquet")
    return replace(world([("u", item) for item in pieces]), folder=folder)


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    pieces = {name: as_file(picture) for name, picture in PICTURES.items()}
    return folder_of(tmp_path, {**pieces, "broken": b"no picture at all"})


def test_pictures_that_look_alike_lie_beside_each_other(data: Dataset):
    vectors, mask = encode(data, ImageStatistics()).vectors
    ids = data.catalog.items.ids.to_list()
    assert [item for item, there in zip(ids, mask.tolist(), strict=True) if not there] == ["broken"]
    alike = (vectors @ vectors.T).fill_diagonal_(-1)
    nearest = {item: ids[near] for item, near in zip(ids, alike.argmax(1).tolist(), strict=True)}
    pairs = [*zip(list(PICTURES)[::2], list(PICTURES)[1::2], strict=True)]
    assert {one: nearest[one] for pair in pairs for one in pair} == {
        one: other for pair in pairs for one, other in (pair, pair[::-1])
    }


def test_what_is_no_picture_is_told(data: Dataset):
    assert encode(data, ImageStatistics()).problems == (("broken", "no picture"),)


def test_rows_do_not_depend_on_the_batch():
    shown = [prepared(picture) for picture in PICTURES.values()]
    look = ImageStatistics().reader("cpu")
    together = look(shown)
    assert together.dtype == np.float32
    assert np.array_equal(together, np.concatenate([look([picture]) for picture in shown]))


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (63, 65)])
def test_pictures_of_every_shape_have_finite_rows_of_one_width(size: tuple[int, int]):
    encoder = ImageStatistics()
    decoded = encoder.decode(as_file(speckles(0, *size)))
    assert decoded.shape == (SIDE, SIDE, 3)
    (found,) = encoder.reader("cpu")([decoded])
    assert np.isfinite(found).all()
    assert found.shape == row(plain("red")).shape


def test_the_size_of_a_picture_hardly_matters():
    large = stripes(across=True, side=256, period=32)
    assert np.linalg.norm(row(large) - row(stripes(across=True))) < 0.1


def test_the_same_pictures_get_the_same_vectors(data: Dataset):
    first = encode(data, ImageStatistics()).vectors.table
    assert encode(data, ImageStatistics(batch=3)).vectors.table.equal(first)


def test_directions_do_not_depend_on_the_order_of_items(data: Dataset, tmp_path: Path):
    pieces = {name: as_file(picture) for name, picture in reversed(PICTURES.items())}
    other = folder_of(tmp_path / "turned", pieces)
    ours, theirs = (encode(one, ImageStatistics(dim=4)).vectors.table for one in (data, other))
    rows = data.catalog.items.rows(list(PICTURES))
    same = other.catalog.items.rows(list(PICTURES))
    assert np.allclose(ours[rows].numpy(), theirs[same].numpy(), atol=1e-4)


def test_few_pictures_fill_few_of_the_columns_and_dim_does_not_change_rows(data: Dataset):
    table = encode(data, ImageStatistics(dim=200)).vectors.table
    assert table.shape == (len(PICTURES) + 1, 200)
    assert not table[:, len(PICTURES) :].any()
    assert "dim" in ImageStatistics.after_rows
