"""PSL: Pairwise Softmax Loss (Yang et al., NeurIPS 2024, arXiv:2411.00048).

The softmax loss bounds DCG by exp, which is loose and makes much of false negatives. PSL takes a
tighter surrogate of the step function and puts the temperature outside of it:
log sum_j surrogate(d_j)^(1 / temperature), d_j = (cos(u, j) - cos(u, i)) / 2.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from tesserec.parts.objectives.objective import Objective, PairScores, Similarity

_TINY = 1e-7  # relu is 0 at d = -1, where the logarithm and its slope would be infinite

SURROGATES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": lambda d: torch.relu(d + 1),
    "tanh": lambda d: torch.tanh(d) + 1,
    "atan": lambda d: torch.atan(d) + 1,
}


class PSL(Objective):
    """Softmax with a tighter surrogate; `temperature` is half that of a matching softmax."""

    temperature: Annotated[float, Field(gt=0)] = 0.1  # tau*
    surrogate: Literal["relu", "tanh", "atan"] = "relu"

    @property
    def similarity(self) -> Similarity:
        return "cosine"

    def __call__(self, scores: PairScores) -> Tensor:
        # Cosines are halved so that differences lie in [-1, 1], where the bound is proved.
        difference = (scores.negative - scores.positive[:, None]) / 2
        height = SURROGATES[self.surrogate](difference.clamp(min=-1))
        counts = scores.negative > -torch.inf
        log_height = torch.where(counts, height.clamp(min=_TINY).log(), -torch.inf)
        # The logarithm of an empty sum is not a loss: who has no negative loses nothing.
        some = counts.any(1)
        log_height = torch.where(some[:, None], log_height / self.temperature, 0.0)
        return torch.where(some, log_height.logsumexp(1), 0.0)
