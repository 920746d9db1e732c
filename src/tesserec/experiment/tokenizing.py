"""Data get semantic ids: made, looked at, and written beside the data with their codebook.

semantic_ids.parquet            the item, a column of token lists for each named set
semantic_ids.NAME.safetensors   the codebook, so that new items get ids later
semantic_ids.NAME.json          quantizer, seed, what it was learned from, figures
semantic_ids.NAME.html          the tree of ids
"""

import hashlib
import re
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import torch

from tesserec.core import Codes, Dataset, Run
from tesserec.core.errors import BadData, BadRequest
from tesserec.core.files import check_writable, write_json
from tesserec.data import format
from tesserec.data.importing import is_dataset, located
from tesserec.data.intake.codes import (
    CODES,
    CodesFile,
    check_name,
    codebook_files,
    read_codes,
    write_codes,
)
from tesserec.data.reading import read
from tesserec.experiment.codebooks import key_of, writing_codebook
from tesserec.experiment.environment import peak_memory
from tesserec.parts.semantic_ids import Quantized, Quantizer
from tesserec.parts.semantic_ids.categories import Categories, Shared, categories, shared
from tesserec.parts.semantic_ids.statistics import Statistics, statistics


@dataclass(frozen=True)
class Tokenized:
    """Semantic ids of all items, and what there is to say about them."""

    name: str
    file: Path
    data: Dataset
    found: Quantized
    ids: Codes
    statistics: Statistics
    shared: Shared | None  # with categories, where items have any
    facts: dict[str, Any]
    written: bool = True  # into the file; ids that are there already are only looked at


def tokenize(
    source: str | Path,
    quantizer: Quantizer,
    run: Run,
    name: str | None = None,
    category: str | None = None,
    out: Path | None = None,
) -> Tokenized:
    """Give all items semantic ids, learned on the training part of a published split.

    Codes of other names in the file are kept. Raises `BadRequest` for a name that is no word,
    `NoContent` where the quantizer misses what it reads.
    """
    asked, name = name, name or type(quantizer).__name__.lower()
    _check_name(name)
    place = located(source)
    file = file_of(place, out)
    there = _there(place, file)
    data = _read(place, file, there, name)
    others, keys = _others(data, there, name)
    kinds = categories(data.catalog.items.features, category)
    began = time.perf_counter()
    train = _training_part(data)
    run.progress.start(f"tokenize {name}", None)
    found = quantizer.fit(train, run)
    ids = quantizer.unique(found, train.popularity)
    run.progress.finish()
    facts: dict[str, Any] = {
        "name": name,
        "quantizer": quantizer.to_dict(),
        "seed": run.seed,
        "tesserec": version("tesserec"),
        "key": key_of(quantizer, found.codebook),
        "sizes": list(ids.sizes),
        "learned_from": _learned_from(quantizer, train, found),
        "seconds": round(time.perf_counter() - began, 3),
        "peak_memory": peak_memory(),
    }
    told, known, more = figures(found, ids, kinds)
    facts |= more
    is_copy = not quantizer.learns and torch.equal(ids.table, found.codes.table)
    is_wanted = asked or out or (there and name in there.sets)
    written = bool(is_wanted or not is_copy)
    if written:
        with writing_codebook(file, name, found.codebook, facts):
            keys = {**keys, name: facts["key"]}
            write_codes(file, data.catalog.items.ids, {**others, name: ids}, keys)
        note(place, file)
    else:
        write_json(codebook_files(file, name)[1], facts)
    data = data.with_codes(name, ids)
    return Tokenized(name, file, data, found, ids, told, known, facts, written)


def figures(
    found: Quantized, ids: Codes, kinds: Categories | None
) -> tuple[Statistics, Shared | None, dict[str, Any]]:
    """What there is to say of codes, and the same in JSON types."""
    told = statistics(found, ids)
    known = None if kinds is None else shared(found.codes, kinds)
    categories = None if known is None else known.to_dict()
    return told, known, {"statistics": told.to_dict(), "categories": categories}


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[\w-]+", name):
        raise BadRequest(
            f"Semantic ids cannot be called {name!r}.", "Use letters, digits, - and _ for --name."
        )
    check_name(name)


def file_of(place: Path, out: Path | None) -> Path:
    """The file of ids that is meant. Raises `BadData` or `BadRequest` where there can be none."""
    if not place.exists():
        raise BadData(f"{place} is not there.")
    if out is None and not is_dataset(place):
        raise BadData(
            f"{place} is no data folder: it has no dataset.json.",
            f"Import it first (tesserec data import {place} OUT), or name a file with --out.",
        )
    file = out if out is not None else place / CODES
    if file.is_dir():
        raise BadRequest(f"{file} is a folder.", f"Name a file: --out {file / CODES}.")
    check_writable(file)
    return file


def _there(place: Path, file: Path) -> CodesFile | None:
    """The ids there are. Raises `BadRequest` rather than replace a file of something else."""
    if not file.is_file():
        return None
    there = read_codes(file)
    if not there.sets and not _is_own(place, file):
        raise BadRequest(f"{file} holds other things and would be lost.", "Name another file.")
    return there


def _is_own(place: Path, file: Path) -> bool:
    """Whether a file is the one that lies with the data, however it is named."""
    return file.resolve() == (place / CODES).resolve()


def note(place: Path, file: Path) -> None:
    """Data that have other ids than before are other data."""
    if is_dataset(place) and _is_own(place, file):
        format.note_fingerprint(place)


def _read(place: Path, file: Path, there: CodesFile | None, name: str) -> Dataset:
    """The data, without the ids that are about to be replaced."""
    if not _is_own(place, file):
        return read(place)
    # A file that holds this set alone may be older than some items.
    alone = there is not None and set(there.sets) == {name}
    data = format.read(place, codes=not alone) if is_dataset(place) else read(place)
    items = data.catalog.items
    items = replace(items, codes={n: one for n, one in items.codes.items() if n != name})
    return replace(data, catalog=replace(data.catalog, items=items))


def _others(
    data: Dataset, there: CodesFile | None, name: str
) -> tuple[dict[str, Codes], dict[str, str]]:
    """The codes of other names in the file, and the keys of their codebooks."""
    if there is None or set(there.sets) == {name}:
        return {}, {}
    others = {one: codes for one, codes in there.of(data.catalog.items).items() if one != name}
    return others, {one: key for one, key in there.codebooks.items() if one != name}


def _training_part(data: Dataset) -> Dataset:
    """Without the events of the other parts of a published split, and without those of none.

    Raises `BadData` where none is left.
    """
    events = data.interactions
    if "split" not in events.frame.columns:
        return data
    kept = events.keep(pl.col("split") == "train")
    if len(events) and not len(kept):
        raise BadData(
            "The published split leaves no training events.",
            "Call some of its parts `train` in the column `split`, or import without that column.",
        )
    return replace(data, interactions=kept)


def _learned_from(quantizer: Quantizer, train: Dataset, found: Quantized) -> dict[str, Any]:
    """How many items the codebook was fitted on, and a digest of their ids and vectors."""
    nothing = not found.codebook.state_dict()
    rows = torch.zeros(0, dtype=torch.int64) if nothing else quantizer.learned_from(train)
    digest = hashlib.sha256(
        format.ids_digest(train.catalog.items.ids.gather(rows.numpy())).encode()
    )
    digest.update(found.vectors[rows].cpu().contiguous().numpy().tobytes())
    return {"items": len(rows), "digest": digest.hexdigest()[:16]}
