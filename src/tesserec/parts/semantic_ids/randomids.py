"""RandomIds: codes that say nothing about an item, the control of all that do."""

from typing import Any, ClassVar, cast

import numba
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized, Quantizer

ODD = 0x9E3779B97F4A7C15  # the golden ratio in 64 bits, which keeps the levels apart


class RandomIds(Quantizer):
    """Codes drawn at random for each item.

    They depend on the seed and on the item's id alone: who is added later changes nobody's.
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
        ids = items.ids.cast(pl.String)
        text = np.frombuffer((ids.str.join("").item() or "").encode(), np.uint8)
        ends = ids.str.len_bytes().cast(pl.Int64).cum_sum().to_numpy()
        return torch.from_numpy(_digests(text, ends).view(np.int64))[:, None]

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


@numba.njit(nogil=True, cache=True)
def _digests(text, ends):  # type: ignore[no-untyped-def]
    """FNV-1a of each piece of a text."""
    digests = np.empty(len(ends), np.uint64)
    start = 0
    for i in range(len(ends)):
        digest = np.uint64(0xCBF29CE484222325)
        for place in range(start, ends[i]):
            digest = (digest ^ np.uint64(text[place])) * np.uint64(0x100000001B3)
        digests[i] = digest
        start = ends[i]
    return digests
