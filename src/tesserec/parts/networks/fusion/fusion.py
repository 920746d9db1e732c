"""The contract of a fusion, and what all of them do with modalities that are missing."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tesserec.core import Spec
from tesserec.core.errors import NoContent


class Fusion(Spec):
    """How the vectors of several modalities become one."""

    @abstractmethod
    def network(self, widths: Mapping[str, int], dim: int) -> "Fusing":
        """A module for modalities of these widths D_m. Raises `NoContent` for none."""


class Fusing(nn.Module):
    """Fuses M modalities of n items; M runs in the order of `names`, which is alphabetical."""

    def __init__(self, widths: Mapping[str, int]) -> None:
        super().__init__()
        if not widths:
            raise NoContent("There are no vectors to fuse.", "Encode the items first.")
        self.names = tuple(sorted(widths))
        self.widths = tuple(widths[name] for name in self.names)

    def forward(self, vectors: Mapping[str, Tensor], masks: Tensor) -> Tensor:
        """[n, D_m] each, [M, n] bool -> [n, D]

        What stands in the place of a missing vector is never looked at, be it NaN. Items with no
        modality at all get zeros.
        """
        named = zip(self.names, masks, strict=True)
        there = [torch.where(mask[:, None], vectors[name], 0.0) for name, mask in named]
        return torch.where(masks.any(0)[:, None], self.fuse(there, masks), 0.0)

    @abstractmethod
    def fuse(self, vectors: Sequence[Tensor], masks: Tensor) -> Tensor:
        """M x [n, D_m], zeros where missing, and [M, n] -> [n, D], finite for everybody."""


def mean_of_present(views: Tensor, masks: Tensor) -> Tensor:
    """[M, n, D], [M, n] -> [n, D]; zeros where nothing is present."""
    kept = masks[:, :, None].to(views.dtype)
    return (views * kept).sum(0) / kept.sum(0).clamp(min=1)
