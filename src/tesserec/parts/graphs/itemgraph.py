"""The graph between items that are alike, from lists of neighbours however they were found.

Symmetric normalisation D^-1/2 A D^-1/2 of a kNN graph as in LATTICE (Zhang et al., MM 2021,
arXiv:2104.09036), weighted by similarity, and FREEDOM (Zhou and Shen, MM 2023, arXiv:2211.06924),
where every edge counts 1.
"""

import torch
from torch import Tensor

from tesserec.parts.graphs.bipartite import Graph


def item_graph(near: Tensor, similarity: Tensor | None = None) -> Graph:
    """An edge between two items where one is among the other's neighbours: [I, K], [I, K]

    -1 is no neighbour. Without `similarity` all edges weigh the same; with it, those that are
    not above 0 are left out. The authors keep an edge in the one direction in which it was
    found; here it goes both ways, which makes the normalisation symmetric in truth.
    """
    items = len(near)
    there = near >= 0 if similarity is None else (near >= 0) & (similarity > 0)
    rows, places = torch.nonzero(there, as_tuple=True)
    others = near[rows, places]
    lower, higher = torch.minimum(rows, others), torch.maximum(rows, others)
    pairs, edge = torch.unique(lower * items + higher, return_inverse=True)
    weights = None
    if similarity is not None:
        weights = similarity.new_zeros(len(pairs))
        weights.scatter_reduce_(0, edge, similarity[rows, places], "amax")
    return Graph(pairs // items, pairs % items, items, weights=weights)
