"""Clips as the mean of their frames, on clips whose frames are known."""

import io
from pathlib import Path

import numpy as np
import pytest

from tesserec.content.learned.clip import ClipImageEncoder
from tesserec.content.learned.frames import FrameEncoder
from tesserec.content.learned.vision import VisionEncoder
from toys.pretrained import clip, vit

pytest.importorskip("transformers")
av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")

COLOURS = [(200, 20, 20), (20, 200, 20), (20, 20, 200), (180, 180, 30)]


def filmed(frames: list[np.ndarray]) -> bytes:
    """A clip that loses nothing."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=10, width=48, height=40, pix_fmt="bgr0")
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return file.getvalue()


def scenes(length: int) -> list[np.ndarray]:
    """Four scenes of one colour each, with a ramp that stays."""
    ramp = np.linspace(0, 40, 48, dtype=np.uint8)[None, :, None]
    plain = np.ones((40, 48, 3), np.uint8)
    return [plain * np.uint8(colour) + ramp for colour in COLOURS for _ in range(length)]


def as_file(frame: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "png")
    return file.getvalue()


@pytest.fixture(scope="module", params=[clip, vit])
def model(request, tmp_path_factory) -> tuple[Path, type]:
    eyes = ClipImageEncoder if request.param is clip else VisionEncoder
    return request.param(tmp_path_factory.mktemp("eyes")), eyes


@pytest.mark.parametrize("layers", [(), (0, 2)])
def test_a_clip_is_the_mean_of_its_frames(model, layers):
    folder, eyes = model
    clips = [scenes(5), scenes(2)[::-1], scenes(1)[:1]]
    encoder = FrameEncoder(model=str(folder), frames=4, layers=layers)
    found = encoder.reader("cpu")([encoder.decode(filmed(frames)) for frames in clips])
    seer = eyes(model=str(folder), layers=layers)
    look = seer.reader("cpu")
    chosen = [[scenes(1)[n] for n in scene] for scene in (range(4), (3, 2, 1, 0), (0,))]
    expected = np.stack(
        [look([seer.decode(as_file(frame)) for frame in frames]).mean(0) for frames in chosen]
    )
    if eyes is ClipImageEncoder and not layers:
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)  # the same scenes
    assert np.abs(found[0] - found[2]).max() > 1e-3
