"""Files of sounds become samples."""

import sys
from io import BytesIO

import numpy as np
import pytest

from tesserec.content.encoder import Undecodable
from tesserec.content.sounds import open_sound, resampled
from tesserec.core.errors import MissingExtra
from toys.sounds import as_file, noise, tone

pytest.importorskip("soundfile")

KINDS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_16"), ("OGG", "VORBIS")]
KINDS += [("MP3", "MPEG_LAYER_III")]


def loudest_hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return spectrum.argmax() * rate / len(samples)


@pytest.mark.parametrize(("kind", "sub"), KINDS)
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_tone_keeps_its_pitch_and_length_in_every_kind_of_file(kind: str, sub: str, rate: int):
    samples = open_sound(as_file(tone(440, 1.0, rate), rate, kind, sub), 16_000, 10)
    assert samples.dtype == np.float32
    assert len(samples) == pytest.approx(16_000, rel=0.1)  # MP3 fills up its last block
    assert loudest_hertz(samples, 16_000) == pytest.approx(440, abs=2)


def test_samples_of_the_wanted_rate_come_as_they_are():
    wanted = tone(440).astype(np.float32)
    assert np.array_equal(open_sound(as_file(wanted, sub="FLOAT"), 16_000, 10), wanted)


def test_channels_are_averaged():
    left, right = tone(300), noise()
    both = open_sound(as_file(np.stack([left, right], 1), sub="FLOAT"), 16_000, 10)
    assert np.allclose(both, (left + right) / 2, atol=1e-6)


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_of_a_long_sound_the_middle_is_taken(kind: str):
    long = np.concatenate([tone(300, 2), tone(900, 1), tone(2000, 2)])
    samples = open_sound(as_file(long, kind=kind), 16_000, 0.8)
    assert len(samples) == round(0.8 * 16_000)
    assert loudest_hertz(samples, 16_000) == pytest.approx(900, abs=3)


def test_what_a_lower_rate_cannot_hold_is_filtered_and_does_not_come_back_as_another_tone():
    both = tone(1000, 1.0, 44_100) + tone(7000, 1.0, 44_100)
    low = resampled(both.astype(np.float32), 44_100, 8_000)
    inner = low[400:-400]
    expected = tone(1000, 1.0, 8_000)[400:-400]
    assert np.abs(inner - expected).max() < 0.02


def test_a_sound_of_one_sample_opens():
    assert len(open_sound(as_file(np.array([0.5])), 16_000, 1)) == 1


def not_numbers() -> bytes:
    return as_file(np.array([0.0, np.nan, 1.0]), sub="FLOAT")


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (b"", "empty"),
        (b"this is no sound", "no sound"),
        (bytes(5000), "no sound"),
        (np.random.default_rng(0).bytes(5000), "no sound"),
        (as_file(noise(), kind="FLAC")[:200], "no sound"),
        (as_file(np.empty(0)), "without samples"),
        (not_numbers(), "no numbers"),
        (as_file(noise(), rate=1), "1 samples a second"),
    ],
    ids=["empty", "text", "zeros", "noise", "cut", "no samples", "not finite", "rate"],
)
def test_what_is_no_sound_says_why(piece: bytes, why: str):
    with pytest.raises(Undecodable, match=why):
        open_sound(piece, 16_000, 10)


def test_a_file_cut_in_its_samples_gives_what_is_there():
    whole = as_file(tone(440, 1.0))
    samples = open_sound(whole[: len(whole) // 2], 16_000, 10)
    assert len(samples) == pytest.approx(8_000, abs=50)


def aac(seconds: float) -> bytes:
    av = pytest.importorskip("av")
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        samples = tone(440, seconds, 44_100).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44_100
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_what_soundfile_cannot_read_pyav_reads(seconds: float):
    samples = open_sound(aac(seconds), 16_000, 1.5)
    assert len(samples) == pytest.approx(16_000 * min(seconds, 1.5), rel=0.1)
    assert loudest_hertz(samples, 16_000) == pytest.approx(440, abs=2)


def test_without_pyav_what_soundfile_cannot_read_is_undecodable(monkeypatch: pytest.MonkeyPatch):
    piece = aac(1.0)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(Undecodable, match="no sound that soundfile can read"):
        open_sound(piece, 16_000, 10)


def test_without_soundfile_the_cure_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingExtra, match=r"tesserec\[audio\]"):
        open_sound(b"anything", 16_000, 10)
