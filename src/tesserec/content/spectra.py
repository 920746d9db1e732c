"""Sound over time and pitch: frames, power spectra, mel bands, cepstra, deltas.

Mel bands and cepstra as in Davis and Mermelstein (IEEE Trans. ASSP 1980), on the mel scale
2595 log10(1 + f / 700); deltas as in Furui (IEEE Trans. ASSP 1986).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

QUIETEST = 1e-10  # the least power there is: -100 dB, where full scale is 0 dB


def framed(samples: NDArray[Any], length: int, hop: int) -> Reals:
    """Overlapping frames of so many samples, one each `hop`: [T, length].

    A sound shorter than a frame is filled up with silence; what is left at the end is dropped.
    """
    whole = np.zeros(max(length, len(samples)))
    whole[: len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(whole, length)[::hop]


def power_spectra(frames: Reals) -> Reals:
    """The power at frequencies from 0 to half the sampling rate, of frames [T, N]: [T, F].

    Under a Hann window, filled up with zeros to twice the length or more, so that narrow mel
    bands hold a frequency. The sum over F is about the mean square of a frame.
    """
    length = frames.shape[1]
    window = np.hanning(length + 2)[1:-1]
    size = 1 << (2 * length - 1).bit_length()
    spectra = np.abs(np.fft.rfft(frames * window, size)) ** 2
    return spectra * (2 / (size * (window**2).sum()))


def mel_bands(count: int, frequencies: int, rate: int) -> Reals:
    """Triangles of height 1, evenly spaced in pitch from 0 to half the rate: [M, F]."""
    centres = mel_centres(count, rate)
    edges = np.concatenate([[0.0], centres, [rate / 2]])
    at = np.linspace(0, rate / 2, frequencies)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return np.clip(np.minimum((at - low) / (centre - low), (high - at) / (high - centre)), 0, None)


def mel_centres(count: int, rate: int) -> Reals:
    """The frequencies in Hz at which the bands are highest: [M]."""
    highest = 2595 * np.log10(1 + rate / 2 / 700)
    mels = np.linspace(0, highest, count + 2)[1:-1]
    return 700 * (10 ** (mels / 2595) - 1)


def decibels(power: Reals, reach: float) -> Reals:
    """10 log10 of the power, at least the loudest minus `reach`."""
    loudest = max(float(power.max()), QUIETEST)
    return 10 * np.log10(np.maximum(power, loudest * 10 ** (-reach / 10)))


def cepstra(log_bands: Reals, count: int) -> Reals:
    """The first coefficients of an orthonormal DCT-II over bands: [T, M] -> [T, count]."""
    from scipy.fft import dct

    coefficients: Reals = dct(log_bands, type=2, norm="ortho", axis=1)
    return coefficients[:, :count]


def deltas(values: Reals, reach: int = 2) -> Reals:
    """The slope of a line through each value and its neighbours in time: [T, D] -> [T, D]."""
    ends = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    count = len(values)
    slopes = np.zeros_like(values)
    for step in range(1, reach + 1):
        after, before = ends[reach + step :][:count], ends[reach - step :][:count]
        slopes += step * (after - before)
    return slopes / (2 * sum(step**2 for step in range(1, reach + 1)))
