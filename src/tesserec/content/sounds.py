"""The bytes of a sound file become samples: one channel, one rate, a bounded length."""

from collections.abc import Iterator
from io import BytesIO
from math import gcd
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tesserec.content.encoder import Undecodable
from tesserec.core.errors import MissingExtra

Samples: TypeAlias = NDArray[np.float32]

BLOCK = 16_384  # frames that are read together, whatever a header says of channels
SLOWEST, FASTEST = 500, 768_000  # Hz; what a header says beyond is damage, and costs memory


def open_sound(piece: bytes, rate: int, seconds: float) -> Samples:
    """Samples of one channel, `rate` of them a second: [n] float32, 1 is full scale.

    Of a longer sound, so many seconds from its middle, where music is past its opening. Channels
    are averaged. soundfile reads WAV, FLAC, OGG and MP3; what it cannot read (AAC, the sound of a
    clip) PyAV reads, where it is installed. Raises `Undecodable` for what is no sound or holds no
    samples, `MissingExtra` without soundfile.
    """
    if not piece:
        raise Undecodable("an empty file")
    samples, own_rate = _by_soundfile(piece, seconds)
    if not len(samples):
        raise Undecodable("a sound without samples")
    samples = resampled(samples, own_rate, rate)[: max(1, round(seconds * rate))]
    if not np.isfinite(samples).all():
        raise Undecodable("a sound with samples that are no numbers")
    return samples


def resampled(samples: Samples, own_rate: int, rate: int) -> Samples:
    """The same sound with `rate` samples a second; what a lower rate cannot hold is filtered."""
    if own_rate == rate:
        return samples
    # Imported here: SciPy's signals take a while that only this function needs.
    from scipy.signal import resample_poly

    common = gcd(own_rate, rate)
    return resample_poly(samples, rate // common, own_rate // common).astype(np.float32)


def _by_soundfile(piece: bytes, seconds: float) -> tuple[Samples, int]:
    try:
        import soundfile
    except ImportError:
        raise MissingExtra(
            "Sounds are read by soundfile, which is not installed.",
            "Run: pip install 'tesserec[audio]'",
        ) from None
    try:
        with soundfile.SoundFile(BytesIO(piece)) as file:
            rate = _checked(file.samplerate)
            wanted = max(1, round(seconds * rate))
            if file.frames > wanted and file.seekable():
                file.seek((file.frames - wanted) // 2)
            return _mixed(_blocks(file, wanted), wanted), rate
    except soundfile.SoundFileError as error:
        return _by_av(piece, seconds, f"no sound that soundfile can read ({_words(error)})")


def _blocks(file: Any, wanted: int) -> Iterator[NDArray[np.float32]]:
    """Blocks [channels, n] of a file that soundfile has open; a damaged one ends early."""
    while wanted > 0:
        block = file.read(min(BLOCK, wanted), dtype="float32", always_2d=True)
        if not len(block):
            return
        wanted -= len(block)
        yield block.T


def _by_av(piece: bytes, seconds: float, problem: str) -> tuple[Samples, int]:
    """What PyAV finds in a file; `problem` is what there is to say if that is nothing."""
    try:
        import av
    except ImportError:
        raise Undecodable(problem) from None
    try:
        with av.open(BytesIO(piece), "r") as container:
            if not container.streams.audio:
                raise Undecodable("a file without sound")
            stream = container.streams.audio[0]
            rate = _checked(stream.rate)
            whole = (container.duration or 0) / av.time_base
            if whole > seconds:
                container.seek(int((whole - seconds) / 2 * av.time_base))
            wanted = max(1, round(seconds * rate))
            return _mixed(_planes(container, stream), wanted), rate
    except (av.FFmpegError, ValueError):
        raise Undecodable(problem) from None


def _planes(container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
    """Blocks [channels, n] of a stream that PyAV has open."""
    import av

    as_floats = av.AudioResampler(format="fltp")
    for frame in container.decode(stream):
        for block in as_floats.resample(frame):
            yield block.to_ndarray().astype(np.float32)


def _mixed(blocks: Iterator[NDArray[np.float32]], wanted: int) -> Samples:
    """The mean of the channels of blocks [channels, n], so many samples of it."""
    parts: list[Samples] = []
    held = 0
    for block in blocks:
        parts.append(block.mean(0, dtype=np.float32))
        held += len(parts[-1])
        if held >= wanted:
            break
    return np.concatenate(parts)[:wanted] if parts else np.empty(0, np.float32)


def _checked(rate: int) -> int:
    if not SLOWEST <= rate <= FASTEST:
        raise Undecodable(f"a sound of {rate} samples a second")
    return rate


def _words(error: Exception) -> str:
    """What libsndfile says, without the address of the buffer it was read from."""
    return str(error).rpartition(": ")[2].rstrip(".")
