"""Codebooks of semantic ids as files: weights that load safely, and notes for people."""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from tesserec.core import Entities
from tesserec.core.errors import BadData, DamagedFile
from tesserec.core.files import read_json, replacing, write_json
from tesserec.data.intake.codes import codebook_files, codebook_of, made_by
from tesserec.parts.semantic_ids import Codebook, Quantizer

_IDS = "ids"  # beside the weights: the items that a codebook keeps something of


def key_of(quantizer: Quantizer, codebook: Codebook) -> str:
    """A digest of a codebook: which quantizer, and everything that it learned."""
    digest = hashlib.sha256(json.dumps(quantizer.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(codebook.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def writing_codebook(
    file: Path, name: str, codebook: Codebook, facts: dict[str, Any]
) -> Iterator[None]:
    """Write what a quantizer learned, and notes on how; the block writes the codes beside it.

    Until they are there the codebook waits under its key: at no moment a kill parts codes from
    what made them.
    """
    settle_codebook(file, name)
    weights, notes = codebook_files(file, name, facts["key"])
    try:
        with replacing(weights) as aside:
            save_file(_tensors(codebook), aside, {"key": facts["key"]})
        write_json(notes, facts)
        yield
    finally:
        settle_codebook(file, name)


def settle_codebook(file: Path, name: str) -> None:
    """The waiting codebook that made the codes takes its usual place; others are thrown away."""
    key = made_by(file).get(name)
    waiting = re.compile(rf"{re.escape(f'{file.stem}.{name}')}\.([0-9a-f]{{16}})\.\w+")
    for path in list(file.parent.iterdir()) if file.parent.is_dir() else []:
        found = waiting.fullmatch(path.name)
        if found and found[1] == key:
            os.replace(path, path.with_name(f"{file.stem}.{name}{path.suffix}"))
        elif found:
            path.unlink()


def read_codebook(
    file: Path, name: str, key: str | None, items: Entities, before: pl.Series
) -> tuple[Quantizer, Codebook]:
    """What made a set of codes; of `items` only the shapes of vectors count.

    `before`: the items it was made for, where it does not say so itself. Raises `BadData` where it
    is not there, `DamagedFile` where it is no codebook.
    """
    weights, notes = codebook_of(file, name, key or "")
    if key is None or not weights.is_file() or not notes.is_file():
        raise BadData(
            f"New items have no {name!r}, and no codebook of these ids lies beside {file}.",
            "Give them theirs in the file, take its column out, or tokenize again.",
        )
    facts = read_json(notes)
    if not isinstance(facts, dict) or "quantizer" not in facts:
        raise DamagedFile(f"{notes} does not say which quantizer made {name!r}.", _AGAIN)
    quantizer: Quantizer = Quantizer.from_dict(facts["quantizer"])
    try:
        tensors = load_file(weights)
        ids = _unpacked(tensors.pop(_IDS)) if _IDS in tensors else before
        with torch.device("meta"):  # so that no random numbers are drawn for what is read
            codebook = quantizer.codebook(_shaped(ids, items))
        codebook.load_state_dict(tensors, assign=True)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedFile(f"{weights} is no codebook of {name!r}: {reason}.", _AGAIN) from None
    if key_of(quantizer, codebook) != key:
        raise DamagedFile(f"{weights} is not what made {name!r} in {file}.", _AGAIN)
    return quantizer, codebook.eval().requires_grad_(False)


def _tensors(codebook: Codebook) -> dict[str, Tensor]:
    """What is saved: the weights, and of which items it keeps something, where it does."""
    tensors = {n: one.cpu().contiguous().clone() for n, one in codebook.state_dict().items()}
    parts = (one.items for one in codebook.modules() if isinstance(one, Codebook))
    known = next((items for items in parts if items is not None), None)
    return tensors if known is None else {**tensors, _IDS: _packed(known.ids)}


def _packed(ids: pl.Series) -> Tensor:
    """Ids as the bytes of their texts: [n] uint8"""
    texts = json.dumps(ids.cast(pl.String).to_list())
    return torch.frombuffer(bytearray(texts.encode()), dtype=torch.uint8)


def _unpacked(texts: Tensor) -> pl.Series:
    return pl.Series(json.loads(texts.numpy().tobytes()), dtype=pl.String)


def _shaped(ids: pl.Series, items: Entities) -> Entities:
    """These ids, with vectors as wide as those of some items."""
    widths = {name: table.shape[1] for name, table in items.vectors.items()}
    vectors = {n: torch.empty(len(ids), width, device="meta") for n, width in widths.items()}
    return Entities(ids, vectors=vectors)


_AGAIN = (
    "Tokenize again: all items get new ids, and models that know the old ones are fitted again."
)
