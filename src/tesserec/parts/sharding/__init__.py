"""People in shards, a model for each, and one answer of all models."""

from tesserec.parts.sharding.aggregate import Aggregate, Attended, Averaged
from tesserec.parts.sharding.partition import Partition, RandomShards, SimilarShards

__all__ = [
    "Aggregate",
    "Attended",
    "Averaged",
    "Partition",
    "RandomShards",
    "SimilarShards",
]
