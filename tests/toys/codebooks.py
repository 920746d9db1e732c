"""A codebook one can see through."""

from torch import Tensor, zeros

from tesserec.parts.semantic_ids.given import NoCodebook


class Line(NoCodebook):
    """Codes stand for places on a line: their digits, the last one the least."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        super().__init__("")
        self.sizes = sizes

    def decode(self, codes: Tensor) -> Tensor:
        place = zeros(len(codes))
        for column, size in zip(codes.T, self.sizes, strict=True):
            place = place * 10 * size + column
        return place[:, None]
