"""Gated multimodal units (Arevalo et al., ICLR workshop 2017, arXiv:1702.01992).

h = sum_m z_m * tanh(W_m x_m), where the gates z see all modalities. The paper ties the gates of
two modalities, z and 1 - z with z a sigmoid; here they are tied for any number, by a softmax over
the modalities that are present, which for two of them is the same. The paper's gates for more than
two are not tied.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tesserec.parts.networks.fusion.fusion import Fusing, Fusion


class Gated(Fusion):
    """For each dimension of each item, how much every modality has to say."""

    def network(self, widths: Mapping[str, int], dim: int) -> Fusing:
        return Network(widths, dim)


class Network(Fusing):
    def __init__(self, widths: Mapping[str, int], dim: int) -> None:
        super().__init__(widths)
        total = sum(self.widths)
        self.views = nn.ModuleList(nn.Linear(width, dim, bias=False) for width in self.widths)
        self.gates = nn.ModuleList(nn.Linear(total, dim, bias=False) for _ in self.widths)

    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        together = torch.cat(list(vectors), 1)
        views = [view(one).tanh() for view, one in zip(self.views, vectors, strict=True)]
        gates = torch.stack([gate(together) for gate in self.gates])  # [M, n, D]
        # Not -inf, whose softmax is NaN where nothing is present.
        gates = gates.masked_fill(~masks[:, :, None], torch.finfo(gates.dtype).min)
        return (gates.softmax(0) * torch.stack(views)).sum(0)
