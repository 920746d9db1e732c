"""Graphs between users and items, and what flows along them."""

from tesserec.parts.graphs.bipartite import Graph, Powers, bipartite
from tesserec.parts.graphs.cooccurrence import cosine_neighbours, gram
from tesserec.parts.graphs.propagate import propagate, reach

__all__ = ["Graph", "Powers", "bipartite", "cosine_neighbours", "gram", "propagate", "reach"]
