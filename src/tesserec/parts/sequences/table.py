"""What stands for items in a sequence: learned vectors, started from content, or fed by it."""

from abc import abstractmethod
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.content.reduction import fitted_pca
from tesserec.core import Dataset, Entities, Spec
from tesserec.core.errors import CannotAnswer, NoContent
from tesserec.parts.linear import Layer

Positive = Annotated[float, Field(gt=0)]


class ItemTable(Spec):
    """A vector per item. What it makes is a module that returns [I, D] when called."""

    @abstractmethod
    def over(self, data: Dataset, dim: int) -> nn.Module:
        """A new table for the items of some data. Raises `NoContent` where it reads some."""


class Learned(ItemTable):
    """Learned from events alone, from small random numbers on."""

    deviation: Positive = 0.02

    def over(self, data: Dataset, dim: int) -> nn.Module:
        return Table(self.deviation * torch.randn(len(data.catalog.items), dim))


class StartedFrom(ItemTable):
    """Learned, and begun as the main directions of content vectors.

    Items without content begin at random. `deviation` is that of the numbers a table begins with.
    """

    vectors: str = ""  # which vectors; "": the only ones
    deviation: Positive = 0.02

    def over(self, data: Dataset, dim: int) -> nn.Module:
        items = data.catalog.items
        name = _named(items, self.vectors, type(self).__name__)
        table: Tensor = items.vectors[name]
        start = torch.randn(len(items), dim)
        if not table.is_meta:  # at load only shapes are there, and the weights come from a file
            present = items.present(name)
            rows = table[present].float().numpy()
            start[present] = dim**0.5 * torch.from_numpy(fitted_pca(rows, dim)(rows))
        return Table(self.deviation * start)


class FedBy(ItemTable):
    """Content vectors, projected by a learned matrix, beside what events say of an item.

    Items without content have only the latter.
    """

    vectors: str = ""  # which vectors; "": the only ones
    learned: bool = True  # a vector of each item's own is added
    deviation: Positive = 0.02

    def over(self, data: Dataset, dim: int) -> nn.Module:
        items = data.catalog.items
        return Fed(items, _named(items, self.vectors, type(self).__name__), dim, self)


class Table(nn.Module):
    """[I, D], as it is."""

    def __init__(self, start: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(start)

    def forward(self) -> Tensor:
        """[I, D]"""
        return self.weight

    def place(self, items: Entities) -> Tensor:
        """Raises `CannotAnswer`: of items without events it knows nothing."""
        raise CannotAnswer(
            "Items are vectors learned from events, and of new items there are none.",
            "Fit with items = {kind = FedBy}, which reads content, or again with their events.",
        )


class Fed(nn.Module):
    """Projected content of unit length, plus a vector of each item's own: [I, D]"""

    content: Tensor

    def __init__(self, items: Entities, name: str, dim: int, spec: FedBy) -> None:
        super().__init__()
        self.name, table = name, items.vectors[name]
        # It stays beside the data: what a model answers from are the vectors made of it.
        self.register_buffer("content", table, persistent=False)
        self.register_buffer("length", _lengths(table), persistent=False)
        self.project = Layer(table.shape[1], dim, bias=False)
        nn.init.normal_(self.project.weight, std=spec.deviation)
        start = spec.deviation * torch.randn(len(items), dim) if spec.learned else None
        self.own = None if start is None else nn.Parameter(start)

    def forward(self) -> Tensor:
        """[I, D]"""
        lengths = cast(Tensor, self.length)
        vectors: Tensor = self.project(self.content.float()) * lengths[:, None]
        return vectors if self.own is None else vectors + self.own

    def place(self, items: Entities) -> Tensor:
        """Where content alone puts items: [n, D]"""
        table = items.vectors[self.name]
        placed: Tensor = self.project(table.float()) * _lengths(table)[:, None]
        return placed


def _lengths(table: Tensor) -> Tensor:
    """What gives each row the length of a random one, sqrt(W); 0 for rows of zeros: [I]"""
    norms = table.float().norm(dim=1)
    return torch.where(norms > 0, table.shape[1] ** 0.5 / norms.clamp(min=1e-12), 0.0)


def _named(items: Entities, name: str, who: str) -> str:
    """The vectors of this name, or the only ones. Raises `NoContent`."""
    if name in items.vectors:
        return name
    if not name and len(items.vectors) == 1:
        return next(iter(items.vectors))
    there = ", ".join(sorted(items.vectors)) or "none"
    raise NoContent(
        f"{who} reads item vectors{f' called {name!r}' if name else ''}, and there are {there}.",
        "Encode some (`tesserec encode`), or name those to read in its field `vectors`.",
    )
