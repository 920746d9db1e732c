"""The bytes of a clip become a few pictures of it, spread over its length, each with a later one.

A clip is gone through twice: once without decoding, to know when its frames are shown; once
decoding, where stretches that nothing is wanted of are jumped over from key frame to key frame.
No more than one frame is held beside what is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tesserec.content.encoder import Undecodable
from tesserec.core.errors import MissingExtra

Kept = TypeVar("Kept")

LARGEST = 1 << 26  # pixels of a frame; what a header says beyond is damage, and costs memory
WHOLE = 0.9  # of the frames that a header speaks of; a clip that has fewer was cut short


class Timetable(NamedTuple):
    """When frames are shown, in the clip's own unit; by number where the clip does not say."""

    shown: list[int]  # in order
    keys: list[int]  # of them, those that need no others; none where frames have few times
    unit: float  # seconds


def open_clip(
    piece: bytes, count: int, apart: float, keep: Callable[[Any], Kept]
) -> list[tuple[Kept, Kept]]:
    """So many pictures, evenly spread, each with the first one at least `apart` seconds later.

    `keep` is called with each picture (PIL) and says what is held of it. A clip with fewer frames
    gives each once; the last frame is its own neighbour. Raises `Undecodable` for what is no
    clip, is cut short or holds no frame, `MissingExtra` without PyAV.
    """
    if not piece:
        raise Undecodable("an empty file")
    with _opened(piece) as (container, stream):
        times = _timetable(container, stream)
    if not times.shown:
        raise Undecodable("a clip without frames")
    pairs = chosen(times, count, apart)
    wanted = sorted({frame for pair in pairs for frame in pair})
    with _opened(piece) as (container, stream):
        pictures = _decoded(container, stream, times, wanted)
        kept = {number: keep(picture) for number, picture in pictures}
    return [(kept[frame], kept[later]) for frame, later in pairs]


def chosen(times: Timetable, count: int, apart: float) -> list[tuple[int, int]]:
    """The numbers of evenly spread frames, and of the frame that is compared with each."""
    total = len(times.shown)
    middles = ((2 * np.arange(count) + 1) * total // (2 * count)).tolist()
    wait = max(1, round(apart / times.unit))
    later = np.searchsorted(times.shown, [times.shown[frame] + wait for frame in middles])
    pairs = zip(middles, np.minimum(later, total - 1).tolist(), strict=True)
    return list(dict.fromkeys(pairs))


def _timetable(container: Any, stream: Any) -> Timetable:
    packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size]
    if len(packets) < WHOLE * stream.frames:
        raise Undecodable(f"a clip cut short: {len(packets)} of {stream.frames} frames")
    shown = sorted({at for at, _ in packets if at is not None})
    keys = sorted(at for at, key in packets if key and at is not None)
    if keys and len(shown) > len(packets) // 2:
        return Timetable(shown, keys, float(stream.time_base))
    rate = stream.average_rate or stream.guessed_rate or 25
    return Timetable(list(range(len(packets))), [], 1 / float(rate))


def _decoded(
    container: Any, stream: Any, times: Timetable, wanted: Sequence[int]
) -> Iterator[tuple[int, Any]]:
    """The wanted frames as pictures with their numbers, in order.

    A frame that is in the timetable and never shown gives the next one, or the last there is.
    """
    size = {"width": stream.width, "height": stream.height}  # frames may change theirs
    frames, here, frame = _timed(container, stream, times), times.shown[0] - 1, None
    for number in wanted:
        goal = times.shown[number]
        keys = [at for at in times.keys if here < at <= goal]
        if len(keys) > 2:  # transport streams may land on the key frame after the wanted one
            container.seek(keys[-2], stream=stream)
            frames = _timed(container, stream, times)
        while here < goal and (following := next(frames, None)):
            here, frame = following
        if frame is None:
            raise Undecodable("a clip of which no frame can be decoded")
        yield number, frame.to_image(**size)


def _timed(container: Any, stream: Any, times: Timetable) -> Iterator[tuple[int, Any]]:
    """Frames from here on, and when they are shown."""
    for number, frame in enumerate(container.decode(stream)):
        if not times.keys:
            yield number, frame
        elif frame.pts is not None:
            yield frame.pts, frame


@contextmanager
def _opened(piece: bytes) -> Iterator[tuple[Any, Any]]:
    """The container and its stream of pictures; what goes wrong within makes it undecodable."""
    try:
        import av
    except ImportError:
        raise MissingExtra(
            "Clips are read by PyAV, which is not installed.",
            "Run: pip install 'tesserec[video]'",
        ) from None
    try:
        with av.open(BytesIO(piece), "r") as container:
            if not container.streams.video:
                raise Undecodable("a file without pictures")
            stream = container.streams.video[0]
            if not 0 < stream.width * stream.height <= LARGEST:
                raise Undecodable(f"a clip of {stream.width} x {stream.height} pixels")
            stream.thread_count = 1
            yield container, stream
    except (av.FFmpegError, ValueError) as error:
        raise Undecodable("no clip that PyAV can read") from error
