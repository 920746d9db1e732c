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

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import BadData, BadRequest
from tesserec.data import format
from tesserec.data.importing import is_dataset, located
from tesserec.data.intake.codes import CODES, placed, read_codes, write_codes
from tesserec.data.reading import read
from tesserec.experiment.codebooks import key_of, read_codebook, write_codebook
from tesserec.experiment.environment import peak_memory
from tesserec.parts.semantic_ids import Quantized, Quantizer
from tesserec.parts.semantic_ids.categories import Shared, categories, shared
from tesserec.parts.semantic_ids.statistics import Statistics, statistics

ALIKE = 0.5  # of the items from before: fewer cast a doubt on the vectors


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


@dataclass(frozen=True)
class Added:
    """A set of semantic ids that was brought up to the items there are now."""

    name: str
    new: int
    gone: int
    alike: float  # of the items from before, the share that would get the first token they have

    def line(self) -> str:
        """The outcome as a person reads it."""
        told = f"{self.name}: {self.new:,} new items have ids, all others kept theirs"
        return told + (f"; {self.gone:,} items are gone" if self.gone else "")

    @property
    def doubt(self) -> str:
        """What should make one look twice at the new ids; "" where nothing does."""
        if not self.new or self.alike >= ALIKE:
            return ""
        return (
            f"{self.name}: of the items from before only {self.alike:.0%} would get the first "
            "token they have. With other vectors than the codebook was made for, ids mean little."
        )


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
    name = name or type(quantizer).__name__.lower()
    if not re.fullmatch(r"[\w-]+", name):
        raise BadRequest(
            f"Semantic ids cannot be called {name!r}.", "Use letters, digits, - and _ for --name."
        )
    place = located(source)
    file = _file(place, out)
    data, others, keys = _read(place, file, name)
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
    told = statistics(found, ids)
    known = None if kinds is None else shared(found.codes, kinds)
    facts |= {
        "statistics": told.to_dict(),
        "categories": None if known is None else known.to_dict(),
    }
    write_codebook(file, name, found.codebook, facts)
    keys = {**keys, name: facts["key"]}
    write_codes(file, data.catalog.items.ids, {**others, name: ids}, keys)
    if is_dataset(place) and file == place / CODES:
        format.note_fingerprint(place)
    data = data.with_codes(name, ids)
    return Tokenized(name, file, data, found, ids, told, known, facts)


def add(source: str | Path, out: Path | None = None) -> list[Added]:
    """Give new items ids from the codebooks there are; the ids of other items stay (promise 18).

    Items that are no longer in the data lose theirs. Raises `BadData` for a set whose codebook is
    not there.
    """
    place = located(source)
    file = _file(place, out)
    if not file.is_file():
        raise BadData(f"{file} is not there.", "Make semantic ids first, without --add.")
    data = format.read(place, codes=False) if is_dataset(place) else read(place)
    items, before = data.catalog.items, read_codes(file)
    rows = items.rows(before.ids)
    sets, told = {}, []
    for name, codes in before.sets.items():
        sets[name], one = _grown(items, name, codes, rows, before.codebooks.get(name), file)
        told.append(one)
    write_codes(file, items.ids, sets, before.codebooks)
    if is_dataset(place) and file == place / CODES:
        format.note_fingerprint(place)
    return told


def _grown(
    items: Entities, name: str, codes: Codes, rows: torch.Tensor, key: str | None, file: Path
) -> tuple[Codes, Added]:
    """A set of codes with those of new items; `rows` says where the old ones are now, -1: gone."""
    kept, there = codes.table[rows >= 0], rows[rows >= 0]
    new = torch.ones(len(items), dtype=torch.bool)
    new[there] = False
    count, gone = int(new.sum()), int((rows < 0).sum())
    if not count:
        return placed(Codes(kept, codes.sizes), there), Added(name, 0, gone, 1.0)
    quantizer, codebook = read_codebook(file, name, key, items)
    with torch.no_grad():
        read = codebook.read(items)
        made = codebook.encode(read)
    before = Codes(kept, codes.sizes, codebook)
    both = quantizer.collisions.added(before, made[new], read[new])
    table = torch.empty_like(both.table)
    table[torch.cat([there, torch.nonzero(new)[:, 0]])] = both.table
    first = made[there, 0] == kept[:, 0]
    alike = float(first.double().mean()) if len(kept) else 1.0
    return Codes(table, codes.sizes), Added(name, count, gone, alike)


def _file(place: Path, out: Path | None) -> Path:
    if out is None and not is_dataset(place):
        raise BadData(
            f"{place} is no data folder: it has no dataset.json.",
            f"Import it first (tesserec data import {place} OUT), or name a file with --out.",
        )
    return out if out is not None else place / CODES


def _read(place: Path, file: Path, name: str) -> tuple[Dataset, dict[str, Codes], dict[str, str]]:
    """The data, the codes of other names in the file, and the keys of their codebooks."""
    there = read_codes(file) if file.is_file() else None
    own = there is not None and file == place / CODES
    # A file that holds this set alone may be older than some items: it is about to be replaced.
    alone = there is not None and set(there.sets) == {name}
    data = format.read(place, codes=not (own and alone)) if is_dataset(place) else read(place)
    if there is None or alone:
        return data, {}, {}
    others = {one: codes for one, codes in there.of(data.catalog.items).items() if one != name}
    return data, others, {one: key for one, key in there.codebooks.items() if one != name}


def _training_part(data: Dataset) -> Dataset:
    """Without the events of the other parts of a published split, and without those of none."""
    events = data.interactions
    if "split" not in events.frame.columns:
        return data
    return replace(data, interactions=events.keep(pl.col("split") == "train"))


def _learned_from(quantizer: Quantizer, train: Dataset, found: Quantized) -> dict[str, Any]:
    """How many items the codebook was fitted on, and a digest of their ids and vectors."""
    nothing = not found.codebook.state_dict()
    rows = torch.zeros(0, dtype=torch.int64) if nothing else quantizer.learned_from(train)
    digest = hashlib.sha256(
        format.ids_digest(train.catalog.items.ids.gather(rows.numpy())).encode()
    )
    digest.update(found.vectors[rows].cpu().contiguous().numpy().tobytes())
    return {"items": len(rows), "digest": digest.hexdigest()[:16]}
