"""The user-item graph: who chose what, as neighbours of nodes; users first, then items."""

from typing import NamedTuple, cast

import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Dataset

Powers = tuple[float, float]
"""Powers of the degrees of the receiving and of the sending node that an edge is divided by.

(0.5, 0.5) is the symmetric normalisation 1 / sqrt(|N_u| |N_i|); (1, 0) makes a mean over
neighbours, (0, 1) shares a node out among them, (0, 0) is a plain sum.
"""


class Edges(NamedTuple):
    """Weighted edges in order of the row that receives: row v's are starts[v] to starts[v + 1]."""

    starts: Tensor  # [n + 1] int32
    neighbours: Tensor  # [edges] int32
    weights: Tensor  # [edges]


class Graph(nn.Module):
    """Neighbours of n nodes in dense buffers that are never saved: they are the interactions.

    Every edge goes both ways, so the transpose has the same neighbours; where an edge is divided
    by the same power of both degrees, it has the same weights, too.
    """

    def __init__(
        self,
        heads: Tensor,
        tails: Tensor,
        nodes: int,
        powers: Powers = (0.5, 0.5),
        weights: Tensor | None = None,  # of edges, above 0; None: all 1
    ) -> None:
        super().__init__()
        both = torch.cat([heads, tails]), torch.cat([tails, heads])
        order = torch.argsort(both[0] * nodes + both[1])  # neighbours in order of rows
        rows, neighbours = both[0][order], both[1][order]
        once = heads.new_ones(len(heads), dtype=torch.float32) if weights is None else weights
        each = torch.cat([once, once])[order]
        degree = torch.bincount(rows, each, minlength=nodes)
        # Nodes without edges have degree 0; their factor is never used, and must not be infinite.
        some = torch.where(degree > 0, degree, 1).float()
        receiving, sending = some.pow(-powers[0]), some.pow(-powers[1])
        self.starts: Tensor
        self.neighbours: Tensor
        self.weights: Tensor
        self.weights_back: Tensor | None
        back = None if powers[0] == powers[1] else each * receiving[neighbours] * sending[rows]
        starts = functional.pad(torch.bincount(rows, minlength=nodes).cumsum(0), (1, 0)).int()
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("neighbours", neighbours.int(), persistent=False)
        weighed = each * receiving[rows] * sending[neighbours]
        self.register_buffer("weights", weighed, persistent=False)
        self.register_buffer("weights_back", back, persistent=False)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def edges(self, transposed: bool = False) -> Edges:
        """What each node receives; transposed, what it receives when every edge is turned round."""
        turned = transposed and self.weights_back is not None
        weights = self.weights_back if turned else self.weights
        return Edges(self.starts, self.neighbours, cast(Tensor, weights))

    def sparse(self, transposed: bool = False) -> Tensor:
        """The weighted adjacency as a torch CSR tensor, for devices without a kernel of ours."""
        size = (len(self), len(self))
        return torch.sparse_csr_tensor(*self.edges(transposed), size, check_invariants=False)


def bipartite(data: Dataset, powers: Powers = (0.5, 0.5)) -> Graph:
    """The graph of distinct (user, item) pairs: node u is user u, node U + i is item i."""
    users, items = len(data.catalog.users), len(data.catalog.items)
    pairs = data.interactions.frame.select("user", pl.col("item") + users).unique()
    heads, tails = (torch.from_numpy(pairs[name].to_numpy().copy()) for name in ("user", "item"))
    return Graph(heads, tails, users + items, powers)
