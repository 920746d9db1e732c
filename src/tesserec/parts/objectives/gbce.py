"""GBCE: binary cross-entropy calibrated for how few items are negatives (gSASRec).

Petrov and Macdonald, "gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with
Negative Sampling", RecSys 2023, arXiv:2308.07192.
"""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from tesserec.parts.objectives.bce import surprise
from tesserec.parts.objectives.objective import Objective, PairScores


class GBCE(Objective):
    """BCE whose positive has the likelihood sigmoid(positive)^power.

    With a share `rate` of all other items drawn as negatives, power = rate (calibration (1 - 1 /
    rate) + 1 / rate): 1 at `calibration` 0, which is BCE, and `rate` at 1, where scores are fully
    calibrated (eq. 9 of the paper).
    """

    calibration: Annotated[float, Field(ge=0, le=1)] = 0.75  # t

    def __call__(self, scores: PairScores) -> Tensor:
        drawn = scores.negative.shape[1]
        rate = min(1.0, drawn / max(scores.catalogue - 1, 1))  # alpha
        power = rate * (self.calibration * (1 - 1 / rate) + 1 / rate)  # beta
        liked = power * functional.softplus(-scores.positive)
        return (liked + surprise(scores)) / (drawn + 1)
