"""Projection: each modality into one space, and the mean there; the least a fusion can do."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tesserec.parts.networks.fusion.fusion import Fusing, Fusion, mean_of_present


class Projection(Fusion):
    """The mean of the present modalities, each through a linear layer of its own."""

    def network(self, widths: Mapping[str, int], dim: int) -> Fusing:
        return Network(widths, dim)


class Network(Fusing):
    def __init__(self, widths: Mapping[str, int], dim: int) -> None:
        super().__init__(widths)
        self.views = nn.ModuleList(nn.Linear(width, dim) for width in self.widths)

    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        views = [view(one) for view, one in zip(self.views, vectors, strict=True)]
        return mean_of_present(torch.stack(views), masks)
