"""RandomIds: codes that say nothing about an item, the control of all that do."""

from typing import Any, ClassVar, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.parts.semantic_ids.digests import digests
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized, Quantizer

ODD = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits, which keeps the levels apart


class RandomIds(Quantizer):
    """Codes drawn at random for each item.

    They depend on the seed and on the item's id alone: who is added later changes nobody's. With
    one level of more codes than there are items, and `FreeLeaves`, each item is a token of its
    own (atomic identifiers), which says nothing before it is learned.
    """

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 4}

    def codebook(self, items: Entities) -> "Drawn":
        return Drawn(self.levels, self.codes, torch.zeros(1, dtype=torch.int64))

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        codebook.seed.random_(generator=run.generator("codes"))
        numbers = codebook.read(data.catalog.items)
        codes = Codes(codebook.encode(numbers), (self.codes,) * self.levels)
        return Quantized(codebook, numbers, codes)


class Drawn(Codebook):
    """A seed. What is read of an item is a number made of its id."""

    seed: Tensor

    def __init__(self, levels: int, codes: int, seed: Tensor) -> None:
        super().__init__()
        self.levels, self.codes = levels, codes
        self.register_buffer("seed", seed)  # [1]

    def read(self, items: Entities) -> Tensor:
        """64 bits of each id as text: [n, 1] int64"""
        return digests(items.ids.cast(pl.String))[:, None]

    def encode(self, vectors: Tensor) -> Tensor:
        numbers = vectors.numpy().view(np.uint64)  # [n, 1]
        seed = np.uint64(int(self.seed[0]))
        steps = np.arange(1, self.levels + 1, dtype=np.uint64) * np.uint64(ODD)
        codes = mixed(mixed(numbers ^ seed) + steps) % np.uint64(self.codes)  # [n, L]
        return torch.from_numpy(codes.astype(np.int64))


def mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Each number as another that looks like chance (SplitMix64; Steele et al., OOPSLA 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return cast(NDArray[np.uint64], numbers ^ (numbers >> np.uint64(31)))
