"""Pictures without downloads: colours, textures and outlines, reduced by principal components.

Colour histograms (Swain and Ballard, IJCV 1991), colour moments on a grid (Stricker and Orengo,
SPIE 1995), local binary patterns (Ojala et al., PAMI 2002) and histograms of oriented gradients
(Dalal and Triggs, CVPR 2005). An honest baseline: it knows what a picture looks like, and nothing
about what is shown.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tesserec.content.encoder import Piece, Rows
from tesserec.content.pictures import open_picture
from tesserec.content.reduced import ReducedEncoder

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[Any]  # of np.float32

SIDE = 64  # pixels that every picture is scaled to, whatever its shape
GRID = 4  # fields of a side, for colours
CELL = 8  # pixels of a side, for outlines
HUES, SATURATIONS, VALUES = 8, 3, 3
ANGLES = 9


class ImageStatistics(ReducedEncoder):
    """Unit vectors of pictures: what looks alike lies side by side."""

    modality: ClassVar = "image"

    def decode(self, piece: Piece) -> NDArray[np.uint8]:
        return prepared(open_picture(piece))

    def reader(self, device: str) -> Callable[[Sequence[Any]], Rows]:
        return statistics


def prepared(picture: "Image") -> NDArray[np.uint8]:
    """The picture, squeezed into a square: [SIDE, SIDE, 3]"""
    from PIL import Image

    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def statistics(pictures: Sequence[NDArray[np.uint8]]) -> Floats:
    """What each of n prepared pictures looks like; each kind of figures has unit length: [n, W]"""
    pixels = np.stack(pictures).astype(np.float32) / 255
    grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    half = grey.reshape(len(grey), SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    kinds = [
        np.sqrt(colours(pixels)),
        fields(pixels),
        np.sqrt(patterns(grey)),
        np.sqrt(patterns(half)),
        outlines(grey),
    ]
    return np.concatenate([_unit(kind) for kind in kinds], 1)


def colours(pixels: Floats) -> Floats:
    """Shares of the pixels by hue, saturation and value: [n, S, S, 3] -> [n, bins]"""
    value, least = pixels.max(-1), pixels.min(-1)
    span = value - least
    saturation = span / np.maximum(value, 1e-6)
    red, green, blue = np.moveaxis(pixels, -1, 0)
    safe = np.maximum(span, 1e-6)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / safe % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    hue = np.where(span < 0.02, 0, hue)  # greys have none
    place = _bin(hue / 6, HUES) * SATURATIONS + _bin(saturation, SATURATIONS)
    return _shares(place * VALUES + _bin(value, VALUES), HUES * SATURATIONS * VALUES)


def fields(pixels: Floats) -> Floats:
    """Mean and deviation of each colour in each field of a grid: [n, S, S, 3] -> [n, 6 GRID^2]"""
    size = SIDE // GRID
    parts = pixels.reshape(len(pixels), GRID, size, GRID, size, 3)
    moments = np.stack([parts.mean((2, 4)) - 0.5, parts.std((2, 4))], -1)
    return moments.reshape(len(pixels), -1)


def patterns(grey: Floats) -> Floats:
    """Shares of the pixels by which of their neighbours are brighter: [n, S, S] -> [n, 59]

    Patterns that change from darker to brighter more than once around the pixel are one bin.
    """
    inner = grey[:, 1:-1, 1:-1]
    code = np.zeros(inner.shape, np.int64)
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    height, width = inner.shape[1:]
    for bit, (down, right) in enumerate(around):
        other = grey[:, down : down + height, right : right + width]
        code |= (other > inner + 1e-4).astype(np.int64) << bit
    return _shares(_uniform()[code], 59)


def outlines(grey: Floats) -> Floats:
    """Directions of the gradients in cells, each block of four cells of unit length: [n, W]"""
    down, right = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, right)
    angle = np.arctan2(down, right) % np.pi / np.pi  # of an edge, not of its sides
    count = SIDE // CELL
    cell = np.arange(SIDE) // CELL
    place = (cell[:, None] * count + cell) * ANGLES + _bin(angle, ANGLES)
    cells = _sums(place, strength, count * count * ANGLES)
    blocks = cells.reshape(len(grey), count // 2, 2, count // 2, 2, ANGLES).swapaxes(2, 3)
    blocks = blocks.reshape(len(grey), -1, 4 * ANGLES)
    lengths = np.linalg.norm(blocks, axis=-1, keepdims=True)
    return (blocks / (lengths + 0.5)).reshape(len(grey), -1)


def _uniform() -> NDArray[np.int64]:
    """The bin of each pattern of eight neighbours: [256]"""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(1)
    return np.where(changes <= 2, np.cumsum(changes <= 2) - 1, 58)


def _bin(share: Floats, count: int) -> NDArray[np.int64]:
    return np.minimum((share * count).astype(np.int64), count - 1)


def _shares(place: NDArray[np.int64], bins: int) -> Floats:
    """How many of each picture's pixels fall into each bin, of all: [n, ...] -> [n, bins]"""
    counts = _sums(place, np.ones(place.shape, np.float32), bins)
    return counts / np.prod(place.shape[1:], dtype=np.float32)


def _sums(place: NDArray[np.int64], weight: Floats, bins: int) -> Floats:
    """Weights added up by picture and bin: [n, ...], [n, ...] -> [n, bins]"""
    count = len(place)
    first = np.arange(count).reshape(-1, *[1] * (place.ndim - 1)) * bins
    flat = np.bincount((place + first).ravel(), weight.ravel(), count * bins)
    return flat.reshape(count, bins).astype(np.float32)


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.maximum(lengths, 1e-6)).astype(np.float32)
