"""Networks of sounds, beside a plain pass over one sound at a time."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from tesserec.content.encoder import Undecodable
from tesserec.content.learned.audio import AudioEncoder
from tesserec.content.sounds import open_sound
from tesserec.core.errors import BadSpec
from toys.pretrained import ast, clap, wav2vec2

transformers = pytest.importorskip("transformers")
soundfile = pytest.importorskip("soundfile")

RATE = 8000
SECONDS = [0.3, 1.0, 0.3, 0.9, 2.5, 1.0]


def as_file(seconds: float, tone: float) -> bytes:
    """A tone in some noise."""
    time = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(int(tone)).normal(size=len(time))
    file = io.BytesIO()
    sound = 0.4 * np.sin(2 * np.pi * tone * time) + 0.02 * noise
    soundfile.write(file, sound, RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


PIECES = [as_file(seconds, 200.0 + 150 * number) for number, seconds in enumerate(SECONDS)]


def rows(folder: Path, pieces: list[bytes] = PIECES, **fields) -> np.ndarray:
    encoder = AudioEncoder(model=str(folder), **fields)
    return encoder.reader("cpu")([encoder.decode(piece) for piece in pieces])


def network_of(folder: Path):
    return transformers.AutoModel.from_pretrained(folder).eval()


def prepared(folder: Path, piece: bytes, seconds: float = 2.0) -> torch.Tensor:
    prepare = transformers.AutoFeatureExtractor.from_pretrained(folder)
    samples = open_sound(piece, RATE, seconds)
    given = prepare(samples, sampling_rate=RATE, return_tensors="pt")
    return given[prepare.model_input_names[0]]


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_waveform_is_the_mean_over_its_own_time_whatever_lies_beside_it(tmp_path, norm):
    folder = wav2vec2(tmp_path, norm)
    network = network_of(folder)
    with torch.no_grad():
        seen = [network(prepared(folder, piece)).last_hidden_state[0].mean(0) for piece in PIECES]
    found = rows(folder, seconds=2.0)
    np.testing.assert_allclose(found, torch.stack(seen).numpy(), atol=1e-5)
    assert np.abs(found[:1] - found[1:]).max(1).min() > 1e-4


def test_layers_of_a_waveform_are_means_over_time(tmp_path):
    folder = wav2vec2(tmp_path)
    network = network_of(folder)
    with torch.no_grad():
        seen = [network(prepared(folder, p), output_hidden_states=True) for p in PIECES]
    expected = [torch.cat([one.hidden_states[n][0].mean(0) for n in (0, 1)]) for one in seen]
    found = rows(folder, seconds=2.0, layers=(0, 1))
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=1e-5)


def test_a_spectrogram_transformer_gives_what_it_classifies_by(tmp_path):
    folder = ast(tmp_path)
    network = network_of(folder)
    with torch.no_grad():
        seen = [network(prepared(folder, piece)).pooler_output[0] for piece in PIECES]
    np.testing.assert_allclose(rows(folder, seconds=2.0), torch.stack(seen).numpy(), atol=1e-5)


@pytest.mark.parametrize("fusion", [False, True])
def test_clap_gives_its_projection_and_nothing_is_left_to_chance(tmp_path, fusion):
    folder = clap(tmp_path, fusion)
    network = network_of(folder)
    with torch.no_grad():
        seen = []
        for piece in PIECES:
            short = torch.zeros(1, 1, dtype=torch.bool)
            pooled = network.audio_model(prepared(folder, piece), is_longer=short).pooler_output
            seen.append(network.audio_projection(pooled)[0])
    expected = torch.nn.functional.normalize(torch.stack(seen), dim=1).numpy()
    found = rows(folder)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.array_equal(rows(folder), found)
    with pytest.raises(BadSpec, match="layers"):
        rows(folder, layers=(0,))


def test_a_sound_of_no_length_to_speak_of_cannot_be_decoded(tmp_path):
    folder = wav2vec2(tmp_path)
    with pytest.raises(Undecodable, match=r"shorter than 0\.1 seconds"):
        rows(folder, [as_file(0.05, 300.0)])
