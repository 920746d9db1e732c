"""Small sounds one can name, and the files that hold them."""

from io import BytesIO

import numpy as np
import soundfile


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000, height: float = 0.5) -> np.ndarray:
    """One pure tone: [n]"""
    at = np.arange(round(seconds * rate)) / rate
    return height * np.sin(2 * np.pi * hertz * at)


def noise(seconds: float = 0.5, rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """White noise: [n]"""
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * rate))


def as_file(samples: np.ndarray, rate: int = 16_000, kind: str = "WAV", sub: str | None = None):
    """The bytes of a sound file of samples [n] or [n, channels]."""
    file = BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=sub)
    return file.getvalue()
