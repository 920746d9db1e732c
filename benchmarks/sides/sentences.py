"""Our side's work with a sentence encoder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.sides.wire import timed
from tesserec.content.learned.sentence import SentenceEncoder
from tesserec.data.build import from_tables

held: dict[str, Any] = {}


def load_texts(path: str, model: str) -> None:
    texts = json.loads(Path(path).read_text())
    items = pl.DataFrame({"id": range(len(texts)), "title": texts})
    held["data"] = from_tables(pl.DataFrame({"user": [0], "item": [0]}), items)
    held["encoder"] = SentenceEncoder(model=model)


def encode_texts(out: str) -> dict[str, Any]:
    """From texts to vectors, the model being loaded on the way."""
    seconds, vectors = timed(lambda: held["encoder"].encode(held["data"]))
    np.save(out, vectors.table.numpy())
    return {"seconds": [seconds]}


def count_tokens() -> dict[str, Any]:
    """Of texts that differ, as the model cuts them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(held["encoder"].model)
    texts = held["data"].catalog.items.features["title"].unique().to_list()
    found = tokenizer(texts, truncation=True, max_length=256)["input_ids"]
    return {"tokens": sum(map(len, found))}


OPERATIONS = {
    "load_texts": load_texts,
    "encode_texts": encode_texts,
    "encode_all_texts": encode_texts,
    "count_tokens": count_tokens,
}
