"""Concatenation: all modalities side by side through one linear layer; missing ones add nothing."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tesserec.parts.networks.fusion.fusion import Fusing, Fusion


class Concatenation(Fusion):
    """One linear layer over all modalities."""

    def network(self, widths: Mapping[str, int], dim: int) -> Fusing:
        return Network(widths, dim)


class Network(Fusing):
    def __init__(self, widths: Mapping[str, int], dim: int) -> None:
        super().__init__(widths)
        self.view = nn.Linear(sum(self.widths), dim)

    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        return self.view(torch.cat(list(vectors), 1))
