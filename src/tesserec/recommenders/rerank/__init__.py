"""Changes of the final list: more variety, or something new to learn from."""

from tesserec.recommenders.rerank.dpp import DPP
from tesserec.recommenders.rerank.explore import Epsilon, Explore, Gumbel
from tesserec.recommenders.rerank.mmr import MMR
from tesserec.recommenders.rerank.reranker import Reranker

__all__ = ["DPP", "MMR", "Epsilon", "Explore", "Gumbel", "Reranker"]
