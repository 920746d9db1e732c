"""Sounds without downloads: statistics of the spectrum, reduced by principal components.

Mel spectra and their cepstral coefficients (Davis and Mermelstein, ASSP 1980), their means and
deviations over the sound and over parts of it, as in music similarity (Mandel and Ellis, ISMIR
2005; Tzanetakis and Cook, TSAP 2002). An honest baseline: it knows how a sound is coloured and
how it moves, and nothing about what is said or played.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tesserec.content.encoder import Piece, PieceEncoder, Rows
from tesserec.content.reduction import fitted_pca
from tesserec.content.sounds import Samples, open_sound

Floats = NDArray[np.float32]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]

FLOOR = 1e-8  # of power, 80 dB below a sound of unit level


class AudioStatistics(PieceEncoder):
    """Unit vectors of sounds: what sounds alike lies side by side, however loud it is."""

    modality: ClassVar = "audio"
    window: ClassVar = 128
    after_rows: ClassVar = PieceEncoder.after_rows | {"dim"}

    dim: Count = 64
    rate: Annotated[int, Field(ge=2000)] = 16_000  # samples in a second, as all sounds get
    seconds: Seconds = 30.0  # of the middle of a sound that are listened to
    mels: Count = 40  # bands of the spectrum
    coefficients: Annotated[int, Field(ge=2)] = 20  # cepstral ones
    frame: Seconds = 0.025  # that one spectrum is made of
    hop: Seconds = 0.010  # from one spectrum to the next
    parts: Count = 8  # of equal length, each with means of its own

    def decode(self, piece: Piece) -> Samples:
        return open_sound(piece, self.rate, self.seconds)

    def size(self, decoded: Samples) -> int:
        return len(decoded)

    def reader(self, device: str) -> Callable[[Sequence[Any]], Rows]:
        bands = mel_filters(self.mels, self._points, self.rate)

        def read(sounds: Sequence[Samples]) -> Rows:
            return np.stack([self._statistics(one, bands) for one in sounds])

        return read

    def reduction(self, rows: Rows) -> Callable[[Rows], Rows]:
        return fitted_pca(rows, self.dim, alike=True)

    @property
    def _points(self) -> int:
        """Samples of a frame."""
        return max(2, round(self.frame * self.rate))

    def _statistics(self, samples: Samples, bands: Floats) -> Floats:
        """What one sound is like: [W]"""
        level = float(np.sqrt(np.mean(samples**2)))
        power = spectra(samples / max(level, 1e-6), self._points, round(self.hop * self.rate))
        loudness = 10 * np.log10(power @ bands.T + FLOOR)  # [T, M] decibels
        shape = cepstra(loudness, self.coefficients)[:, 1:]  # the first one is loudness
        moving = np.gradient(shape, axis=0) if len(shape) > 1 else np.zeros_like(shape)
        profile = [part.mean(0) for part in np.array_split(shape, self.parts) if len(part)]
        profile += [profile[-1]] * (self.parts - len(profile))
        rest = _colour(power)
        return np.concatenate(
            [
                *(
                    statistic
                    for one in (shape, moving, rest)
                    for statistic in (one.mean(0), one.std(0))
                ),
                *profile,
                [np.log10(level + 1e-6), np.log10(len(samples) / self.rate)],
            ]
        ).astype(np.float32)


def spectra(samples: Samples, points: int, hop: int) -> Floats:
    """The power spectrum of each frame: [n] -> [T, points // 2 + 1]"""
    missing = max(0, points - len(samples))
    padded = np.pad(samples, (0, missing))
    frames = np.lib.stride_tricks.sliding_window_view(padded, points)[:: max(1, hop)]
    window = np.hanning(points + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window)) ** 2 / np.sum(window**2)
    return power.astype(np.float32)


def mel_filters(mels: int, points: int, rate: int) -> Floats:
    """Triangles that are equally wide to the ear: [mels, points // 2 + 1]

    Mel scale of O'Shaughnessy (1987): m = 2595 log10(1 + f / 700). Each triangle adds up to 1.
    """
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, mels + 2) / 2595) - 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    frequency = np.fft.rfftfreq(points, 1 / rate)[None, :]
    rising, falling = (frequency - low) / (middle - low), (high - frequency) / (high - middle)
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    # A triangle between two frequencies of the spectrum takes the nearest.
    nearest = np.abs(frequency - middle).argmin(1)
    empty = triangles.sum(1) == 0
    triangles[empty, nearest[empty]] = 1
    return (triangles / triangles.sum(1, keepdims=True)).astype(np.float32)


def cepstra(loudness: Floats, count: int) -> Floats:
    """The first coefficients of the cosine transform over the bands: [T, M] -> [T, count]"""
    from scipy.fft import dct

    return dct(loudness, type=2, norm="ortho", axis=1)[:, :count].astype(np.float32)


def _colour(power: Floats) -> Floats:
    """Where the middle of each spectrum lies, how wide and how flat it is: [T, F] -> [T, 3]"""
    place = np.linspace(0, 1, power.shape[1], dtype=np.float32)
    whole = power.sum(1, keepdims=True) + FLOOR
    middle = (power * place).sum(1, keepdims=True) / whole
    width = np.sqrt((power * (place - middle) ** 2).sum(1, keepdims=True) / whole)
    flat = np.exp(np.log(power + FLOOR).mean(1, keepdims=True)) / (whole / power.shape[1])
    return np.concatenate([middle, width, flat], 1)
