"""The one format: a dataset is a folder of parquet files, vectors, and a `dataset.json`.

    dataset.json            name, clock, counts, kinds, relations, fingerprint
    interactions.parquet    user, item [, time, weight, kind, split, context ...]
    items.parquet           id, then features; the row number of an item is its place here
    users.parquet           the same for users
    vectors/items.NAME.npy  one row per item; beside it, where that was noted:
      items.NAME.mask.npy     which items have such content at all
      items.NAME.json         how the vectors were made
    semantic_ids.parquet    item, then lists of tokens, a column for each named set; beside it:
      semantic_ids.NAME.json  how they were made, and .safetensors with the codebook
    relations/NAME.parquet  head, tail [, kind, weight]
    others/NAME.parquet     id, then features
    media/NAME.parquet      item, bytes: pictures, sounds (never read into a Dataset)
    quarantine.parquet      rows an import left out, where it was told to keep them

Ids in files are the user's own. Only `dataset.json` and `items.parquet` are required.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from tesserec.core import Catalog, Dataset, Entities, Interactions, Relation
from tesserec.core.errors import BadData, DamagedFile
from tesserec.core.files import read_json, replacing_folder, write_json
from tesserec.data.build import linked, numbered
from tesserec.data.intake.codes import (
    CODES,
    codebook_files,
    codebook_of,
    read_codes,
    write_codes,
)

VERSION = 1


def write(
    data: Dataset,
    folder: str | Path,
    more: Mapping[str, Any] | None = None,
    extras: Mapping[str, Callable[[Path], object]] | None = None,
) -> None:
    """Write a dataset, whole or not at all.

    `more` goes into `dataset.json` (protocol, source); `extras` write further files,
    by their path in the folder. Raises `BadRequest` rather than replace what is no dataset.
    """
    catalog = data.catalog
    with replacing_folder(Path(folder), manifest=False, mark="dataset.json") as aside:
        _write_entities(catalog.items, aside / "items.parquet")
        _write_entities(catalog.users, aside / "users.parquet")
        for name, entities in catalog.others.items():
            _write_entities(entities, _below(aside / "others", f"{name}.parquet"))
        for name, table in catalog.items.vectors.items():
            np.save(_below(aside / "vectors", f"items.{name}.npy"), table.numpy())
        for name, mask in catalog.items.masks.items():
            np.save(_below(aside / "vectors", f"items.{name}.mask.npy"), mask.numpy())
        for name, relation in catalog.relations.items():
            frame = _named(relation.frame, catalog, {"head": relation.head, "tail": relation.tail})
            frame.write_parquet(_below(aside / "relations", f"{name}.parquet"))
        if catalog.items.codes:
            made_by = _codebooks(data)
            write_codes(aside / CODES, catalog.items.ids, catalog.items.codes, made_by)
        if len(data.interactions):
            frame = _named(data.interactions.frame, catalog, {"user": "users", "item": "items"})
            frame.write_parquet(aside / "interactions.parquet")
        for path, write_extra in (extras or {}).items():
            place = aside / path
            place.parent.mkdir(exist_ok=True)
            write_extra(place)
        if data.folder is not None and data.folder.is_dir():
            _carry(data, data.folder, aside)
        write_json(aside / "dataset.json", {**_facts(data), **(more or {})})


def _carry(data: Dataset, old: Path, new: Path) -> None:
    """Bring along what lies in a dataset's folder and is no part of it: media, notes on vectors."""
    if (old / "media").is_dir():
        shutil.copytree(old / "media", new / "media", dirs_exist_ok=True)
    ids = ids_digest(data.catalog.items.ids)
    for name in data.catalog.items.vectors:
        notes = old / "vectors" / f"items.{name}.json"
        if notes.is_file() and read_json(notes).get("ids") == ids:
            shutil.copy(notes, new / "vectors")
    for name, key in _codebooks(data).items():
        places = codebook_of(old / CODES, name, key), codebook_files(new / CODES, name)
        for path, place in zip(*places, strict=True):
            if path.is_file():
                shutil.copy(path, place)


def _codebooks(data: Dataset) -> dict[str, str]:
    """The keys of codebooks in a dataset's folder that made codes of its items."""
    if data.folder is None or not (data.folder / CODES).is_file():
        return {}
    there, items = read_codes(data.folder / CODES), data.catalog.items
    rows = items.rows(there.ids)
    made = {}
    for name, key in there.codebooks.items():
        if name in items.codes and there.sets[name].levels == items.codes[name].levels:
            both = there.sets[name].table[rows >= 0], items.codes[name].table[rows[rows >= 0]]
            if torch.equal(*both):
                made[name] = key
    return made


def read(folder: Path, vectors: bool = True, codes: bool = True) -> Dataset:
    """Read a dataset folder, with or without its vectors and semantic ids.

    Raises `BadData` or `DamagedFile` naming the file that is wrong.
    """
    facts = _read_facts(folder / "dataset.json")
    items = _read_entities(folder / "items.parquet")
    if vectors:
        tables, masks = _read_vectors(folder, facts, items)
        items = replace(items, vectors=tables, masks=masks)
        for name in tables:
            items.check_vectors(name, place=str(_vectors_file(folder, name)))
    if codes and (folder / CODES).is_file():
        items = replace(items, codes=read_codes(folder / CODES).of(items))
    events = _read_events(folder / "interactions.parquet", facts)
    if (folder / "users.parquet").is_file() or facts["users"]:
        users = _read_entities(folder / "users.parquet")
    else:
        users = Entities(events["user"].unique().sort().alias("id"))
    others = {n: _read_entities(folder / "others" / f"{n}.parquet") for n in facts["others"]}
    known = {"items": items, "users": users, **others}
    relations = {
        name: Relation(head, tail, _read_links(folder, name, known[head], known[tail]))
        for name, (head, tail) in facts["relations"].items()
    }
    catalog = Catalog(items, users, others, relations)
    interactions = Interactions(numbered(events, catalog), facts["clock"])
    return Dataset(catalog, interactions, facts["name"], folder)


def add_vectors(folder: Path, name: str) -> None:
    """Make `vectors/items.NAME.npy` and its mask, which lie there, known to those who read."""
    facts = _read_facts(folder / "dataset.json")
    items = _read_entities(folder / "items.parquet")
    shape = list(_mapped(_vectors_file(folder, name)).shape)
    facts["vectors"][name] = {"shape": shape, "ids": ids_digest(items.ids), "mask": True}
    write_json(folder / "dataset.json", facts)
    note_fingerprint(folder)


def note_fingerprint(folder: Path) -> None:
    """Write down what the data are now, after vectors or semantic ids came to them."""
    facts = _read_facts(folder / "dataset.json")
    items = _read_entities(folder / "items.parquet")
    path = folder / CODES
    # Ids that are older than some items wait for `tokenize --add`, which calls this again.
    fit = path.is_file() and read_codes(path).is_about(items)
    found = read(folder, codes=fit).fingerprint
    write_json(folder / "dataset.json", {**facts, "fingerprint": found})


def ids_digest(ids: pl.Series) -> str:
    """A digest of ids in their order: vectors are only read beside the ids they were made for."""
    return hashlib.sha256(ids.cast(pl.String).str.join("\n").item().encode()).hexdigest()[:16]


def _facts(data: Dataset) -> dict[str, Any]:
    catalog = data.catalog
    return {
        "version": VERSION,
        "name": data.name,
        "fingerprint": data.fingerprint,
        "clock": data.interactions.clock,
        "items": len(catalog.items),
        "users": len(catalog.users),
        "events": len(data.interactions),
        "kinds": data.interactions.kinds,
        "vectors": {
            name: {
                "shape": list(table.shape),
                "ids": ids_digest(catalog.items.ids),
                "mask": name in catalog.items.masks,
            }
            for name, table in catalog.items.vectors.items()
        },
        "relations": {name: [r.head, r.tail] for name, r in catalog.relations.items()},
        "others": list(catalog.others),
    }


def _read_facts(path: Path) -> dict[str, Any]:
    facts = read_json(path)
    if not isinstance(facts, dict):
        raise DamagedFile(f"{path} holds no table.", "Import the data again.")
    if facts.get("version") != VERSION:
        raise BadData(
            f"{path} has format version {facts.get('version')}; this tesserec reads {VERSION}.",
            "Import the data again.",
        )
    needed = ("name", "clock", "users", "events", "kinds", "vectors", "relations", "others")
    missing = [name for name in needed if name not in facts]
    if missing:
        raise DamagedFile(f"{path} does not say {missing[0]!r}.", "Import the data again.")
    return facts


def _read_vectors(
    folder: Path, facts: dict[str, Any], items: Entities
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The vectors and the masks of the items, mapped into memory and not read."""
    tables: dict[str, torch.Tensor] = {}
    masks: dict[str, torch.Tensor] = {}
    digest = ids_digest(items.ids)
    for name, made in facts["vectors"].items():
        path = _vectors_file(folder, name)
        tables[name] = _mapped(path)
        if list(tables[name].shape) != made["shape"] or made["ids"] != digest:
            raise BadData(
                f"{path} was made for other items: {len(tables[name])} rows, {len(items)} items.",
                "Encode or import again after items.parquet has changed.",
            )
        if made.get("mask"):
            masks[name] = _mapped(path.with_name(f"items.{name}.mask.npy"))
    return tables, masks


def _vectors_file(folder: Path, name: str) -> Path:
    return folder / "vectors" / f"items.{name}.npy"


def _mapped(path: Path) -> torch.Tensor:
    try:
        return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise BadData(f"{path} cannot be read: {error}.", "Encode or import again.") from None


def _read_entities(path: Path) -> Entities:
    frame = _read_frame(path)
    if "id" not in frame.columns:
        raise BadData(f"{path} has no column 'id', only {', '.join(frame.columns)}.")
    doubled = frame["id"].filter(frame["id"].is_duplicated())
    if len(doubled):
        raise BadData(f"{path} holds {doubled[0]!r} twice.", "Keep one row per id.")
    return Entities(frame["id"], frame.drop("id"))


def _read_events(path: Path, facts: dict[str, Any]) -> pl.DataFrame:
    """Events with their kinds in the order they had; none where there were none."""
    if not path.is_file() and not facts["events"]:
        return pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64})
    frame = _read_frame(path)
    missing = [name for name in ("user", "item") if name not in frame.columns]
    if missing:
        raise BadData(f"{path} has no column {missing[0]!r}, only {', '.join(frame.columns)}.")
    if not facts["kinds"]:
        return frame
    return frame.with_columns(kind=pl.col("kind").cast(pl.String).cast(pl.Enum(facts["kinds"])))


def _read_links(folder: Path, name: str, heads: Entities, tails: Entities) -> pl.DataFrame:
    path = folder / "relations" / f"{name}.parquet"
    try:
        return linked(_read_frame(path), heads, tails)
    except BadData as error:
        raise BadData(f"{path}: {error.cause}", error.cure) from None


def _read_frame(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise BadData(f"{path} cannot be read: {reason}.", "Import the data again.") from None


def _write_entities(entities: Entities, path: Path) -> None:
    features = [entities.features[name] for name in entities.features.columns]
    pl.DataFrame([entities.ids.alias("id"), *features]).write_parquet(path)


def _named(frame: pl.DataFrame, catalog: Catalog, kinds: Mapping[str, str]) -> pl.DataFrame:
    """Row numbers as raw ids again."""
    known = {"items": catalog.items, "users": catalog.users, **catalog.others}
    named = {column: known[kind].ids.gather(frame[column]) for column, kind in kinds.items()}
    return frame.with_columns(**named)


def _below(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    return folder / name
