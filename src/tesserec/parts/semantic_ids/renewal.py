"""Renewal: how the rows of a codebook come nearer to what they stand for."""

from abc import abstractmethod
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Spec

FAINT = 1e-5  # uses of a code, on average, below which its mean is not renewed


class Renewal(Spec):
    """How codes are learned."""

    @abstractmethod
    def over(self, tables: nn.Parameter) -> "Follower":
        """Set up for these codes [L, K, d], and say whether they have a gradient."""


class ByGradient(Renewal):
    """Codes are weights like others: their squared error is a part of the loss."""

    def over(self, tables: nn.Parameter) -> "Follower":
        tables.requires_grad_(True)
        return Follower()


class ByAverage(Renewal):
    """Codes are moving averages of what they were chosen for.

    van den Oord et al., "Neural Discrete Representation Learning", NeurIPS 2017, appendix A.1.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.99  # gamma

    def over(self, tables: nn.Parameter) -> "Follower":
        tables.requires_grad_(False)
        return Averages(tables, self.decay)


class Follower(nn.Module):
    """Nothing is done to codes after a step: the optimiser has moved them."""

    def follow(self, tables: Tensor, rests: Tensor, codes: Tensor) -> None:
        """Renew the codes by what they were chosen for: [L, K, d], [E, L, d], [E, L]"""

    def moved(self, levels: Tensor, codes: Tensor, to: Tensor) -> None:
        """Some codes began anew elsewhere: [n], [n], [n, d]"""


class Averages(Follower):
    """How often each code was chosen of late, and the sum of what for."""

    counts: Tensor
    sums: Tensor

    def __init__(self, tables: Tensor, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("counts", torch.ones(tables.shape[:2]))  # N [L, K]
        self.register_buffer("sums", tables.detach().clone())  # m [L, K, d]

    @torch.no_grad()
    def follow(self, tables: Tensor, rests: Tensor, codes: Tensor) -> None:
        levels, size, dim = tables.shape
        place = (codes + size * torch.arange(levels, device=codes.device)).flatten()
        sums = torch.zeros_like(self.sums).view(-1, dim).index_add_(0, place, rests.flatten(0, 1))
        self.counts.lerp_(uses(codes, levels, size).to(sums.dtype), 1 - self.decay)
        self.sums.lerp_(sums.view_as(self.sums), 1 - self.decay)
        means = self.sums / self.counts.clamp(min=FAINT)[..., None]
        tables.copy_(torch.where(self.counts[..., None] > FAINT, means, tables))

    @torch.no_grad()
    def moved(self, levels: Tensor, codes: Tensor, to: Tensor) -> None:
        self.counts[levels, codes] = 1
        self.sums[levels, codes] = to


def uses(codes: Tensor, levels: int, size: int) -> Tensor:
    """How often each code of each level is there: [E, L] -> [L, K]"""
    place = codes + size * torch.arange(levels, device=codes.device)
    return torch.bincount(place.flatten(), minlength=levels * size).view(levels, size)
