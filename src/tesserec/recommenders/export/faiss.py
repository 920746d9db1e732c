"""Faiss: an index over the items, and their ids in the order of its rows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from tesserec.core.errors import BadSpec
from tesserec.recommenders.export.format import Format
from tesserec.recommenders.index import FaissFlat, Index, Indexed
from tesserec.recommenders.index.faiss import FILE, FaissIndex
from tesserec.recommenders.product import ProductRecommender


class Faiss(Format):
    """`search.faiss` and `ids.parquet`: row, id. Queries get zeros behind, up to the index's size.

    The index a model has is written where it is faiss's, else a new one is built.
    """

    index: Index = Field(default_factory=FaissFlat)

    def write(self, model: ProductRecommender, folder: Path) -> Mapping[str, Any]:
        if not isinstance(self.index, FaissIndex):
            raise BadSpec(f"{type(self.index).__name__} is no index of faiss.")
        made = model.index
        if made is None or not isinstance(made.kind, FaissIndex):
            made = model.indexed(self.index).index
        assert isinstance(made, Indexed)
        made.kind.write(made.searcher, folder)
        ids = model.catalog.items.ids
        rows = pl.int_range(len(ids), dtype=pl.Int64, eager=True).alias("row")
        pl.DataFrame([rows, ids.alias("id")]).write_parquet(folder / "ids.parquet")
        size = (folder / FILE).stat().st_size
        return {"items": len(ids), "index": made.kind.to_dict(), "bytes": size, **made.facts}
