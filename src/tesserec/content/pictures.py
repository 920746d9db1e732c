"""Bytes become pictures, and pictures thumbnails."""

import io
from typing import TYPE_CHECKING

import numpy as np

from tesserec.content.encoder import Piece, Undecodable
from tesserec.core.errors import MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 80_000_000  # larger ones are taken for an attack on memory


def open_picture(piece: Piece) -> "Image":
    """An upright RGB picture, what is transparent on white, of a moving one the first frame.

    Raises `Undecodable` for anything that is no whole picture, `MissingExtra` without Pillow.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtra("Pictures need Pillow.", "pip install 'tesserec[image]'") from None
    if not piece:
        raise Undecodable("empty")
    try:
        opened = Image.open(io.BytesIO(piece if isinstance(piece, bytes) else piece.encode()))
        _refuse_attacks(opened)
        return _upright(opened)
    except Undecodable:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Undecodable(_TOO_LARGE) from None
    except UnidentifiedImageError:
        raise Undecodable("no picture") from None
    except Exception as error:  # Pillow's readers raise whatever their formats make them
        raise Undecodable("a broken picture") from error


def thumbnail(piece: Piece, side: int = 96) -> bytes:
    """A WebP picture whose longest side has at most so many pixels. Raises `Undecodable`."""
    picture = open_picture(piece)
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=70)
    return file.getvalue()


_TOO_LARGE = f"more than {MOST_PIXELS // 10**6} million pixels"


def _refuse_attacks(opened: "Image") -> None:
    if opened.width * opened.height > MOST_PIXELS:
        raise Undecodable(_TOO_LARGE)
    if opened.format == "EPS":  # Pillow would have Ghostscript run it
        raise Undecodable("PostScript, which is a program")


def _upright(opened: "Image") -> "Image":
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(opened)
    if upright.mode.startswith("I"):  # 16 bits, of which Pillow would cut off all that is bright
        upright = Image.fromarray((np.asarray(upright) / 257).clip(0, 255).astype(np.uint8))
    if "A" in upright.getbands() or "transparency" in upright.info:
        seen = upright.convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(paper, seen).convert("RGB")
    return upright.convert("RGB")
