"""Codebooks of semantic ids as files: weights that load safely, and notes for people."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from tesserec.core import Entities
from tesserec.core.errors import BadData, DamagedFile
from tesserec.core.files import read_json, replacing, write_json
from tesserec.data.intake.codes import codebook_files
from tesserec.parts.semantic_ids import Codebook, Quantizer


def key_of(quantizer: Quantizer, codebook: Codebook) -> str:
    """A digest of a codebook: which quantizer, and everything that it learned."""
    digest = hashlib.sha256(json.dumps(quantizer.to_dict(), sort_keys=True).encode())
    for name, tensor in sorted(codebook.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def write_codebook(file: Path, name: str, codebook: Codebook, facts: dict[str, Any]) -> None:
    """Write what a quantizer learned beside the file of codes, and notes on how."""
    weights, notes = codebook_files(file, name)
    with replacing(weights) as aside:
        tensors = {n: one.cpu().contiguous().clone() for n, one in codebook.state_dict().items()}
        save_file(tensors, aside, {"key": facts["key"]})
    write_json(notes, facts)


def read_codebook(
    file: Path, name: str, key: str | None, items: Entities
) -> tuple[Quantizer, Codebook]:
    """What made a set of codes. Raises `BadData` where it is not there, `DamagedFile` else."""
    weights, notes = codebook_files(file, name)
    if key is None or not weights.is_file() or not notes.is_file():
        raise BadData(
            f"New items have no {name!r}, and no codebook of these ids lies beside {file}.",
            "Give them theirs in the file, take its column out, or tokenize again.",
        )
    quantizer: Quantizer = Quantizer.from_dict(read_json(notes)["quantizer"])
    with torch.device("meta"):  # so that no random numbers are drawn for what is read
        codebook = quantizer.codebook(items)
    try:
        codebook.load_state_dict(load_file(weights), assign=True)
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedFile(f"{weights} is no codebook of {name!r}: {reason}.", _AGAIN) from None
    if key_of(quantizer, codebook) != key:
        raise DamagedFile(f"{weights} is not what made {name!r} in {file}.", _AGAIN)
    return quantizer, codebook.eval().requires_grad_(False)


_AGAIN = (
    "Tokenize again: all items get new ids, and models that know the old ones are fitted again."
)
