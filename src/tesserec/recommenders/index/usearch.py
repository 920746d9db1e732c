"""usearch: a graph of neighbours by the library of that name."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core.errors import DamagedFile, MissingExtra
from tesserec.recommenders.index.searcher import Index, Searcher

FILE = "search.usearch"


def library() -> Any:
    """The module. Raises `MissingExtra` where it is not installed."""
    try:
        return import_module("usearch.index")
    except ImportError:
        raise MissingExtra("This index needs usearch.", "Run: pip install usearch") from None


class USearch(Index):
    """Items are linked with their neighbours, and one walks towards the query, as in FaissHNSW.

    With several threads no two graphs are the same.
    """

    links: int = Field(default=32, ge=2)  # M
    effort: int = Field(default=200, ge=1)  # efConstruction: how well neighbours are looked for
    breadth: int = Field(default=128, ge=1)  # efSearch: how many ways are followed at once

    def build(self, items: Tensor) -> Searcher:
        vectors = items.detach().cpu().float().contiguous()
        index = library().Index(
            ndim=vectors.shape[1],
            metric="ip",
            dtype="f32",
            connectivity=self.links,
            expansion_add=self.effort,
            expansion_search=self.breadth,
        )
        if len(vectors):
            index.add(torch.arange(len(vectors)).numpy(), vectors.numpy())
        return Walked(index)

    def write(self, searcher: Any, folder: Path) -> None:
        searcher.index.save(str(folder / FILE))

    def read(self, folder: Path, items: Tensor) -> Searcher:
        index = library().Index.restore(str(folder / FILE))
        if index is None or len(index) != len(items):
            raise DamagedFile(f"{folder / FILE} is no index of {len(items)} items.")
        index.expansion_search = self.breadth  # the file does not hold it
        return Walked(index)


@dataclass(frozen=True, eq=False)
class Walked:
    """An index of usearch that was filled."""

    index: Any

    def search(self, queries: Tensor, count: int) -> Tensor:
        """[B, D] -> [B, count]"""
        rows = torch.full((len(queries), count), -1)
        if not len(queries) or not len(self.index):
            return rows
        asked = queries.detach().cpu().float().contiguous().numpy()
        found = self.index.search(asked, min(count, len(self.index)))
        keys = torch.from_numpy(found.keys.astype("int64")).reshape(len(queries), -1)
        # For one query it returns what it found and no counts; for several, some keys are no finds.
        counts = torch.tensor([len(found)] if len(queries) == 1 else found.counts.tolist())
        there = torch.arange(keys.shape[1]) < counts[:, None]
        rows[:, : keys.shape[1]] = torch.where(there, keys, -1)
        return rows
