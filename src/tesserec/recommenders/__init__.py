"""Ways to answer. A method learns; one of these answers for it."""

from tesserec.recommenders.artifact import load, save
from tesserec.recommenders.beam import BeamRecommender
from tesserec.recommenders.encoder import EncoderRecommender
from tesserec.recommenders.lookup import LookupRecommender
from tesserec.recommenders.pipeline import Cascade, Fallback, Filtered, Mixture, Reranked
from tesserec.recommenders.score import ScoreRecommender

__all__ = [
    "BeamRecommender",
    "Cascade",
    "EncoderRecommender",
    "Fallback",
    "Filtered",
    "LookupRecommender",
    "Mixture",
    "Reranked",
    "ScoreRecommender",
    "load",
    "save",
]
