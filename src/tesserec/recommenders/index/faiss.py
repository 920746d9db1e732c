"""faiss: an index of the library of that name, kept in a file of its own.

Johnson, Douze, Jégou: Billion-scale similarity search with GPUs, IEEE Transactions on Big Data
2021. Cells are made for distances. The largest inner product becomes the smallest distance when
each item gets one number more, so that all are of one length, and each query a 0 there (Bachrach et
al.: Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
spaces, RecSys 2014).
"""

from abc import abstractmethod
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core.errors import DamagedFile, MissingExtra
from tesserec.recommenders.index.searcher import Index, Searcher

FILE = "search.faiss"


def library() -> Any:
    """The package. Raises `MissingExtra` where it is not installed."""
    try:
        return import_module("faiss")
    except ImportError:
        raise MissingExtra(
            "This index needs faiss.", "Run: pip install 'tesserec[index]'"
        ) from None


class FaissIndex(Index):
    """What the kinds below share: how they are built, written and read."""

    @abstractmethod
    def empty(self, dim: int, count: int) -> Any:
        """A faiss index for `count` vectors of so many numbers, with nothing in it."""

    def vectors(self, items: Tensor, known: int | None = None) -> Tensor:
        """What is put into the index, or was put for the first `known`: [I, D] -> [I, D + 1]"""
        return of_one_length(items.detach().cpu().float(), known)

    def grown(self, searcher: Any, items: Tensor, known: int) -> Searcher:
        index = library().clone_index(searcher.index)
        index.add(self.vectors(items, known)[known:].contiguous().numpy())
        return Found(index, searcher.dim)

    def build(self, items: Tensor) -> Searcher:
        vectors = self.vectors(items)
        index = self.empty(vectors.shape[1], len(vectors))
        rows = vectors.contiguous().numpy()
        if not index.is_trained:
            index.train(rows)
        index.add(rows)
        return Found(index, vectors.shape[1])

    def write(self, searcher: Any, folder: Path) -> None:
        library().write_index(searcher.index, str(folder / FILE))

    def read(self, folder: Path, items: Tensor) -> Searcher:
        index = library().read_index(str(folder / FILE))
        if index.ntotal != len(items):
            raise DamagedFile(f"{folder / FILE} is of {index.ntotal} items, not {len(items)}.")
        return Found(index, index.d)


class FaissFlat(FaissIndex):
    """All items are looked at, by faiss."""

    is_exact: ClassVar[bool] = True

    def vectors(self, items: Tensor, known: int | None = None) -> Tensor:
        return items.detach().cpu().float()

    def empty(self, dim: int, count: int) -> Any:
        return library().IndexFlatIP(dim)


class FaissIVF(FaissIndex):
    """Items lie in cells, and only the cells nearest to the query are looked at."""

    cells: int | None = Field(default=None, ge=1)  # four roots of the number of items
    probes: int = Field(default=32, ge=1)  # cells that are looked at

    def empty(self, dim: int, count: int) -> Any:
        faiss = library()
        # Each cell wants a few items to be learned from.
        cells = min(self.cells or int(4 * count**0.5), max(count // 39, 1))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(dim), dim, cells)
        index.nprobe = min(self.probes, cells)
        return index


class FaissHNSW(FaissIndex):
    """Items are linked with their neighbours, and one walks towards the query.

    Malkov, Yashunin: Efficient and robust approximate nearest neighbor search using hierarchical
    navigable small world graphs, TPAMI 2020. Neighbours are those with large inner products: with
    distances between vectors of one length, as for cells, far less was found where lengths differ.
    With several threads no two graphs are the same.
    """

    links: int = Field(default=32, ge=2)  # M
    effort: int = Field(default=200, ge=1)  # efConstruction: how well neighbours are looked for
    breadth: int = Field(default=128, ge=1)  # efSearch: how many ways are followed at once

    def vectors(self, items: Tensor, known: int | None = None) -> Tensor:
        return items.detach().cpu().float()

    def empty(self, dim: int, count: int) -> Any:
        faiss = library()
        index = faiss.IndexHNSWFlat(dim, self.links, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = self.effort
        index.hnsw.efSearch = self.breadth
        return index


@dataclass(frozen=True, eq=False)
class Found:
    """An index of faiss that was filled."""

    index: Any
    dim: int

    def search(self, queries: Tensor, count: int) -> Tensor:
        """[B, D] -> [B, count]"""
        queries = queries.detach().cpu().float()
        queries = torch.nn.functional.pad(queries, (0, self.dim - queries.shape[1]))
        if not len(queries):
            return torch.zeros(0, count, dtype=torch.int64)
        _, rows = self.index.search(queries.contiguous().numpy(), count)
        return torch.from_numpy(rows)


def of_one_length(items: Tensor, known: int | None = None) -> Tensor:
    """Each vector with one number more, which makes it as long as the longest: [I, D + 1]

    As the longest of the first `known`, where there are more: what is longer stays as it is.
    """
    squares = items.square().sum(1)
    longest = squares[:known].max() if len(squares[:known]) else squares[:0].sum()
    return torch.cat([items, (longest - squares).clamp(min=0).sqrt()[:, None]], 1)
