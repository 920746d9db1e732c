"""Codebooks one can see through."""

from torch import Tensor, zeros

from tesserec.core import Entities
from tesserec.parts.semantic_ids import Codebook


class Wordless(Codebook):
    """Gives all items the same code, which stands for nothing."""

    def read(self, items: Entities) -> Tensor:
        return zeros(len(items), 1)

    def encode(self, vectors: Tensor) -> Tensor:
        return zeros(len(vectors), 1).long()


class Line(Wordless):
    """Codes stand for places on a line: their digits, the last one the least."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.sizes = sizes

    def decode(self, codes: Tensor) -> Tensor:
        place = zeros(len(codes))
        for column, size in zip(codes.T, self.sizes, strict=True):
            place = place * 10 * size + column
        return place[:, None]
