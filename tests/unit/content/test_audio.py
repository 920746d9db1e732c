"""AudioStatistics and the spectra it is made of, against slow and obvious references."""

from dataclasses import replace
from math import cos, log10, pi, sqrt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tesserec.content.audio import AudioStatistics, course, sounding
from tesserec.content.encoding import encode
from tesserec.content.spectra import (
    cepstra,
    decibels,
    deltas,
    framed,
    mel_bands,
    mel_centres,
    power_spectra,
)
from tesserec.core import Dataset
from toys.sounds import as_file, noise, tone
from toys.worlds import world

pytest.importorskip("soundfile")

RATE = 16_000


def row(samples: np.ndarray, rate: int = RATE, **fields) -> np.ndarray:
    encoder = AudioStatistics(**fields)
    return encoder.reader("cpu")([encoder.decode(as_file(samples, rate, sub="FLOAT"))])[0]


# Spectra


@pytest.mark.parametrize(("count", "length", "hop"), [(10, 4, 2), (11, 4, 3), (4, 4, 1), (3, 4, 2)])
def test_frames_are_slices_one_each_hop(count: int, length: int, hop: int):
    samples = np.arange(1, count + 1, dtype=np.float32)
    filled = [*samples.tolist(), *[0.0] * (length - count)]
    slices = [filled[at : at + length] for at in range(0, len(filled) - length + 1, hop)]
    assert framed(samples, length, hop).tolist() == slices


def mel(hertz: float) -> float:
    return 2595 * log10(1 + hertz / 700)


def test_mel_bands_are_triangles_over_evenly_spaced_pitches():
    count, frequencies, rate = 6, 65, 8_000
    corners = [700 * (10 ** (k * mel(rate / 2) / (count + 1) / 2595) - 1) for k in range(count + 2)]
    expected = np.zeros((count, frequencies))
    for band in range(count):
        low, centre, high = corners[band : band + 3]
        for f in range(frequencies):
            hertz = f * rate / 2 / (frequencies - 1)
            if low < hertz <= centre:
                expected[band, f] = (hertz - low) / (centre - low)
            elif centre < hertz < high:
                expected[band, f] = (high - hertz) / (high - centre)
    assert np.allclose(mel_bands(count, frequencies, rate), expected)


def test_every_band_holds_a_frequency():
    encoder = AudioStatistics()
    frames = framed(noise(), round(encoder.frame * RATE), 160)
    assert mel_bands(encoder.mels, power_spectra(frames).shape[1], RATE).any(1).all()


@pytest.mark.parametrize("hertz", [120, 440, 1000, 3000, 7000])
def test_a_pure_tone_lights_up_the_band_of_its_pitch(hertz: float):
    power = power_spectra(framed(tone(hertz), 400, 160))
    bands = power @ mel_bands(40, power.shape[1], RATE).T
    distance = [abs(mel(centre) - mel(hertz)) for centre in mel_centres(40, RATE)]
    assert bands.mean(0).argmax() == int(np.argmin(distance))


def test_the_power_of_a_frame_is_its_mean_square():
    power = power_spectra(framed(tone(1000, height=0.5), 400, 160))
    assert np.allclose(power.sum(1), 0.5**2 / 2, rtol=0.01)


def test_decibels_end_at_their_reach():
    assert decibels(np.array([1.0, 0.1, 1e-9, 0.0]), 40).tolist() == [0, -10, -40, -40]
    assert np.isfinite(decibels(np.zeros(3), 40)).all()


def test_cepstra_are_the_sums_of_the_definition():
    bands = np.random.default_rng(0).standard_normal((3, 7))
    for k, coefficient in enumerate(cepstra(bands, 4).T):
        scale = sqrt((1 if k == 0 else 2) / 7)
        for t in range(3):
            total = sum(bands[t, m] * cos(pi * k * (m + 0.5) / 7) for m in range(7))
            assert coefficient[t] == pytest.approx(scale * total)


def test_deltas_are_slopes_of_fitted_lines():
    values = np.random.default_rng(0).standard_normal((9, 2))
    slopes = [np.polyfit(np.arange(-2, 3), values[t - 2 : t + 3], 1)[0] for t in range(2, 7)]
    assert np.allclose(deltas(values)[2:7], slopes)
    assert deltas(values[:1]).tolist() == [[0, 0]]


# What is measured over time


def test_silent_ends_are_cut_off_and_silence_within_stays():
    loud, quiet = np.ones((2, 4)), np.full((3, 4), 1e-3)
    frames = np.concatenate([quiet, loud, quiet, loud, quiet])
    assert np.array_equal(sounding(frames, 30), frames[3:10])
    assert len(sounding(np.zeros((5, 4)), 30)) == 5


@pytest.mark.parametrize("count", [4, 12])
def test_the_course_of_a_sound_is_the_means_of_its_parts(count: int):
    values = np.random.default_rng(0).standard_normal((count, 2))
    means = [part.mean(0) for part in np.split(values, 4)]
    assert np.allclose(course(values, 4), np.concatenate(means))


def test_parts_of_a_sound_of_few_frames_share_them():
    assert course(np.array([[1.0], [5.0]]), 3).tolist() == [1, 3, 5]
    assert course(np.array([[7.0]]), 3).tolist() == [7, 7, 7]


def test_loudness_moves_one_feature_only():
    sound = np.concatenate([tone(300), noise()])
    loud, quiet = row(sound), row(0.01 * sound)
    changed = np.flatnonzero(~np.isclose(loud, quiet, rtol=1e-3, atol=1e-3))
    assert len(changed) == 1
    assert loud[changed[0]] - quiet[changed[0]] == pytest.approx(40, abs=0.1)


def test_a_constant_offset_changes_nothing():
    sound = np.concatenate([tone(300), noise()])
    assert np.allclose(row(sound), row(sound + 0.3), rtol=1e-3, atol=1e-3)


def test_the_order_of_sounds_counts():
    forth = row(np.concatenate([tone(300), tone(2000)]))
    back = row(np.concatenate([tone(2000), tone(300)]))
    assert np.abs(forth - back).max() > 10


def test_the_rate_of_a_file_hardly_matters_where_it_holds_the_sound():
    low, high = row(tone(700, rate=16_000)), row(tone(700, rate=48_000), rate=48_000)
    other = row(tone(1400))
    assert np.linalg.norm(low - high) < 0.2 * np.linalg.norm(low - other)


@pytest.mark.parametrize("samples", [np.zeros(8000), np.zeros(1), np.ones(3), tone(50, 0.004)])
def test_silence_and_the_shortest_sounds_have_finite_rows(samples: np.ndarray):
    assert np.isfinite(row(samples)).all()
    assert len(row(samples)) == len(row(noise()))


@pytest.mark.parametrize("fields", [{"rate": 8000}, {"mels": 12, "coefficients": 30, "parts": 1}])
def test_other_settings_work(fields: dict):
    assert np.isfinite(row(noise(), **fields)).all()


# The encoder


SOUNDS = {
    "low": tone(200),
    "low and quiet": 0.05 * tone(200),
    "high": tone(4000),
    "high and quiet": 0.05 * tone(4000),
    "noise": noise(),
    "another noise": noise(seed=1),
    "rising": np.concatenate([tone(500), tone(1500)]),
    "falling": np.concatenate([tone(1500), tone(500)]),
}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """A data folder of these sounds, with one more file that is no sound."""
    ids = [*SOUNDS, "broken"]
    folder = tmp_path / "media"
    folder.mkdir()
    pieces = [*(as_file(sound) for sound in SOUNDS.values()), b"no sound"]
    pl.DataFrame({"item": ids, "bytes": pieces}).write_parquet(folder / "audio.parquet")
    return replace(world([("u", item) for item in ids]), folder=tmp_path)


def test_sounds_that_are_alike_lie_beside_each_other(data: Dataset):
    vectors, mask = encode(data, AudioStatistics()).vectors
    ids = data.catalog.items.ids.to_list()
    assert [item for item, there in zip(ids, mask.tolist(), strict=True) if not there] == ["broken"]
    alike = (vectors @ vectors.T).fill_diagonal_(-1)
    nearest = {item: ids[row] for item, row in zip(ids, alike.argmax(1).tolist(), strict=True)}
    for one, other in [("low", "low and quiet"), ("high", "high and quiet")]:
        assert (nearest[one], nearest[other]) == (other, one)
    assert nearest["noise"] == "another noise"
    assert nearest["rising"] != "falling"


def test_what_is_no_sound_is_told(data: Dataset):
    (item, reason), *others = encode(data, AudioStatistics()).problems
    assert item == "broken"
    assert "no sound" in reason
    assert not others


def test_rows_do_not_depend_on_the_batch():
    encoder = AudioStatistics()
    sounds = [encoder.decode(as_file(sound)) for sound in SOUNDS.values()]
    look = encoder.reader("cpu")
    together = look(sounds)
    assert together.dtype == np.float32
    assert np.array_equal(together, np.concatenate([look([sound]) for sound in sounds]))
