"""Small pictures one can describe, and the files that hold them."""

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def plain(colour: str, width: int = 8, height: int = 8) -> Image.Image:
    """One colour everywhere."""
    return Image.new("RGB", (width, height), colour)


def stripes(across: bool, side: int = 64, period: int = 8) -> Image.Image:
    """Black and white stripes, across or upright."""
    dark = np.arange(side) // (period // 2) % 2
    lines = np.broadcast_to(dark[:, None] if across else dark, (side, side))
    return Image.fromarray((lines * 255).astype(np.uint8)).convert("RGB")


def speckles(seed: int = 0, width: int = 64, height: int = 64) -> Image.Image:
    """Pixels drawn at random."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def as_file(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture file."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
