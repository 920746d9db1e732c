"""ItemsAndCodes: how far items lie apart, and which of their codes look at each other."""

import torch
from torch import Tensor, nn

from tesserec.parts.generation.t5 import Relative
from tesserec.parts.pick import pick


class ItemsAndCodes(nn.Module):
    """Two biases for sequences of items with equally many codes each (MSCGRec).

    B_item of the distance between two items, in the buckets of `Relative`, plus B_code of the
    places that two codes have in their items.
    """

    def __init__(self, heads: int, dim: int, codes: int) -> None:
        """`codes` is how many an item has, C."""
        super().__init__()
        self.codes = codes
        self.items = Relative(heads, dim, both_ways=True)
        self.weight = nn.Parameter(dim**-0.5 * torch.randn(codes * codes, heads))

    def forward(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Positions [Tq], [Tk] -> [H, Tq, Tk]"""
        far: Tensor = self.items(queries // self.codes, keys // self.codes)
        pair = (queries % self.codes)[:, None] * self.codes + keys % self.codes
        return far + pick(self.weight, pair).permute(2, 0, 1)
