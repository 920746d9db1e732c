"""Sound without downloads: cepstra over time and the shape of spectra, reduced by PCA.

Cepstra as Davis and Mermelstein (IEEE Trans. ASSP 1980) use them for words, their statistics
over time as Tzanetakis and Cook (IEEE Trans. SAP 2002) use them for music. An honest baseline: it
knows how a recording sounds and how that changes within it, and nothing of what it means.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tesserec.content.encoder import Piece, Rows
from tesserec.content.reduced import ReducedEncoder
from tesserec.content.sounds import Samples, open_sound
from tesserec.content.spectra import (
    cepstra,
    decibels,
    deltas,
    framed,
    mel_bands,
    power_spectra,
)

Count = Annotated[int, Field(ge=1)]
Above0 = Annotated[float, Field(gt=0)]
Reals = NDArray[np.float64]

REACH = 80  # decibels below the loudest band of a recording at which all is silence


class AudioStatistics(ReducedEncoder):
    """Unit vectors of sounds, by timbre and its course. Nearly the same for loud and quiet takes.

    Sounds recorded with fewer samples a second than `rate` have nothing in the upper bands; where
    all are so, those bands do no harm.
    """

    modality: ClassVar = "audio"
    window: ClassVar[int] = 64  # half a minute of samples is 2 MB

    rate: Annotated[int, Field(ge=1000)] = 16_000  # samples a second that sounds are brought to
    seconds: Above0 = 30.0  # of the middle of a sound are looked at
    frame: Above0 = 0.025  # seconds
    hop: Above0 = 0.010  # seconds
    mels: Count = 40
    coefficients: Count = 20  # cepstra, the first of which is loudness
    parts: Count = 8  # equal ones, so that the order of sounds counts
    silence: Above0 = 30.0  # decibels below the loudest frame; such ends are cut off

    def decode(self, piece: Piece) -> Samples:
        assert isinstance(piece, bytes)
        return open_sound(piece, self.rate, self.seconds)

    def reader(self, device: str) -> Callable[[Sequence[Samples]], Rows]:
        return lambda sounds: np.stack([self._row(sound) for sound in sounds])

    def _row(self, samples: Samples) -> Rows:
        """Everything that is measured of one sound: [W] float32"""
        length = max(2, round(self.frame * self.rate))
        step = max(1, round(self.hop * self.rate))
        frames = sounding(
            framed(samples - samples.mean(dtype=np.float64), length, step), self.silence
        )
        power = power_spectra(frames)
        bands = power @ mel_bands(self.mels, power.shape[1], self.rate).T  # [T, F] -> [T, M]
        levels = decibels(bands, REACH)
        loudness = decibels(bands.sum(1).mean(keepdims=True), REACH)
        coefficients = cepstra(levels - loudness, self.coefficients)
        facts = [
            *moments(coefficients),
            deltas(coefficients).std(0),
            course(coefficients - coefficients.mean(0), self.parts),
            *moments(shapes(frames, power, levels))[:2],
            loudness,
            np.log([len(frames) * self.hop]),
        ]
        return np.concatenate(facts).astype(np.float32)


def sounding(frames: Reals, silence: float) -> Reals:
    """The frames from the first to the last that is not `silence` decibels below the loudest."""
    loudness = decibels((frames**2).mean(1), REACH)
    loud = np.flatnonzero(loudness >= loudness.max() - silence)
    return frames[loud[0] : loud[-1] + 1]


def moments(values: Reals) -> tuple[Reals, Reals, Reals]:
    """Mean, deviation and skew over time of values [T, D]: three times [D]"""
    mean, deviation = values.mean(0), values.std(0)
    third = ((values - mean) ** 3).mean(0)
    return mean, deviation, third / np.maximum(deviation, 1e-6) ** 3


def course(values: Reals, parts: int) -> Reals:
    """Means over so many equal parts of time, which share frames where there are few: [parts D]"""
    count = len(values)
    ends = [(part * count // parts, -(-(part + 1) * count // parts)) for part in range(parts)]
    return np.concatenate([values[first:last].mean(0) for first, last in ends])


def shapes(frames: Reals, power: Reals, levels: Reals) -> Reals:
    """Centre, width and flatness of each spectrum, zero crossings and loudness: [T, 5]

    Centre and width are shares of half the sampling rate, crossings of the samples; flatness, the
    mean level over bands beside the level of their mean power, and loudness are in decibels.
    """
    at = np.linspace(0, 1, power.shape[1])
    total = np.maximum(power.sum(1), np.finfo(np.float64).tiny)
    centre = power @ at / total
    width = np.sqrt(np.maximum(power @ at**2 / total - centre**2, 0))
    flatness = levels.mean(1) - 10 * np.log10((10 ** (levels / 10)).mean(1))
    crossings = (np.diff(np.signbit(frames), axis=1)).mean(1)
    loudness = decibels(total, REACH)
    return np.stack([centre, width, flatness, crossings, loudness - loudness.mean()], 1)
