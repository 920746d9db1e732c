"""ContentKNN: what is made alike belongs together.

Item neighbours by the cosine of content vectors in place of co-occurrence: the content-based
recommendation of Pazzani and Billsus (The Adaptive Web, 2007), in the form of ItemKNN. Nothing is
learned from events, so that an item that nobody has chosen is recommended like any other.
"""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Answering, Catalog, Dataset, Entities, Run
from tesserec.core.data import BLOCK
from tesserec.core.errors import NoContent
from tesserec.parts.graphs import nearest
from tesserec.parts.networks import Neighbourhood
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm


class ContentKNN(ClosedForm):
    """Recommend what is made like the things a person chose."""

    needs: ClassVar = frozenset({"vectors"})
    tiny: ClassVar = {"neighbours": 4}

    neighbours: Annotated[int, Field(ge=1)] = 50
    vectors: tuple[str, ...] = ()  # which tables; (): all, each with the same weight

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        contents, present = _contents(data.catalog.items, network.names)
        near, similarity = nearest(contents, self.neighbours, present)
        network.fill(near, similarity.clamp(min=0), data.popularity)
        network.keep(0, contents, present)
        network.popularity.copy_(data.popularity)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(Neighbourhood):
    """Neighbours, and the contents that new items are compared with, as directions in float16."""

    contents: Tensor
    popularity: Tensor

    def __init__(self, method: ContentKNN, data: Dataset) -> None:
        items = data.catalog.items
        super().__init__(len(items), method.neighbours)
        self.names = _chosen(items, method.vectors)
        width = sum(items.vectors[name].shape[1] for name in self.names)
        contents = torch.zeros(len(items), width, dtype=torch.float16)
        self.register_buffer("contents", contents)  # [I, W]
        self.register_buffer("popularity", torch.zeros(len(items)).long())  # [I]

    def keep(self, first: int, contents: Tensor, present: Tensor) -> None:
        """Remember what items from a row on are made of: [n, W], [n]"""
        for start in range(0, len(contents), BLOCK):
            block = slice(start, start + BLOCK)
            unit = functional.normalize(contents[block].float(), dim=1) * present[block, None]
            self.contents[first + start : first + start + len(unit)] = unit

    def place(self, items: Entities) -> Tensor:
        """The direction of their contents, zeros where there is none: [n, W]"""
        contents, present = _contents(items, self.names)
        return functional.normalize(contents.float(), dim=1) * present[:, None]

    def take_in(self, items: Entities) -> None:
        """The last rows are of these items: they find neighbours, and become some.

        To the precision of what is kept the lists are those that a new fit would make.
        """
        contents, present = _contents(items, self.names)
        self.keep(len(self.near) - len(items), contents, present)
        near, similarity = nearest(self.contents, self.near.shape[1])
        self.average.zero_()
        self.fill(near, similarity.clamp(min=0), self.popularity)


def _chosen(items: Entities, names: tuple[str, ...]) -> tuple[str, ...]:
    """The tables that are read. Raises `NoContent`."""
    unknown = [name for name in names if name not in items.vectors]
    if unknown or not items.vectors:
        there = ", ".join(items.vectors) or "none"
        raise NoContent(
            f"ContentKNN compares item vectors; wanted {unknown or 'any'}, there are {there}.",
            "Encode them first: tesserec encode DATA --modality text",
        )
    return names or tuple(sorted(items.vectors))


def _contents(items: Entities, names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Unit vectors of all tables side by side, and who has any: [I, W], [I] bool

    Where two items have every content, their cosine is the mean over the contents.
    """
    chosen = _chosen(items, names)
    present = torch.stack([items.present(name) for name in chosen])
    if len(chosen) == 1:
        return items.vectors[chosen[0]], present[0]
    parts = [
        functional.normalize(items.vectors[name].float(), dim=1) * there[:, None]
        for name, there in zip(chosen, present, strict=True)
    ]
    return torch.cat(parts, 1), present.any(0)
