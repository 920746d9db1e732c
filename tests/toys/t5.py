"""transformers' T5 with the weights of a generator: what our layers are compared with."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

ENCODER = {
    "before": "layer.0.layer_norm",
    "attention": "layer.0.SelfAttention",
    "between": "layer.1.layer_norm",
    "inner": "layer.1.DenseReluDense",
}
DECODER = {
    "before": "layer.0.layer_norm",
    "own": "layer.0.SelfAttention",
    "between": "layer.1.layer_norm",
    "other": "layer.1.EncDecAttention",
    "behind": "layer.2.layer_norm",
    "inner": "layer.2.DenseReluDense",
}
LINEAR = {"queries": "q", "keys": "k v", "out": "o", "wide": "wi", "narrow": "wo"}


def t5(weights: Mapping[str, Tensor], dropout: float = 0.1) -> Any:
    """A network of the sizes of a generator; token 0 begins, the others follow in their order."""
    from transformers import T5Config, T5ForConditionalGeneration

    heads = weights["decoder.bias.weight"].shape[1]
    inner, dim = weights["decoder.layers.0.own.queries.weight"].shape
    config = T5Config(
        vocab_size=1 + len(weights["tokens"]),
        d_model=dim,
        d_kv=inner // heads,
        d_ff=len(weights["decoder.layers.0.inner.wide.weight"]),
        num_layers=1 + max(int(one.split(".")[2]) for one in weights if "decoder.layers" in one),
        num_heads=heads,
        dropout_rate=dropout,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=None,  # all ids are of one length: nothing needs to end them
        tie_word_embeddings=True,
    )
    network = T5ForConditionalGeneration(config)
    missing, unknown = network.load_state_dict(dict(_renamed(weights)), strict=False)
    tied = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"}
    if unknown or set(missing) - tied:
        raise KeyError(f"Weights are called otherwise: {unknown}, {set(missing) - tied} missing.")
    return network.eval()


def _renamed(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    yield "shared.weight", torch.cat([weights["begin"][None], weights["tokens"]])
    for ours, theirs, parts in (
        ("reader.encoder.", "encoder.", ENCODER),
        ("decoder.", "decoder.", DECODER),
    ):
        for name, weight in weights.items():
            if name.startswith(ours):
                for other, part in _pieces(name.removeprefix(ours), weight, parts):
                    yield f"{theirs}{other}.weight", part


def _pieces(name: str, weight: Tensor, parts: Mapping[str, str]) -> Iterator[tuple[str, Tensor]]:
    """One of our weights as one or two of theirs."""
    words = name.split(".")
    if words[0] == "bias":
        yield "block.0.layer.0.SelfAttention.relative_attention_bias", weight
    elif words[0] == "last":
        yield "final_layer_norm", weight
    else:
        place = f"block.{words[1]}.{parts[words[2]]}"
        letters = LINEAR[words[3]].split() if len(words) == 5 else [""]
        for letter, part in zip(letters, weight.chunk(len(letters)), strict=True):
            yield f"{place}.{letter}" if letter else place, part
