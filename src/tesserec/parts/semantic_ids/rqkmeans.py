"""RQKMeans: what k-means leaves over is clustered again, level after level.

Residual k-means as in Ju et al., "Generative Recommendation with Semantic IDs: A Practitioner's
Handbook", CIKM 2025, arXiv:2507.22224. Clusters of equal size are those of Deng et al., "OneRec",
arXiv:2502.18965; "OneSearch" of the same house balances the last level alone.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.parts.semantic_ids.kmeans import balanced_kmeans, kmeans, nearest
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorCodebook, VectorQuantizer

LEVELS: Mapping[str, Callable[[int], range]] = {
    "none": lambda levels: range(0),
    "last": lambda levels: range(levels - 1, levels),
    "all": range,
}


class RQKMeans(VectorQuantizer):
    """k-means of the vectors, then of what remains of them, and so on.

    On a balanced level each cluster gets as many of the items it is learned from as any other, or
    one more, and these keep the codes of that assignment. Other items, and new ones, get the
    nearest centre, however many are there.
    """

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 4}

    unit: bool = False  # each residual is made as long as 1 first, as in that paper's code
    balanced: Literal["none", "last", "all"] = "none"  # levels whose clusters are of equal size
    rounds: Annotated[int, Field(ge=1)] = 50

    def codebook(self, items: Entities) -> "Residual":
        name = self.name(items)
        shape = self.levels, self.codes, items.vectors[name].shape[1]
        return Residual(name, torch.zeros(shape), self.unit)

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        vectors = codebook.read(data.catalog.items)
        generator = run.generator("kmeans")
        rows, balanced = self.learned_from(data), LEVELS[self.balanced](self.levels)
        rest, sides = vectors[rows], []
        for level, centres in enumerate(codebook.centres):
            rest, codebook.lengths[level] = codebook.scaled(rest)
            found = kmeans(rest, self.codes, generator, self.rounds)
            side, _ = nearest(rest, found)
            if level in balanced:
                found, side = balanced_kmeans(rest, found, self.rounds)
            centres.copy_(found)
            sides.append(side)
            rest = rest - centres[side]
        table = codebook.encode(vectors)
        if balanced:
            table[rows] = torch.stack(sides, 1)
        return Quantized(codebook, vectors, Codes(table, (self.codes,) * self.levels))


class Residual(VectorCodebook):
    """Centres for each level; a vector's code is the nearest to what is left of it."""

    centres: Tensor
    lengths: Tensor

    def __init__(self, name: str, centres: Tensor, unit: bool) -> None:
        super().__init__(name)
        self.unit = unit
        self.register_buffer("centres", centres)  # [L, K, D]
        self.register_buffer("lengths", torch.ones(len(centres)))  # of residuals, their mean

    def scaled(self, rest: Tensor) -> tuple[Tensor, Tensor]:
        """What is left as it is clustered, and how much shorter that is on average: [n, D], []"""
        if not self.unit:
            return rest, torch.ones(())
        return torch.nn.functional.normalize(rest, dim=1), rest.norm(dim=1).mean()

    def encode(self, vectors: Tensor) -> Tensor:
        rest, codes = vectors, []
        for centres in self.centres:
            rest, _ = self.scaled(rest)
            code, _ = nearest(rest, centres)
            codes.append(code)
            rest = rest - centres[code]
        return torch.stack(codes, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """The sum of the centres; residuals made as long as 1 get their mean length back."""
        scales = self.lengths.cumprod(0)
        return (scales[:, None] * self.centres[torch.arange(len(scales)), codes]).sum(1)
