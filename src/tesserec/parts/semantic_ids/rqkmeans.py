"""RQKMeans: what k-means leaves over is clustered again, level after level.

Residual k-means as in Ju et al., "Generative Recommendation with Semantic IDs: A Practitioner's
Handbook", CIKM 2025, arXiv:2507.22224.
"""

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorCodebook, VectorQuantizer


class RQKMeans(VectorQuantizer):
    """k-means of the vectors, then of what remains of them, and so on."""

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 4}

    unit: bool = False  # each residual is made as long as 1 first, as in that paper's code
    rounds: Annotated[int, Field(ge=1)] = 50

    def codebook(self, items: Entities) -> "Residual":
        name = self.name(items)
        shape = self.levels, self.codes, items.vectors[name].shape[1]
        return Residual(name, torch.zeros(shape), self.unit)

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        vectors = codebook.read(data.catalog.items)
        generator = run.generator("kmeans")
        rest = vectors[self.learned_from(data)]
        for centres in codebook.centres:
            rest = codebook.scaled(rest)
            centres.copy_(kmeans(rest, self.codes, generator, self.rounds))
            rest = rest - centres[nearest(rest, centres)[0]]
        codes = Codes(codebook.encode(vectors), (self.codes,) * self.levels)
        return Quantized(codebook, vectors, codes)


class Residual(VectorCodebook):
    """Centres for each level; a vector's code is the nearest to what is left of it."""

    centres: Tensor

    def __init__(self, name: str, centres: Tensor, unit: bool) -> None:
        super().__init__(name)
        self.unit = unit
        self.register_buffer("centres", centres)  # [L, K, D]

    def scaled(self, rest: Tensor) -> Tensor:
        """[n, D]"""
        return torch.nn.functional.normalize(rest, dim=1) if self.unit else rest

    def encode(self, vectors: Tensor) -> Tensor:
        rest, codes = vectors, []
        for centres in self.centres:
            rest = self.scaled(rest)
            code, _ = nearest(rest, centres)
            codes.append(code)
            rest = rest - centres[code]
        return torch.stack(codes, 1)

    def decode(self, codes: Tensor) -> Tensor:
        """The sum of the centres; with residuals of unit length, only its direction means much."""
        return sum((table[code] for table, code in zip(self.centres, codes.T, strict=True)), 0.0)  # type: ignore[return-value]
