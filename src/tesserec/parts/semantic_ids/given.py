"""Given: semantic ids that the data have already."""

from typing import ClassVar

import torch
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import CannotAnswer, NoContent
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized, Quantizer


class Given(Quantizer):
    """Codes as the data have them; where items share some, collisions are resolved.

    Its `levels` and `codes` are those of the data, whatever the fields say.
    """

    learns: ClassVar[bool] = False

    name: str = ""  # of the codes; "": the only ones
    vectors: str = ""  # what statistics compare with; "": the only ones, if there are any

    def codebook(self, items: Entities) -> "NoCodebook":
        return NoCodebook(self.vectors)

    def fit(self, data: Dataset, run: Run) -> Quantized:
        items = data.catalog.items
        codebook = self.codebook(items)
        return Quantized(codebook, codebook.read(items), self.chosen(items))

    def unique(self, found: Quantized, popularity: Tensor) -> Codes:
        if not found.codes.unique:
            return super().unique(found, popularity)
        return Codes(found.codes.table, found.codes.sizes, found.codebook)

    def chosen(self, items: Entities) -> Codes:
        """The codes that are meant. Raises `NoContent`."""
        if self.name in items.codes:
            return items.codes[self.name]
        if not self.name and len(items.codes) == 1:
            return next(iter(items.codes.values()))
        there = ", ".join(sorted(items.codes)) or "none"
        called = f" called {self.name!r}" if self.name else ""
        raise NoContent(
            f"Given takes semantic ids{called} from the data, and there are {there}.",
            "Make some (`tesserec tokenize`), or name those to take in its field `name`.",
        )


class NoCodebook(Codebook):
    """Stands where nobody knows how codes were made."""

    def __init__(self, vectors: str) -> None:
        super().__init__()
        self.vectors = vectors

    def read(self, items: Entities) -> Tensor:
        """The named vectors, else the only ones, else vectors without a number: [n, D]

        Raises `NoContent` where there are none of that name.
        """
        there = list(items.vectors)
        if self.vectors and self.vectors not in there:
            raise NoContent(f"There are no vectors {self.vectors!r}, only {there}.")
        if not self.vectors and len(there) != 1:
            return torch.zeros(len(items), 0)
        return items.vectors[self.vectors or there[0]].float()

    def encode(self, vectors: Tensor) -> Tensor:
        raise CannotAnswer(
            "These semantic ids came with the data: what made them is not known.",
            "Make others (`tesserec tokenize`): their codebook gives ids to new items.",
        )
