"""Propagation: a weighted sum over 0..K hops of a graph, for all nodes or only those asked for.

The sum is w_0 E + w_1 A E + ... + w_K A^K E, and each hop is one product. A batch asks for few
nodes, so the last product has few rows. The backward pass is the same sum over the transposed
graph, which for a graph whose edges go both ways is the same graph with its scales exchanged;
it starts from few rows, so there the first product has few edges.

A product is torch's sum of embedding rows, the fastest row kernel there is on CPUs. Each row is
added up by one thread, so the number of threads never changes a result.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel
from tesserec.parts.graphs.bipartite import Edges, Graph


def propagate(
    graph: Graph, start: Tensor, weights: Sequence[float], rows: Tensor | None = None
) -> Tensor:
    """Sum of `weights[k]` times the k-th hop: [n, D] -> [n, D], or [R, D] for R distinct rows."""
    if start.device.type == "cpu" and start.dtype == torch.float32:
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, _Propagate.apply(start, graph, _without_tail(weights), rows))
    return _by_torch(graph, start, weights, rows)


def reach(
    graph: Graph, start: Tensor, weights: Sequence[float], rows: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The sum at R distinct rows (or all), and the start at the same rows: [R, D], [R, D].

    For losses that look at both; their gradients are joined without another pass over the table.
    """
    if rows is None or start.device.type != "cpu" or start.dtype != torch.float32:
        whole = propagate(graph, start, weights, rows)
        return whole, start if rows is None else start[rows]
    with torch.autocast("cpu", enabled=False):
        return cast(tuple[Tensor, Tensor], _Reach.apply(start, graph, _without_tail(weights), rows))


def _without_tail(weights: Sequence[float]) -> tuple[float, ...]:
    """The weights up to the last that is not zero; at least one."""
    last = max((hop for hop, weight in enumerate(weights) if weight), default=0)
    return tuple(weights[: last + 1])


def _by_torch(graph: Graph, start: Tensor, weights: Sequence[float], rows: Tensor | None) -> Tensor:
    """The same sum in torch alone: for GPUs, and as the plain statement of what is computed."""
    with torch.autocast(start.device.type, enabled=False):
        adjacency = graph.sparse()
        total = weights[-1] * start
        for weight in reversed(weights[:-1]):
            total = weight * start + adjacency @ total
    return total if rows is None else total[rows]


class _Propagate(torch.autograd.Function):
    """The sum and its gradient."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, graph: Graph, weights: tuple[float, ...], rows: Tensor | None
    ) -> Tensor:
        ctx.graph, ctx.weights = graph, weights
        ctx.few = None if rows is None else _few(graph, rows)
        # What needs a gradient would take a slower way through torch.
        return _sum(graph.edges(), start.detach(), weights, ctx.few)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = gradients[0].contiguous()
        if ctx.few is None:
            whole = _sum(ctx.graph.edges(transposed=True), gradient, ctx.weights, None)
        else:
            whole = _spread(ctx.graph, gradient, ctx.weights, ctx.few)
        return whole, None, None, None


class _Reach(torch.autograd.Function):
    """The sum at some rows beside the start at the same rows."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, graph: Graph, weights: tuple[float, ...], rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.graph, ctx.weights, ctx.few = graph, weights, _few(graph, rows)
        start = start.detach()
        return _sum(graph.edges(), start, weights, ctx.few), _at(start, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        reached, own = (one.contiguous() for one in gradients)
        return _spread(ctx.graph, reached, ctx.weights, ctx.few, own), None, None, None


class _Few(NamedTuple):
    """Some rows of a graph, and the edges that lead to them."""

    rows: Tensor  # [R]
    edges: Edges  # R rows


def _sum(edges: Edges, start: Tensor, weights: tuple[float, ...], few: _Few | None) -> Tensor:
    """The sum at all rows, or at few."""
    if few is not None:
        return _sum_of_few(edges, start, weights, few)
    *outer, innermost = weights
    total = start if outer and innermost == 1 else start * innermost
    for weight in reversed(outer):
        total = _product(edges, total)
        if weight:
            total.add_(start, alpha=weight)
    return total


def _sum_of_few(edges: Edges, start: Tensor, weights: tuple[float, ...], few: _Few) -> Tensor:
    """From the start outwards: only the rows asked for are summed, and reached by the last hop."""
    vectors, total = start, weights[0] * _at(start, few.rows)
    for hop, weight in enumerate(weights[1:], 2):
        if hop == len(weights):
            return total.add_(_product(few.edges, vectors), alpha=weight)
        vectors = _product(edges, vectors)
        total.add_(_at(vectors, few.rows), alpha=weight)
    return total


def _spread(
    graph: Graph,
    gradient: Tensor,
    weights: tuple[float, ...],
    few: _Few,
    own: Tensor | None = None,
) -> Tensor:
    """The sum for a gradient that is zero but for few rows, plus `own` there: [R, D] -> [n, D]"""
    at_rows = [weight * gradient for weight in weights]
    if own is not None:
        at_rows[0] += own
    total = at_rows.pop()
    if not at_rows:
        return total.new_zeros(len(graph), total.shape[1]).index_copy_(0, few.rows, total)
    edges = _turned(few.edges, len(graph))
    for vectors in reversed(at_rows):
        total = _product(edges, total)
        # The rows are distinct: three times faster than `index_add_`.
        total.index_copy_(0, few.rows, _at(total, few.rows).add_(vectors))
        edges = graph.edges(transposed=True)
    return total


def _product(edges: Edges, vectors: Tensor) -> Tensor:
    """The weighted sum of the vectors at each row's neighbours: [n, D] -> [rows, D]"""
    pad = _pad(edges)
    summed = functional.embedding_bag(
        edges.neighbours,
        vectors,
        functional.pad(edges.starts, (pad, 0)),
        mode="sum",
        per_sample_weights=edges.weights,
        include_last_offset=True,
    )
    return summed[pad:]


def _pad(edges: Edges) -> int:
    """How many empty rows in front make both halves of the rows hold as many edges.

    Torch gives each of two threads half of the rows, and the first rows often have most edges.
    """
    rows = len(edges.starts) - 1
    middle = int(torch.searchsorted(edges.starts, edges.starts[-1] // 2))
    return max(rows - 2 * middle, 0) if torch.get_num_threads() == 2 else 0


def _at(vectors: Tensor, rows: Tensor) -> Tensor:
    """The vectors at some rows; several times faster than `vectors[rows]`."""
    return vectors.index_select(0, rows)


def _few(graph: Graph, rows: Tensor) -> _Few:
    """The edges that lead to some rows."""
    lengths = graph.starts.diff()[rows]
    starts = functional.pad(lengths.cumsum(0), (1, 0)).int()
    neighbours = graph.neighbours.new_empty(int(starts[-1]))
    edges = Edges(starts, neighbours, graph.weights.new_empty(len(neighbours)))
    arrays = [*_arrays(graph.edges()), rows.numpy(), *_arrays(edges)]
    in_parallel(_copy_rows, balanced(starts[1:].numpy()), *arrays)
    return _Few(rows, edges)


def _turned(edges: Edges, nodes: int) -> Edges:
    """The same edges in order of the node that sends, the rows that receive being neighbours."""
    starts = edges.starts.new_zeros(nodes + 1)
    turned = Edges(starts, torch.empty_like(edges.neighbours), torch.empty_like(edges.weights))
    _sort_by_sender(*_arrays(edges), *_arrays(turned))
    return turned


def _arrays(edges: Edges) -> list[Any]:
    """The edges as a kernel sees them."""
    return [one.numpy() for one in edges]


@kernel()
def _copy_rows(  # type: ignore[no-untyped-def]
    starts, neighbours, weights, rows, to, near, weigh, first, last
):
    for r in range(first, last):
        shift = starts[rows[r]] - to[r]
        for e in range(to[r], to[r + 1]):
            near[e] = neighbours[e + shift]
            weigh[e] = weights[e + shift]


@kernel()
def _sort_by_sender(starts, neighbours, weights, to, receivers, weigh):  # type: ignore[no-untyped-def]
    for sender in neighbours:
        to[sender + 1] += 1
    for sender in range(len(to) - 1):
        to[sender + 1] += to[sender]
    place = to.copy()
    for r in range(len(starts) - 1):
        for e in range(starts[r], starts[r + 1]):
            at = place[neighbours[e]]
            place[neighbours[e]] += 1
            receivers[at] = r
            weigh[at] = weights[e]
