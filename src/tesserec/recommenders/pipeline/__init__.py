"""Recommenders that are made of recommenders."""

from tesserec.recommenders.pipeline.cascade import Cascade
from tesserec.recommenders.pipeline.fallback import Fallback
from tesserec.recommenders.pipeline.filtered import Filtered
from tesserec.recommenders.pipeline.merging import Merging, NormalisedScores, ReciprocalRanks
from tesserec.recommenders.pipeline.mixture import Mixture
from tesserec.recommenders.pipeline.reranked import Reranked
from tesserec.recommenders.pipeline.stage import Pipeline

__all__ = [
    "Cascade",
    "Fallback",
    "Filtered",
    "Merging",
    "Mixture",
    "NormalisedScores",
    "Pipeline",
    "ReciprocalRanks",
    "Reranked",
]
