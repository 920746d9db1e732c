"""Bytes become sounds: one channel of samples at one rate."""

import io
from math import gcd

import numpy as np
from numpy.typing import NDArray

from tesserec.content.encoder import Piece, Undecodable
from tesserec.core.errors import MissingExtra

Samples = NDArray[np.float32]


def open_sound(piece: Piece, rate: int, seconds: float) -> Samples:
    """The middle of a sound, all channels in one: at most so many seconds, `rate` samples each.

    WAV, FLAC, OGG, MP3 and what else libsndfile reads. Raises `Undecodable` for anything that is
    no sound or an empty one, `MissingExtra` without soundfile.
    """
    try:
        import soundfile
    except ImportError:
        raise MissingExtra("Sounds need soundfile.", "pip install 'tesserec[audio]'") from None
    content = piece if isinstance(piece, bytes) else piece.encode()
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            wanted = int(seconds * file.samplerate)
            if file.frames > wanted:
                file.seek((file.frames - wanted) // 2)
            samples = file.read(wanted, dtype="float32", always_2d=True)
            own = file.samplerate
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
        raise Undecodable("empty" if not content else "no sound, or a broken one") from error
    if not len(samples):
        raise Undecodable("a sound of no length")
    if not np.isfinite(samples).all():
        raise Undecodable("samples that are no numbers")
    return resampled(samples.mean(1), own, rate)


def resampled(samples: Samples, own: int, rate: int) -> Samples:
    """The same sound with another number of samples in a second: [n] -> [n rate / own]"""
    if own == rate:
        return samples
    from scipy.signal import resample_poly

    common = gcd(own, rate)
    return resample_poly(samples, rate // common, own // common).astype(np.float32)
