"""Sage: a node becomes a mixture of what it was and of the mean of its neighbours.

Mean aggregation of Hamilton, Ying and Leskovec, "Inductive Representation Learning on Large
Graphs", NeurIPS 2017, arXiv:1706.02216. What a node brings itself needs no graph, so that nodes
without edges have vectors, too.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from tesserec.parts.graphs.bipartite import Graph
from tesserec.parts.graphs.propagate import propagate
from tesserec.parts.pick import pick
from tesserec.parts.sequences.drop import Drop


class Sage(nn.Module):
    """Two layers, the first with an activation."""

    def __init__(self, widths: tuple[int, int, int], dropout: tuple[float, float]) -> None:
        """`widths` before, between and after the layers; dropout follows each of them."""
        super().__init__()
        start, middle, end = widths
        self.first, self.last = Layer(start, middle), Layer(middle, end)
        self.drop_first, self.drop_last = Drop(dropout[0]), Drop(dropout[1])

    def forward(
        self,
        graph: Graph,
        start: Tensor,
        rows: Tensor | None = None,
        lonely: Tensor | None = None,
    ) -> Tensor:
        """Of a graph whose edges make means: [n, D] -> [n, E], or [R, E] for R distinct rows.

        Nodes that are `lonely` [n] hear nothing of their neighbours, as if they had none.
        """
        middle = self.drop_first(functional.leaky_relu(self.first(graph, start, None, lonely)))
        return cast(Tensor, self.drop_last(self.last(graph, middle, rows, lonely)))


class Alone(nn.Module):
    """Contents become vectors without a graph: W_f, then what each layer makes of a node itself."""

    def __init__(
        self, names: tuple[str, ...], scaled: bool, fuse: nn.Linear, sage: Sage, unit: bool
    ) -> None:
        """`names` are the vectors that are read, side by side, each `scaled` first or as it is.

        `unit`: what they become has length 1.
        """
        super().__init__()
        self.names, self.scaled, self.unit = names, scaled, unit
        self.fuse, self.first, self.last = fuse, sage.first.own, sage.last.own

    def forward(self, contents: Tensor) -> Tensor:
        """[n, W] -> [n, E]"""
        middle = functional.leaky_relu(self.first(self.fuse(contents)))
        reached = self.last(middle)
        return functional.normalize(reached, dim=1) if self.unit else reached


class Layer(nn.Module):
    """W_own h + b + mean of W_near h over the neighbours."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.own = nn.Linear(before, after)
        self.near = nn.Linear(before, after, bias=False)

    def forward(
        self, graph: Graph, vectors: Tensor, rows: Tensor | None, lonely: Tensor | None
    ) -> Tensor:
        """[n, D] -> [n, E], or [R, E]"""
        # The mean of products is the product of the mean, and shorter rows are added up faster.
        near = propagate(graph, self.near(vectors), (0.0, 1.0), rows)
        if lonely is not None:
            near = near.masked_fill((lonely if rows is None else lonely[rows])[:, None], 0.0)
        return cast(Tensor, self.own(vectors if rows is None else pick(vectors, rows)) + near)
