"""Graphs between users and items, and what flows along them."""

from tesserec.parts.graphs.bipartite import Graph, Powers, bipartite
from tesserec.parts.graphs.cooccurrence import cosine_neighbours, gram
from tesserec.parts.graphs.itemgraph import item_graph
from tesserec.parts.graphs.neighbours import nearest
from tesserec.parts.graphs.propagate import propagate, reach
from tesserec.parts.graphs.sage import Alone, Sage

__all__ = [
    "Alone",
    "Graph",
    "Powers",
    "Sage",
    "bipartite",
    "cosine_neighbours",
    "gram",
    "item_graph",
    "nearest",
    "propagate",
    "reach",
]
