"""Import: whatever a source recognises becomes a folder in the one format, whole or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tesserec.core import Progress, Silent
from tesserec.core.errors import BadData
from tesserec.data import format
from tesserec.data.intake import (
    Assembled,
    Columns,
    Findings,
    Kept,
    OnError,
    Problem,
    assembled,
    checked,
    kept_media,
)
from tesserec.data.sample import SAMPLE
from tesserec.data.sources import source_of

__all__ = ["Columns", "ImportReport", "OnError", "import_data"]


@dataclass(frozen=True)
class ImportReport:
    """What was read, what became of it, and what a person should know."""

    source: str
    kind: str  # of source: TableFile, RecBole, ...
    folder: str
    fingerprint: str
    users: int
    items: int
    events: int
    clock: str
    kinds: tuple[str, ...]
    vectors: Mapping[str, int]  # name -> width
    relations: Mapping[str, int]  # name -> links
    media: Mapping[str, int]  # name -> items
    columns: Mapping[str, str]  # user, item, time, ... -> the column it was read from
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report as a person reads it."""
        found = [
            f"{self.source} ({self.kind}) is now {self.folder}:",
            f"{self.users:,} users, {self.items:,} items, {self.events:,} events",
        ]
        roles = ", ".join(f"{role} = {name}" for role, name in self.columns.items())
        found += [f"columns: {roles}"] if roles else []
        found += [f"kinds: {', '.join(self.kinds)}"] if self.kinds else []
        found += [f"vectors: {name}, {width} wide" for name, width in self.vectors.items()]
        found += [f"relation: {name}, {count:,} links" for name, count in self.relations.items()]
        found += [f"media: {name}, {count:,} items" for name, count in self.media.items()]
        return [*found, *(one.line() for one in self.problems), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        table |= {name: dict(table[name]) for name in ("vectors", "relations", "media", "columns")}
        problems = [one.to_dict() for one in self.problems]
        return {**table, "kinds": list(self.kinds), "notes": list(self.notes), "problems": problems}


def import_data(
    source: str | Path,
    out: str | Path,
    on_error: OnError = "fail",
    columns: Columns | None = None,
    progress: Progress | None = None,
) -> ImportReport:
    """Read what lies at `source` and write it to the folder `out`.

    Raises `BadData` for a source that is not recognised, for columns that cannot be told, and,
    unless `on_error` says otherwise, for the first row that cannot be used.
    """
    path, out, progress = located(source), Path(out), progress or Silent()
    on_error = checked(on_error)
    _check_places(path, out)
    progress.say(f"Reading {path.name}")
    if is_dataset(path):
        kind, done = "dataset", Assembled(format.read(path), {}, Findings(on_error))
        media = {one.stem: _whole(one) for one in path.glob("media/*.parquet")}
    else:
        found = source_of(path)
        raw = found.tables(path)
        kind = type(found).__name__
        done = assembled(raw, name_of(path), on_error, columns or Columns())
        items = done.data.catalog.items
        media = {one.name: kept_media(one, items, done.found) for one in raw.media}
    progress.say(f"Writing {out}")
    report = _report(path, out, kind, done, media)
    # Those of a dataset are brought along by whoever writes it.
    brought = {} if kind == "dataset" else media
    extras = {f"media/{name}.parquet": one.write for name, one in brought.items()}
    quarantined = done.found.quarantine()
    if quarantined is not None:
        extras["quarantine.parquet"] = quarantined.write_parquet
    made = report.to_dict()
    kept = ("source", "kind", "columns", "media", "problems", "notes")
    format.write(done.data, out, {"imported": {name: made[name] for name in kept}}, extras)
    return report


def located(source: str | Path) -> Path:
    """The path of a source; "sample" is the shipped data set (write ./sample for a folder)."""
    return SAMPLE if source == "sample" else Path(source)


def is_dataset(path: Path) -> bool:
    """Whether a folder is in the one format already."""
    return (path / "dataset.json").is_file()


def name_of(source: Path) -> str:
    """What a dataset is called after: the file or folder, without what says how to read it."""
    return source.resolve().name.split(".")[0] or "data"


def _check_places(source: Path, out: Path) -> None:
    if out.exists() and out.resolve() in (source.resolve(), *source.resolve().parents):
        raise BadData(f"{out} holds the source {source}.", "Write to another folder.")


def _whole(media: Path) -> Kept:
    frame = pl.scan_parquet(media)
    return Kept(int(frame.select(pl.len()).collect().item()), frame.sink_parquet)


def _report(
    source: Path, out: Path, kind: str, done: Assembled, media: Mapping[str, Kept]
) -> ImportReport:
    data, catalog = done.data, done.data.catalog
    return ImportReport(
        source=source.name,
        kind=kind,
        folder=str(out),
        fingerprint=data.fingerprint,
        users=len(catalog.users),
        items=len(catalog.items),
        events=len(data.interactions),
        clock=data.interactions.clock,
        kinds=tuple(data.interactions.kinds),
        vectors={name: table.shape[1] for name, table in catalog.items.vectors.items()},
        relations={name: one.frame.height for name, one in catalog.relations.items()},
        media={name: one.count for name, one in media.items()},
        columns=done.columns,
        problems=tuple(done.found.problems),
        notes=tuple(done.found.notes),
    )
