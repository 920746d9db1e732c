"""Pixels: pictures as they are, small and square, for what learns from them itself."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tesserec.content.encoder import Modality, Piece, PieceEncoder, Rows
from tesserec.content.pictures import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image


class Pixels(PieceEncoder):
    """Red, green and blue of each pixel, from 0 to 1, of the square in a picture's middle."""

    modality: ClassVar[Modality] = "image"

    side: Annotated[int, Field(ge=1)] = 64  # pixels

    @property
    def name(self) -> str:
        return "pixels"

    def decode(self, piece: Piece) -> NDArray[np.uint8]:
        return middle(open_picture(piece), self.side)

    def reader(self, device: str) -> Callable[[Sequence[Any]], Rows]:
        return flat


def middle(picture: "Image", side: int) -> NDArray[np.uint8]:
    """The largest square in the middle, scaled: [side, side, 3]"""
    from PIL import ImageOps
    from PIL.Image import Resampling

    return np.asarray(ImageOps.fit(picture, (side, side), Resampling.BOX))


def flat(pictures: Sequence[NDArray[np.uint8]]) -> Rows:
    """All pixels of one colour, then of the next: [n, 3 side side]"""
    colours = np.stack(pictures).transpose(0, 3, 1, 2)
    return (colours.reshape(len(colours), -1) / np.float32(255)).astype(np.float32)
