"""The user-item graph: who chose what, as neighbours of nodes; users first, then items."""

import polars as pl
import torch
from torch import Tensor, nn

from tesserec.core import Dataset

Powers = tuple[float, float]
"""Powers of the degrees of the receiving and of the sending node that an edge is divided by.

(0.5, 0.5) is the symmetric normalisation 1 / sqrt(|N_u| |N_i|); (1, 0) makes a mean over
neighbours, (0, 1) shares a node out among them, (0, 0) is a plain sum.
"""


class Graph(nn.Module):
    """Neighbours of n nodes in dense buffers that are never saved: they are the interactions.

    An edge from w to v weighs `left[v] * right[w]`, so no value is stored per edge; and as every
    edge goes both ways, the transpose is the same graph with `left` and `right` exchanged.
    """

    def __init__(
        self, heads: Tensor, tails: Tensor, nodes: int, powers: Powers = (0.5, 0.5)
    ) -> None:
        super().__init__()
        both = torch.cat([heads, tails]), torch.cat([tails, heads])
        order = torch.argsort(both[0] * nodes + both[1])  # neighbours in order of rows
        degree = torch.bincount(both[0], minlength=nodes)
        # Nodes without edges have degree 0; their factor is never used, and must not be infinite.
        some = degree.clamp(min=1).float()
        self.ends: Tensor
        self.neighbours: Tensor
        self.left: Tensor
        self.right: Tensor
        self.register_buffer("ends", degree.cumsum(0), persistent=False)  # [n]
        self.register_buffer("neighbours", both[1][order].int(), persistent=False)  # [edges]
        self.register_buffer("left", some.pow(-powers[0]), persistent=False)  # [n]
        self.register_buffer("right", some.pow(-powers[1]), persistent=False)  # [n]

    def __len__(self) -> int:
        return len(self.ends)

    def scales(self, transposed: bool = False) -> tuple[Tensor, Tensor]:
        """The factors of receiving and of sending: [n], [n]"""
        return (self.right, self.left) if transposed else (self.left, self.right)

    def sparse(self, transposed: bool = False) -> Tensor:
        """The weighted adjacency as a torch CSR tensor, for devices without a kernel of ours."""
        left, right = self.scales(transposed)
        starts = torch.cat([self.ends.new_zeros(1), self.ends])
        rows = torch.repeat_interleave(torch.arange(len(self), device=left.device), starts.diff())
        columns = self.neighbours.long()
        return torch.sparse_csr_tensor(
            starts,
            columns,
            left[rows] * right[columns],
            (len(self), len(self)),
            check_invariants=False,
        )


def bipartite(data: Dataset, powers: Powers = (0.5, 0.5)) -> Graph:
    """The graph of distinct (user, item) pairs: node u is user u, node U + i is item i."""
    users, items = len(data.catalog.users), len(data.catalog.items)
    pairs = data.interactions.frame.select("user", pl.col("item") + users).unique()
    heads, tails = (torch.from_numpy(pairs[name].to_numpy().copy()) for name in ("user", "item"))
    return Graph(heads, tails, users + items, powers)
