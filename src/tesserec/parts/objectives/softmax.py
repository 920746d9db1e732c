"""Softmax: a chosen item among others it was not chosen over.

With drawn negatives this is the sampled softmax; with `Everything` as the sampler the sum runs
over the whole catalogue, which is the full softmax, computed for some examples at a time.
Negatives drawn unevenly count by one over how often they are expected, N times their chance, so
that the sum estimates the one over the catalogue (Bengio and Senecal, 2008; Yi et al., RecSys
2019).
"""

import math
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from tesserec.parts.objectives.everything import cross_entropy
from tesserec.parts.objectives.objective import Objective, PairScores, Similarity


class Softmax(Objective):
    """-log of the positive's share of exp(score / temperature)."""

    temperature: Annotated[float, Field(gt=0)] = 0.1  # tau
    cosine: bool = True  # compare unit vectors; False: inner products

    @property
    def similarity(self) -> Similarity:
        return "cosine" if self.cosine else "dot"

    def over_everything(self, queries: Tensor, items: Tensor, chosen: Tensor) -> Tensor | None:
        return cross_entropy(queries / self.temperature, items, chosen)

    def __call__(self, scores: PairScores) -> Tensor:
        positive, negative = scores.positive / self.temperature, scores.negative / self.temperature
        if scores.log_chance is not None:
            negative = negative - scores.log_chance - math.log(negative.shape[1])
        return functional.softplus(negative.logsumexp(1) - positive)
