"""LSH: on which side of random planes an item lies (Charikar, STOC 2002).

The control of Rajput et al., NeurIPS 2023, arXiv:2305.05065: codes made of content that nobody has
learned.
"""

from typing import Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import BadSpec
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorCodebook, VectorQuantizer


class LSH(VectorQuantizer):
    """Signs of random projections, as many to a token as its codes have bits.

    The tokens stand side by side: none is coarser than another.
    """

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 4}

    codes: int = Field(256, ge=2)  # of each level; a power of 2

    @property
    def bits(self) -> int:
        """Planes of each level."""
        return self.codes.bit_length() - 1

    @model_validator(mode="after")
    def _check_codes(self) -> Self:
        if self.codes != 1 << self.bits:
            raise BadSpec(
                f"Signs make 2, 4, 8, ... codes, and not {self.codes}.",
                f"Take {1 << self.bits} or {2 << self.bits} codes.",
            )
        return self

    def codebook(self, items: Entities) -> "Planes":
        name = self.name(items)
        return Planes(name, torch.zeros(self.levels, self.bits, items.vectors[name].shape[1]))

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        codebook.planes.normal_(generator=run.generator("planes"))
        vectors = codebook.read(data.catalog.items)
        codes = Codes(codebook.encode(vectors), (self.codes,) * self.levels)
        return Quantized(codebook, vectors, codes)


class Planes(VectorCodebook):
    """Planes through the origin; the code of a level says on which sides of its planes one lies."""

    planes: Tensor

    def __init__(self, name: str, planes: Tensor) -> None:
        super().__init__(name)
        self.register_buffer("planes", planes)  # [L, bits, D]

    def encode(self, vectors: Tensor) -> Tensor:
        levels, bits, _ = self.planes.shape
        above = vectors @ self.planes.flatten(0, 1).T > 0  # [n, L bits]
        return (above.view(-1, levels, bits) * 2 ** torch.arange(bits)).sum(2)
