"""MMRec's folders: events with their part, and vectors whose rows are item numbers.

NAME.inter                          userID <tab> itemID <tab> ... <tab> x_label (0, 1, 2)
image_feat.npy  text_feat.npy       row n belongs to item n
i_id_mapping.csv  u_id_mapping.csv  what the numbers were before (asin <tab> itemID)
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tesserec.core.errors import BadData
from tesserec.data.intake import Raw, plain
from tesserec.data.sources.atomic import atomic_table, has_types, inter_file
from tesserec.data.sources.source import Source
from tesserec.data.sources.tablefolder import features
from tesserec.data.tables import Table, delimited_table, lazy_table


class MMRec(Source):
    """A `.inter` file without types in its header, and what lies beside it."""

    def recognises(self, path: Path) -> bool:
        inter = inter_file(path)
        return inter is not None and not has_types(inter)

    def tables(self, path: Path) -> Raw:
        inter = inter_file(path)
        assert inter is not None  # it was recognised
        folder, events = inter.parent, atomic_table(inter)
        vectors = tuple(replace(one, by_number=True) for one in features(folder, "_feat.npy"))
        arrays = [one.array for one in vectors if one.array is not None]
        items, users = folder / "i_id_mapping.csv", folder / "u_id_mapping.csv"
        known = (inter, items, users, *arrays)
        left = sorted(one.name for one in folder.iterdir() if one not in known)
        return Raw(
            interactions=events,
            items=_mapping(items, events) if items.is_file() else _numbers(arrays),
            users=_mapping(users, events) if users.is_file() else None,
            vectors=vectors,
            notes=(f"Left alone: {', '.join(left)}.",) if left else (),
        )


def _mapping(path: Path, events: Table) -> Table:
    """What a number was before. Both columns may be called much alike: user_id and userID."""
    table = delimited_table(path)
    numbers = [name for name in table.columns if name in events.columns]
    if len(numbers) != 1:
        raise BadData(
            f"{path.name} has the columns {', '.join(table.columns)}; one of them has to be called "
            f"as in {events.place}.",
        )
    same = [name for name in table.columns if plain(name) == plain(numbers[0])]
    return table.renamed({name: "original_id" for name in same if name != numbers[0]})


def _numbers(arrays: list[Path]) -> Table | None:
    """Every item that has a row in some file of vectors."""
    rows = [len(np.load(path, mmap_mode="r", allow_pickle=False)) for path in arrays]
    if not rows:
        return None
    items = pl.LazyFrame({"itemID": pl.int_range(max(rows), eager=True)})
    return lazy_table(items, "the items of the vectors")
