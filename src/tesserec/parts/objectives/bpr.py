"""BPR: what was chosen should score above what was not (Rendle et al., UAI 2009; 1205.2618)."""

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.parts.objectives.objective import Objective, PairScores


class BPR(Objective):
    """-log sigmoid(positive - negative), the mean over the negatives that count."""

    def __call__(self, scores: PairScores) -> Tensor:
        counting = (scores.negative > -torch.inf).sum(1).clamp(min=1)
        return functional.softplus(scores.negative - scores.positive[:, None]).sum(1) / counting
