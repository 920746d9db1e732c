"""Bytes become pictures, and pictures thumbnails."""

import io
import warnings
from typing import TYPE_CHECKING

from tesserec.content.encoder import Piece, Undecodable
from tesserec.core.errors import MissingExtra

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 100_000_000  # larger ones are taken for an attack on memory


def open_picture(piece: Piece) -> "Image":
    """An upright RGB picture, what is transparent on white, of a moving one the first frame.

    Raises `Undecodable` for anything that is no whole picture, `MissingExtra` without Pillow.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise MissingExtra("Pictures need Pillow.", "pip install 'tesserec[image]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(io.BytesIO(piece if isinstance(piece, bytes) else piece.encode()))
            if opened.width * opened.height > MOST_PIXELS:
                raise Undecodable(f"more than {MOST_PIXELS // 10**6} million pixels")
            upright = ImageOps.exif_transpose(opened)
            if "A" in upright.getbands() or "transparency" in upright.info:
                seen = upright.convert("RGBA")
                paper = Image.new("RGBA", seen.size, "white")
                return Image.alpha_composite(paper, seen).convert("RGB")
            return upright.convert("RGB")
    except Undecodable:
        raise
    except Image.DecompressionBombError:
        raise Undecodable(f"more than {MOST_PIXELS // 10**6} million pixels") from None
    except Exception as error:  # Pillow's readers raise whatever their formats make them
        kind = "empty" if not piece else "no picture, or a broken one"
        raise Undecodable(kind) from error


def thumbnail(piece: Piece, side: int = 96) -> bytes:
    """A WebP picture whose longest side has at most so many pixels. Raises `Undecodable`."""
    picture = open_picture(piece)
    picture.thumbnail((2 * side, side))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=70)
    return file.getvalue()
