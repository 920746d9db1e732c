"""Low-rank multimodal fusion (Liu et al., ACL 2018, arXiv:1806.00064).

A linear layer over the outer product of all [x_m, 1], never built: its weights are a sum of
`rank` outer products, so that h = sum_r prod_m W_m^(r) [x_m, 1]  (eq. 6). A missing modality is
left out of the product.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.parts.networks.fusion.fusion import Fusing, Fusion


class LowRank(Fusion):
    """Products between the dimensions of all modalities."""

    rank: Annotated[int, Field(ge=1)] = 4  # r; the paper searches 1 to 16

    def network(self, widths: Mapping[str, int], dim: int) -> Fusing:
        return Network(widths, dim, self.rank)


class Network(Fusing):
    def __init__(self, widths: Mapping[str, int], dim: int, rank: int) -> None:
        super().__init__(widths)
        self.factors = nn.ParameterList(
            nn.Parameter(nn.init.xavier_normal_(torch.empty(rank, width + 1, dim)))
            for width in self.widths
        )

    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        product: Tensor | float = 1.0
        for factor, vector, mask in zip(self.factors, vectors, masks, strict=True):
            shares = functional.pad(vector, (0, 1), value=1.0) @ factor  # [r, n, D]
            product = product * torch.where(mask[:, None], shares, 1.0)
        assert isinstance(product, Tensor)
        return product.sum(0)
