"""Pixels: pictures as they are."""

import numpy as np
import pytest

pytest.importorskip("PIL.Image")

from PIL import Image

from tesserec.content.encoder import Undecodable
from tesserec.content.pixels import Pixels
from toys.pictures import as_file


def test_it_is_the_square_in_the_middle_colour_by_colour() -> None:
    wide = Image.new("RGB", (12, 4), "green")
    wide.paste((255, 0, 0), (4, 0, 6, 4))
    wide.paste((0, 0, 255), (6, 0, 8, 4))
    encoder = Pixels(side=4)
    row = encoder.reader("cpu")([encoder.decode(as_file(wide))])
    assert row.shape == (1, 48)
    assert row.dtype == np.float32
    red, green, blue = row.reshape(3, 4, 4)
    assert red.tolist() == [[1, 1, 0, 0]] * 4
    assert not green.any()
    assert blue.tolist() == [[0, 0, 1, 1]] * 4


def test_what_is_no_picture_is_none() -> None:
    with pytest.raises(Undecodable):
        Pixels().decode(b"not a picture")
