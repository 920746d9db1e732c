"""BCE: the positive is taken for one, each negative for none (SASRec, arXiv:1808.09781, eq. 6)."""

import math

from torch import Tensor
from torch.nn import functional

from tesserec.parts.objectives.objective import Objective, PairScores


class BCE(Objective):
    """-log sigmoid(positive) - the sum over negatives of log(1 - sigmoid(negative)).

    Negatives that were drawn unevenly are lowered by the logarithm of how much likelier than by
    an even draw they came (log-q correction).
    """

    def __call__(self, scores: PairScores) -> Tensor:
        return functional.softplus(-scores.positive) + surprise(scores)


def surprise(scores: PairScores) -> Tensor:
    """The sum of -log(1 - sigmoid(negative)) over those that count: [E]"""
    negative = scores.negative
    if scores.log_chance is not None:
        negative = negative - scores.log_chance - math.log(scores.catalogue)
    return functional.softplus(negative).sum(1)
