"""Pictures and sounds of items: their ids checked, their bytes passed on unread."""

import polars as pl

from tesserec.core import Entities
from tesserec.data.intake.problems import Findings
from tesserec.data.intake.raw import Media


def media_frame(media: Media, items: Entities, found: Findings) -> pl.LazyFrame:
    """Rows of item and bytes, one for each item that has any."""
    place = media.table.name
    ids = pl.col(media.item_column).cast(items.ids.dtype)
    frame = pl.scan_parquet(media.table).select(item=ids, bytes=media.bytes_column)
    held = frame.select("item", empty=pl.col("bytes").is_null()).collect()
    unknown = ~held["item"].is_in(items.ids.implode()).fill_null(False)
    doubled = held["item"].is_first_distinct().not_() & ~unknown
    empty = held["empty"] & ~unknown
    for which, reason, done in (
        (unknown, "an unknown item", "left out"),
        (doubled, "a second file", "left out"),
        (empty, "an empty file", "left out"),
    ):
        found.ids(place, reason, held["item"].filter(which).to_list(), done, "item")
    kept = (~(unknown | doubled | empty)).arg_true()
    missing = len(items) - len(kept)
    if missing:
        found.note(f"{place}: items without one: {missing:,} of {len(items):,}.")
    if len(kept) < held.height:
        frame = frame.with_row_index("place").filter(pl.col("place").is_in(kept.implode()))
    return frame.select("item", "bytes")
