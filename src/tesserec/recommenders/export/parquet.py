"""Parquet: the vectors of items, and of users where a model has them, with their ids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from tesserec.core import Entities
from tesserec.recommenders.export.format import Format
from tesserec.recommenders.product import ProductRecommender


class Parquet(Format):
    """`items.parquet` and `users.parquet`: id, vector; what suits a user best has the largest
    inner product. Of users only those are written whom the model learned from.
    """

    def write(self, model: ProductRecommender, folder: Path) -> Mapping[str, Any]:
        items = _table(model.catalog.items, model.item_vectors)
        items.write_parquet(folder / "items.parquet")
        facts = {"items": items.height, "dim": model.item_vectors.shape[1]}
        tables = model.tables()
        if "users" not in tables:
            return facts
        users = _table(model.catalog.users, tables["users"])
        users = users.filter(pl.Series(tables["known"].cpu().numpy()))
        users.write_parquet(folder / "users.parquet")
        return {**facts, "users": users.height}


def _table(entities: Entities, vectors: Tensor) -> pl.DataFrame:
    numbers = vectors.detach().cpu().float().contiguous().numpy()
    column = pl.Series("vector", numbers, dtype=pl.Array(pl.Float32, numbers.shape[1]))
    return pl.DataFrame([entities.ids.alias("id"), column])
