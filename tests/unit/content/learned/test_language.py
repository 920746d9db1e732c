"""The last token's last hidden state, beside a plain pass over one text at a time."""

import numpy as np
import polars as pl
import pytest
import torch

from tesserec.content.encoding import encode
from tesserec.content.learned.language import LanguageModelEncoder
from tesserec.data.build import from_tables
from toys.pretrained import gpt2, llama, texts

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=[llama, gpt2])
def folder(request, tmp_path_factory):
    """A language model whose tokenizer pads on the left, and one without a token to pad with."""
    return request.param(tmp_path_factory.mktemp("language"))


def vectors(encoder: LanguageModelEncoder, titles: list[str]) -> np.ndarray:
    items = pl.DataFrame({"id": range(len(titles)), "title": titles})
    data = from_tables(pl.DataFrame({"user": [0], "item": [0]}), items)
    return encode(data, encoder).vectors.table.numpy()


def last_states(folder, some: list[str], layer: int = -1) -> np.ndarray:
    network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        seen = [
            network(torch.tensor([tokenizer(text)["input_ids"]]), output_hidden_states=True)
            for text in some
        ]
    return np.stack([one.hidden_states[layer][0, -1].numpy() for one in seen])


@pytest.mark.parametrize(("batch", "tokens"), [(500, 10_000), (500, 40), (1, 40), (4, 1)])
def test_a_vector_is_the_last_state_of_the_text_alone(folder, batch, tokens):
    some = texts(25)
    encoder = LanguageModelEncoder(model=str(folder), batch=batch, tokens=tokens)
    np.testing.assert_allclose(vectors(encoder, some), last_states(folder, some), atol=1e-5)


def test_an_instruction_is_read_before_the_text(folder):
    some = texts(8)
    found = vectors(LanguageModelEncoder(model=str(folder), prefix="the warm "), some)
    told = [f"the warm {text}" for text in some]
    np.testing.assert_allclose(found, last_states(folder, told), atol=1e-5)
    assert np.abs(found - last_states(folder, some)).max() > 1e-3


def test_what_stands_behind_the_longest_is_not_read(folder):
    tokens = len(transformers.AutoTokenizer.from_pretrained(folder)("red hat for")["input_ids"])
    cut, whole = vectors(
        LanguageModelEncoder(model=str(folder), longest=tokens),
        ["red hat for the very warm", "red hat for"],
    )
    np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_vectors_have_length_one_where_that_is_asked_for(folder):
    some = texts(8)
    expected = last_states(folder, some)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = vectors(LanguageModelEncoder(model=str(folder), unit_length=True), some)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_layers_are_the_last_tokens_states(folder):
    some = texts(8)
    found = vectors(LanguageModelEncoder(model=str(folder), layers=(0, 1)), some)
    expected = np.hstack([last_states(folder, some, layer) for layer in (0, 1)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
