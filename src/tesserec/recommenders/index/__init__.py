"""Fast search for the items with the largest inner products."""

from tesserec.recommenders.index.exact import Exact
from tesserec.recommenders.index.faiss import FaissFlat, FaissHNSW, FaissIVF
from tesserec.recommenders.index.search import Indexed, index_for, sampled
from tesserec.recommenders.index.searcher import Index, Searcher
from tesserec.recommenders.index.usearch import USearch

__all__ = [
    "Exact",
    "FaissFlat",
    "FaissHNSW",
    "FaissIVF",
    "Index",
    "Indexed",
    "Searcher",
    "USearch",
    "index_for",
    "sampled",
]
