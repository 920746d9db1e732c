"""A data folder gets vectors: encoded, written beside the data, and made known to its readers.

vectors/items.NAME.npy        one row per item
vectors/items.NAME.mask.npy   which items have such content
vectors/items.NAME.json       encoder, version, width, counts, digest of the content
vectors/items.NAME.failed.parquet   item and reason of what could not be decoded, if anything
.encoding/                    rows of encoders, so that only what is new is encoded again
"""

import re
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from tesserec.content.encoder import Encoder, PieceEncoder, Rows, learned_from
from tesserec.content.encoding import Options, Outcome, content_digest, encode, reasons
from tesserec.content.pieces import pieces, text_columns
from tesserec.core import Dataset
from tesserec.core.errors import BadData, BadRequest
from tesserec.core.files import read_json, replacing, write_json
from tesserec.data import format
from tesserec.data.importing import is_dataset

CACHE = ".encoding"
Precision = Literal["float32", "float16"]


@dataclass(frozen=True)
class Encoded:
    """What was written, in the words of its JSON file."""

    folder: Path
    name: str
    facts: dict[str, Any]
    failed: tuple[tuple[Any, str], ...]

    def lines(self) -> list[str]:
        """The outcome as a person reads it."""
        facts = self.facts
        counts = f"{facts['present']:,} of {facts['items']:,} items"
        found = [f"{self.name}: {counts}, {facts['width']} wide, by {facts['encoder']['kind']}"]
        if facts["looked_at"] is not None:
            known = facts["distinct"] - facts["looked_at"]
            found.append(
                f"{facts['distinct']:,} distinct pieces, {known:,} of them known from before"
            )
        found += [f"not decoded: {count:,} ({why})" for why, count in facts["failed"].items()]
        found += [f"  item {item!r}: {why}" for item, why in self.failed[:5]]
        return [*found, f"written: {self.folder / 'vectors' / f'items.{self.name}.npy'}"]


def encode_folder(
    folder: Path,
    encoder: Encoder,
    options: Options | None = None,
    name: str | None = None,
    precision: Precision = "float32",
) -> Encoded:
    """Encode the items of a data folder and write vectors, mask and facts beside them.

    Vectors of the same name are replaced; until the new ones are whole, the old ones stay.
    Raises `BadData` for a folder that is not in the one format, `BadRequest` for a name that is
    no plain word.
    """
    if not is_dataset(folder):
        raise BadData(
            f"{folder} is no data folder: it has no dataset.json.",
            f"Import it first: tesserec data import {folder} OUT",
        )
    began = time.perf_counter()
    data = format.read(folder, vectors=False)
    if encoder.modality == "text" and not getattr(encoder, "columns", True):
        encoder = encoder.changed({"columns": text_columns(data.catalog.items.features)[:1]})
    name = name or encoder.name
    if not re.fullmatch(r"[\w-]+", name):
        raise BadRequest(
            f"Vectors cannot be called {name!r}.", "Use letters, digits, - and _ for --name."
        )
    options = replace(options or Options(), cache=folder / CACHE)
    with replacing(folder / "vectors" / f"items.{name}.npy") as aside:
        outcome = _written(data, encoder, options, aside, precision)
        seconds = time.perf_counter() - began
    facts = _facts(data, encoder, outcome, precision, seconds)
    _write_beside(folder, name, outcome, facts)
    format.add_vectors(folder, name)
    return Encoded(folder, name, facts, outcome.problems)


def facts_of(folder: Path, name: str) -> dict[str, Any] | None:
    """How the vectors of this name were made; None where nobody wrote it down."""
    path = folder / "vectors" / f"items.{name}.json"
    return dict(read_json(path)) if path.is_file() else None


def _written(
    data: Dataset, encoder: Encoder, options: Options, path: Path, precision: Precision
) -> Outcome:
    """Encode, with the table of vectors filled where it shall lie, never in memory as a whole."""

    def table(shape: tuple[int, int], dtype: Any) -> Rows:
        return np.lib.format.open_memmap(path, "w+", np.dtype(precision), shape)

    if isinstance(encoder, PieceEncoder):
        return encode(data, encoder, replace(options, table=table))
    options.progress.start(f"encode {encoder.modality}", None)
    vectors = encoder.encode(data)
    options.progress.finish()
    count, width = vectors.table.shape
    table((count, width), None)[:] = vectors.table.numpy()
    columns = getattr(encoder, "columns", ())
    return Outcome(vectors, content_digest(pieces(data, encoder.modality, columns).found))


def _facts(
    data: Dataset, encoder: Encoder, outcome: Outcome, precision: Precision, seconds: float
) -> dict[str, Any]:
    mask = outcome.vectors.mask
    return {
        "modality": encoder.modality,
        "encoder": encoder.to_dict(),
        "version": encoder.version,
        "tesserec": version("tesserec"),
        "width": outcome.vectors.table.shape[1],
        "dtype": precision,
        "items": len(data.catalog.items),
        "ids": format.ids_digest(data.catalog.items.ids),
        "present": int(mask.sum()),
        "missing": int((~mask).sum()) - len(outcome.problems),
        "failed": reasons(outcome.problems),
        "learned_from": int(learned_from(data).sum()),
        "distinct": outcome.distinct,
        "looked_at": outcome.looked_at,
        "content": outcome.content,
        "seconds": round(seconds, 3),
    }


def _write_beside(folder: Path, name: str, outcome: Outcome, facts: dict[str, Any]) -> None:
    vectors = folder / "vectors"
    with replacing(vectors / f"items.{name}.mask.npy") as aside, aside.open("wb") as file:
        np.save(file, outcome.vectors.mask.numpy())
    failed = vectors / f"items.{name}.failed.parquet"
    if outcome.problems:
        items, why = zip(*outcome.problems, strict=True)
        with replacing(failed) as aside:
            pl.DataFrame({"item": list(items), "reason": list(why)}).write_parquet(aside)
    else:
        failed.unlink(missing_ok=True)
    write_json(vectors / f"items.{name}.json", facts)
