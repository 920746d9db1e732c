"""Small clips one can name, and the files that hold them."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from io import BytesIO

import numpy as np

HEIGHT, WIDTH = 48, 64


def plain(red: int, green: int, blue: int) -> np.ndarray:
    """A picture of one colour: [H, W, 3]"""
    return np.full((HEIGHT, WIDTH, 3), (red, green, blue), np.uint8)


def square(left: int, top: int = 16) -> np.ndarray:
    """A white square on black."""
    picture = plain(0, 0, 0)
    picture[top : top + 16, left : left + 16] = 255
    return picture


def moving(count: int = 20) -> list[np.ndarray]:
    """The square goes from left to right."""
    return [square(2 * at) for at in range(count)]


def still(count: int = 20) -> list[np.ndarray]:
    return [square(20)] * count


def fading(count: int = 20) -> list[np.ndarray]:
    """Each frame tells its number by its grey: ten times as much."""
    return [plain(*[10 * at] * 3) for at in range(count)]


def as_clip(
    pictures: Iterable[np.ndarray],
    rate: int = 10,
    form: str = "mp4",
    codec: str = "mpeg4",
    keys: int = 5,
    sound: Callable[[], np.ndarray] | None = None,
) -> bytes:
    """The bytes of a clip with a key frame every so many frames, and with sound where given."""
    import av

    file = BytesIO()
    with av.open(file, "w", format=form) as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size, stream.bit_rate = keys, 4_000_000
        heard = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
        if heard is not None:
            samples = sound().astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate = 16_000
            container.mux([*heard.encode(frame), *heard.encode(None)])
    return file.getvalue()
