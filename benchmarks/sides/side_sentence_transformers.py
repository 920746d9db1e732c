"""sentence-transformers' own `encode`, batch by batch in the order of the file, or all at once."""

import json
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers import SentenceTransformer

from benchmarks.sides.wire import serve, timed

BATCH = 32  # its default

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    return {"version": f"sentence-transformers {version_of('sentence-transformers')}"}


def load_texts(path: str, model: str) -> None:
    held["texts"] = json.loads(Path(path).read_text())
    held["model"] = SentenceTransformer(model, device="cpu")


def encode_texts(out: str) -> dict[str, Any]:
    """A plain loop over the file."""
    texts, model = held["texts"], held["model"]
    parts = range(0, len(texts), BATCH)
    seconds, found = timed(lambda: [model.encode(texts[n : n + BATCH]) for n in parts])
    np.save(out, np.concatenate(found))
    return {"seconds": [seconds]}


def encode_all_texts(out: str) -> dict[str, Any]:
    """One call, which sorts the texts by length itself."""
    seconds, found = timed(lambda: held["model"].encode(held["texts"], batch_size=BATCH))
    np.save(out, found)
    return {"seconds": [seconds]}


if __name__ == "__main__":
    serve(
        version=version,
        load_texts=load_texts,
        encode_texts=encode_texts,
        encode_all_texts=encode_all_texts,
    )
