"""Exact: all items are looked at, in tiles that stay in the cache."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from tesserec.core import Histories, Ragged, Requests
from tesserec.recommenders.index.searcher import Index, Searcher
from tesserec.recommenders.top_k import rank_products


class Exact(Index):
    """No index: nothing is built, and nothing is missed."""

    is_exact: ClassVar[bool] = True

    def build(self, items: Tensor) -> Searcher:
        return All(items)

    def write(self, searcher: Any, folder: Path) -> None:
        """The vectors are all there is, and they lie elsewhere."""

    def read(self, folder: Path, items: Tensor) -> Searcher:
        return All(items)


@dataclass(frozen=True, eq=False)
class All:
    """Looks at every item."""

    items: Tensor  # [I, D]

    def search(self, queries: Tensor, count: int) -> Tensor:
        """[B, D] -> [B, count]"""
        nobody = torch.full((len(queries),), -1)
        asked = Requests(nobody, Histories(Ragged.empty(len(queries))))
        return rank_products(queries, self.items, asked, count).items
