"""Attention between modalities: each is a token, all look at those that are present.

One layer of multi-head self-attention (Vaswani et al., NeurIPS 2017, arXiv:1706.03762) with a
residual, without its feed-forward layer and norm; the mean of the tokens is the item.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core.errors import BadSpec
from tesserec.parts.networks.fusion.fusion import Fusing, Fusion, mean_of_present


class Attention(Fusion):
    """Self-attention over the present modalities of an item."""

    heads: Annotated[int, Field(ge=1)] = 4

    def network(self, widths: Mapping[str, int], dim: int) -> Fusing:
        if dim % self.heads:
            raise BadSpec(
                f"{dim} dimensions cannot be shared out among {self.heads} heads.",
                "Set heads to a divisor of the dimensions.",
            )
        return Network(widths, dim, self.heads)


class Network(Fusing):
    def __init__(self, widths: Mapping[str, int], dim: int, heads: int) -> None:
        super().__init__(widths)
        self.heads = heads
        # The bias of its layer tells a modality from the others.
        self.tokens = nn.ModuleList(nn.Linear(width, dim) for width in self.widths)
        self.asked = nn.Linear(dim, 3 * dim)  # query, key and value
        self.joined = nn.Linear(dim, dim)

    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        tokens = torch.stack([t(one) for t, one in zip(self.tokens, vectors, strict=True)], 1)
        seen = masks.T | ~masks.any(0)[:, None]  # who has nothing looks at all, and is not NaN
        query, key, value = (self._by_head(one) for one in self.asked(tokens).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(query, key, value, seen[:, None, None])
        mixed = mixed.transpose(1, 2).flatten(2)  # [n, H, M, D / H] -> [n, M, D]
        return mean_of_present((tokens + self.joined(mixed)).transpose(0, 1), masks)

    def _by_head(self, one: Tensor) -> Tensor:
        """[n, M, D] -> [n, H, M, D / H]"""
        return one.unflatten(-1, (self.heads, -1)).transpose(1, 2)
