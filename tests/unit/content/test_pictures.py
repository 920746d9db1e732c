"""Files of every kind become the same RGB picture, and what is none says why."""

import struct
import sys
import zlib
from io import BytesIO

import numpy as np
import pytest

from tesserec.content.encoder import Undecodable
from tesserec.content.pictures import MOST_PIXELS, open_picture, thumbnail
from tesserec.core.errors import MissingExtra

Image = pytest.importorskip("PIL.Image")

from toys.pictures import as_file, plain, speckles  # noqa: E402

RED, WHITE = (255, 0, 0), (255, 255, 255)


def corner(piece: bytes) -> tuple[int, ...]:
    picture = open_picture(piece)
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG"])
def test_red_is_red_in_every_kind_of_file(kind: str):
    options = {"lossless": True} if kind == "WEBP" else {}
    assert corner(as_file(plain("red"), kind, **options)) == pytest.approx(RED, abs=2)


def palette() -> bytes:
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    return as_file(picture)


@pytest.mark.parametrize(
    ("piece", "colour"),
    [
        pytest.param(palette(), RED, id="palette"),
        pytest.param(as_file(Image.new("L", (4, 4), 77)), (77, 77, 77), id="grey"),
        pytest.param(as_file(Image.new("1", (4, 4), 1)), WHITE, id="black and white"),
        pytest.param(
            as_file(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"), RED, id="printing inks"
        ),
    ],
)
def test_colours_are_told_in_every_mode(piece: bytes, colour: tuple[int, ...]):
    assert corner(piece) == pytest.approx(colour, abs=2)


def test_sixteen_bits_keep_their_shades():
    shades = np.arange(256, dtype=np.uint16).reshape(16, 16)
    seen = np.asarray(open_picture(as_file(Image.fromarray(257 * shades))))
    assert np.array_equal(seen, np.repeat(shades[:, :, None], 3, 2))


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGBA", (4, 4), (255, 0, 0, 0)),
        Image.new("LA", (4, 4), (0, 0)),
        Image.new("P", (4, 4), 0),
    ],
    ids=["colour", "grey", "palette"],
)
def test_what_is_transparent_is_white(picture):
    options = {"transparency": 0} if picture.mode == "P" else {}
    assert corner(as_file(picture, **options)) == WHITE


def test_what_is_half_transparent_is_half_white():
    assert corner(as_file(Image.new("RGBA", (4, 4), (255, 0, 0, 127)))) == (255, 128, 128)


def test_of_a_moving_picture_the_first_frame_is_seen():
    moving = as_file(plain("red"), "GIF", save_all=True, append_images=[plain("blue")])
    assert corner(moving) == RED


def test_a_camera_held_sideways_gives_an_upright_picture():
    picture = plain("red", 40, 20)
    picture.paste((0, 0, 255), (0, 0, 20, 20))  # blue on the left
    turned = Image.Exif()
    turned[0x0112] = 6  # what is on the left belongs on top
    upright = open_picture(as_file(picture, "PNG", exif=turned))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5)) == (0, 0, 255)
    assert upright.getpixel((10, 35)) == RED


def huge() -> bytes:
    """A PNG that says it holds more pixels than are opened; it holds none."""
    side = int(MOST_PIXELS**0.5) + 1

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"a letter to a friend", "no picture", id="text"),
        pytest.param("a text", "no picture", id="string"),
        pytest.param(as_file(speckles())[:3000], "broken", id="cut PNG"),
        pytest.param(as_file(speckles(), "JPEG")[:3000], "broken", id="cut JPEG"),
        pytest.param(as_file(plain("red"), "EPS"), "program", id="PostScript"),
        pytest.param(huge(), "million pixels", id="huge"),
    ],
)
def test_what_is_no_whole_picture_says_why(piece: bytes, why: str):
    with pytest.raises(Undecodable, match=why):
        open_picture(piece)


@pytest.mark.filterwarnings("error::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("times", [1.5, 4])
def test_what_pillow_takes_for_a_bomb_is_refused_be_it_a_warning_or_an_error(
    times: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(64 * 64 / times))
    with pytest.raises(Undecodable, match="million pixels"):
        open_picture(as_file(speckles()))


def test_a_thumbnail_keeps_its_shape_and_is_never_larger_than_the_picture():
    def size(width: int, height: int) -> tuple[int, int]:
        return Image.open(BytesIO(thumbnail(as_file(plain("red", width, height)), 32))).size

    assert (size(64, 32), size(32, 128), size(10, 5)) == ((32, 16), (8, 32), (10, 5))


def test_without_pillow_the_cure_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    piece = as_file(plain("red"))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"tesserec\[image\]"):
        open_picture(piece)
