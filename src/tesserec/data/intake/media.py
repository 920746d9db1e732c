"""Pictures and sounds of items: their ids checked, their bytes passed on unread."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl

from tesserec.core import Entities
from tesserec.data.intake.mediafiles import GROUP, owned_files, write_files
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Media, MediaFolder


@dataclass(frozen=True)
class Kept:
    """Files that are to be kept, and what writes them to parquet as rows of item and bytes."""

    count: int
    write: Callable[[Path], object]


def kept_media(media: Media | MediaFolder, items: Entities, found: Findings) -> Kept:
    """One file for each item that has any; what is of no use is named in the findings."""
    if isinstance(media, MediaFolder):
        return _of_folder(media.folder, items, found)
    ids = pl.col(media.item_column).cast(items.ids.dtype)
    frame = pl.scan_parquet(media.table).select(item=ids, bytes=media.bytes_column)
    held = frame.select("item", empty=pl.col("bytes").is_null()).collect()
    kept = _usable(held, held["item"], _Place(media.table.name, "item"), items, found)
    if not kept.all():
        rows = kept.arg_true().implode()
        frame = frame.with_row_index("place").filter(pl.col("place").is_in(rows))
    frame = frame.select("item", "bytes")
    return Kept(int(kept.sum()), lambda out: frame.sink_parquet(out, row_group_size=GROUP))


def _of_folder(folder: Path, items: Entities, found: Findings) -> Kept:
    files = owned_files(folder, items)
    kept = files.filter(_usable(files, files["path"], _Place(folder.name, "file"), items, found))
    return Kept(kept.height, lambda out: write_files(kept, folder, out))


class _Place(NamedTuple):
    name: str
    holds: str  # what is named in findings: items or files


def _usable(
    held: pl.DataFrame, names: pl.Series, place: _Place, items: Entities, found: Findings
) -> pl.Series:
    """Which rows (item, empty) are kept; the others are found by their names: [n] bool"""
    unknown = ~held["item"].is_in(items.ids.implode()).fill_null(False)
    doubled = held["item"].is_first_distinct().not_() & ~unknown
    empty = held["empty"] & ~unknown
    for which, reason in (
        (unknown, "an unknown item"),
        (doubled, "a second file"),
        (empty, "an empty file"),
    ):
        found.ids(place.name, reason, names.filter(which).to_list(), "left out", place.holds)
    kept = ~(unknown | doubled | empty)
    missing = len(items) - int(kept.sum())
    if missing:
        found.note(f"{place.name}: items without one: {missing:,} of {len(items):,}.")
    return kept
