"""CLIP, SigLIP and networks of pictures, beside a plain pass over one piece at a time."""

import importlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.content.encoder import PieceEncoder
from tesserec.content.encoding import encode
from tesserec.content.learned.clip import ClipImageEncoder, ClipTextEncoder
from tesserec.content.learned.vision import VisionEncoder
from tesserec.core.errors import BadSpec
from tesserec.data.build import from_tables
from toys.pretrained import bert, clip, dinov2, resnet, siglip, texts, vit

transformers = pytest.importorskip("transformers")
Image = pytest.importorskip("PIL.Image")


def drawn(count: int) -> list:
    """Pictures of noise under a ramp, of different shapes."""
    draw = np.random.default_rng(0)
    found = []
    for number in range(count):
        wide, high = draw.integers(20, 90, 2)
        ramp = np.linspace(0, 150, wide)[None, :, None] * np.array([1, number % 2, 0.5])
        noise = draw.integers(0, 100, (high, wide, 3))
        found.append(Image.fromarray((ramp + noise).clip(0, 255).astype(np.uint8)))
    return found


PICTURES = drawn(9)


def as_file(picture) -> bytes:
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def rows(encoder: PieceEncoder, pieces: list) -> np.ndarray:
    """In batches of the encoder's size, as `encode` would."""
    decoded, look = [encoder.decode(piece) for piece in pieces], encoder.reader("cpu")
    blocks = [decoded[n : n + encoder.batch] for n in range(0, len(decoded), encoder.batch)]
    return np.concatenate([look(block) for block in blocks])


def image_rows(encoder: PieceEncoder) -> np.ndarray:
    return rows(encoder, [as_file(picture) for picture in PICTURES])


def pixels(folder: Path) -> list[torch.Tensor]:
    """As the processor that is named in the folder prepares each picture."""
    named = transformers.image_processing_utils.BaseImageProcessor.get_image_processor_dict(folder)
    module = {
        "CLIPImageProcessor": "clip",
        "SiglipImageProcessor": "siglip",
        "ViTImageProcessor": "vit",
        "BitImageProcessor": "bit",
        "ConvNextImageProcessor": "convnext",
    }
    kind = named[0]["image_processor_type"]
    place = f"transformers.models.{module[kind]}.image_processing_pil_{module[kind]}"
    prepare = getattr(importlib.import_module(place), f"{kind}Pil").from_pretrained(folder)
    return [prepare(picture, return_tensors="pt")["pixel_values"] for picture in PICTURES]


def unit(vectors: torch.Tensor) -> np.ndarray:
    return (vectors / vectors.norm(dim=-1, keepdim=True)).numpy()


@pytest.fixture(scope="module", params=[clip, siglip])
def towers(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("towers"))


@pytest.mark.parametrize("batch", [1, 4, 100])
def test_pictures_are_projected_to_length_one(towers, batch):
    network = transformers.AutoModel.from_pretrained(towers).eval()
    with torch.no_grad():
        found = [network.vision_model(one).pooler_output for one in pixels(towers)]
        if hasattr(network, "visual_projection"):
            found = [network.visual_projection(one) for one in found]
    ours = image_rows(ClipImageEncoder(model=str(towers), batch=batch))
    np.testing.assert_allclose(ours, unit(torch.cat(found)), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_texts_are_projected_to_length_one_and_cut_where_the_network_ends(towers, batch):
    some = texts(20, longest=40)
    network = transformers.AutoModel.from_pretrained(towers).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(towers)
    pad = {"padding": "max_length"} if network.config.model_type == "siglip" else {}
    found = []
    with torch.no_grad():
        for text in some:
            given = tokenizer(text, truncation=True, max_length=20, return_tensors="pt", **pad)
            seen = network.text_model(given["input_ids"]).pooler_output
            found.append(seen if pad else network.text_projection(seen))
    ours = rows(ClipTextEncoder(model=str(towers), batch=batch), some)
    np.testing.assert_allclose(ours, unit(torch.cat(found)), atol=1e-5)
    assert np.abs(ours[0] - ours[1:]).max(1).min() > 1e-4


def test_texts_and_pictures_lie_in_one_space(towers):
    text = rows(ClipTextEncoder(model=str(towers)), ["red hat"])
    assert text.shape[1] == image_rows(ClipImageEncoder(model=str(towers))).shape[1]


def test_layers_of_both_towers_are_pooled_as_the_towers_pool(towers):
    network = transformers.AutoModel.from_pretrained(towers).eval()
    pictures = image_rows(ClipImageEncoder(model=str(towers), layers=(0, 2)))
    with torch.no_grad():
        seen = [network.vision_model(one, output_hidden_states=True) for one in pixels(towers)]
    is_clip = network.config.model_type == "clip"
    pooled = [torch.cat([one.hidden_states[n][0] for n in (0, 2)], 1) for one in seen]  # [T, 2 D]
    expected = torch.stack([one[0] if is_clip else one.mean(0) for one in pooled])
    np.testing.assert_allclose(pictures, expected.numpy(), atol=1e-5)
    words = rows(ClipTextEncoder(model=str(towers), layers=(-1,)), ["red hat", "very warm wool"])
    assert words.shape == (2, 16)
    assert np.abs(words[0] - words[1]).max() > 1e-3


def test_a_network_that_reads_no_texts_and_pictures_is_refused(tmp_path):
    with pytest.raises(BadSpec, match="bert, which does not put texts and pictures in one space"):
        ClipTextEncoder(model=str(bert(tmp_path))).reader("cpu")


# Networks of pictures


@pytest.fixture(scope="module", params=[vit, dinov2])
def network_folder(request, tmp_path_factory) -> Path:
    return request.param(tmp_path_factory.mktemp("vision"))


@pytest.mark.parametrize("pooling", ["class", "mean"])
@pytest.mark.parametrize("batch", [1, 100])
def test_a_picture_is_its_class_token_or_the_mean_of_its_patches(network_folder, pooling, batch):
    network = transformers.AutoModel.from_pretrained(network_folder).eval()
    with torch.no_grad():
        seen = [network(one).last_hidden_state[0] for one in pixels(network_folder)]
    patches = 16  # four by four: what stands before them is the class token, and registers
    expected = [one[0] if pooling == "class" else one[-patches:].mean(0) for one in seen]
    found = image_rows(VisionEncoder(model=str(network_folder), pooling=pooling, batch=batch))
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=1e-5)


def test_layers_are_the_class_tokens_of_hidden_states(network_folder):
    network = transformers.AutoModel.from_pretrained(network_folder).eval()
    found = image_rows(VisionEncoder(model=str(network_folder), layers=(1, 0)))
    with torch.no_grad():
        seen = [network(one, output_hidden_states=True) for one in pixels(network_folder)]
    expected = [torch.cat([one.hidden_states[n][0, 0] for n in (1, 0)]) for one in seen]
    np.testing.assert_allclose(found, torch.stack(expected).numpy(), atol=1e-5)


def test_a_network_without_a_class_token_is_pooled_by_the_mean_when_that_is_said(tmp_path):
    folder = resnet(tmp_path)
    with pytest.raises(BadSpec, match="no class token"):
        image_rows(VisionEncoder(model=str(folder)))
    network = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        seen = [network(one).last_hidden_state.mean((2, 3))[0] for one in pixels(folder)]
    found = image_rows(VisionEncoder(model=str(folder), pooling="mean"))
    np.testing.assert_allclose(found, torch.stack(seen).numpy(), atol=1e-5)


def test_a_folder_of_pictures_gets_vectors_and_a_mask(network_folder, tmp_path):
    media = tmp_path / "media" / "image"
    media.mkdir(parents=True)
    for number, picture in enumerate(PICTURES):
        picture.save(media / f"p{number}.png")
    (media / "p0.png").write_bytes(b"no picture at all")
    items = pl.DataFrame({"id": [f"p{number}" for number in range(10)]})
    data = from_tables(pl.DataFrame({"user": [0], "item": ["p1"]}), items)
    encoder = VisionEncoder(model=str(network_folder))
    outcome = encode(replace(data, folder=tmp_path), encoder)
    assert outcome.vectors.mask.tolist() == [False, *[True] * 8, False]
    assert [item for item, _ in outcome.problems] == ["p0"]
    np.testing.assert_allclose(outcome.vectors.table[1:9], image_rows(encoder)[1:], atol=1e-5)
    assert not outcome.vectors.table[[0, 9]].any()
