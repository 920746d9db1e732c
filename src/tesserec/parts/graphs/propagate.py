"""Propagation: a weighted sum over 0..K hops of a graph, for all nodes or only those asked for.

The sum w_0 E + w_1 A E + ... + w_K A^K E is computed from the inside out, w_0 E + A (w_1 E + A
(...)), so each hop is one product. A batch asks for few nodes: the last product then has few rows,
and the one before it only their neighbours. The backward pass is the same sum over the transposed
graph, which for a graph whose edges go both ways is the same graph with its scales exchanged.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core.parallel import balanced, in_parallel
from tesserec.parts.graphs.bipartite import Graph


def propagate(
    graph: Graph, start: Tensor, weights: Sequence[float], rows: Tensor | None = None
) -> Tensor:
    """Sum of `weights[k]` times the k-th hop: [n, D] -> [n, D], or [R, D] for R distinct rows."""
    if start.device.type == "cpu" and start.dtype == torch.float32:
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, _Propagate.apply(start, graph, tuple(weights), rows))
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
        return cast(tuple[Tensor, Tensor], _Reach.apply(start, graph, tuple(weights), rows))


def _by_torch(graph: Graph, start: Tensor, weights: Sequence[float], rows: Tensor | None) -> Tensor:
    """The same sum in torch alone: for GPUs, and as the plain statement of what is computed."""
    with torch.autocast(start.device.type, enabled=False):
        adjacency = graph.sparse()
        total = weights[-1] * start
        for weight in reversed(weights[:-1]):
            total = weight * start + adjacency @ total
    return total if rows is None else total[rows]


class _Arrays(NamedTuple):
    """A graph as numpy sees it, in one direction."""

    ends: NDArray[np.int64]
    neighbours: NDArray[np.int32]
    left: NDArray[np.float32]
    right: NDArray[np.float32]


class _Propagate(torch.autograd.Function):
    """The sum and its gradient by compiled row kernels."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, graph: Graph, weights: tuple[float, ...], rows: Tensor | None
    ) -> Tensor:
        ctx.graph, ctx.weights, ctx.rows = graph, weights, rows
        return torch.from_numpy(_sum(_arrays(graph), _numpy(start), weights, _rows(rows)))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None, None]:
        graph = _arrays(ctx.graph, transposed=True)
        gradient = _numpy(gradients[0].contiguous())
        if ctx.rows is None:
            whole = _sum(graph, gradient, ctx.weights, None)
        else:
            whole = _spread(graph, gradient, ctx.weights, ctx.rows.numpy())
        return torch.from_numpy(whole), None, None, None


class _Reach(torch.autograd.Function):
    """The sum at some rows beside the start at the same rows."""

    @staticmethod
    def forward(
        ctx: Any, start: Tensor, graph: Graph, weights: tuple[float, ...], rows: Tensor
    ) -> tuple[Tensor, Tensor]:
        ctx.graph, ctx.weights, ctx.rows = graph, weights, rows
        reached = _sum(_arrays(graph), _numpy(start), weights, rows.numpy())
        return torch.from_numpy(reached), start.detach()[rows]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        graph = _arrays(ctx.graph, transposed=True)
        reached, own = (_numpy(one.contiguous()) for one in gradients)
        whole = _spread(graph, reached, ctx.weights, ctx.rows.numpy())
        whole[ctx.rows.numpy()] += own
        return torch.from_numpy(whole), None, None, None


def _arrays(graph: Graph, transposed: bool = False) -> _Arrays:
    left, right = graph.scales(transposed)
    return _Arrays(graph.ends.numpy(), graph.neighbours.numpy(), left.numpy(), right.numpy())


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return cast(NDArray[np.float32], tensor.detach().numpy())


def _rows(rows: Tensor | None) -> NDArray[np.int64] | None:
    return None if rows is None else cast(NDArray[np.int64], rows.numpy())


def _sum(
    graph: _Arrays,
    start: NDArray[np.float32],
    weights: tuple[float, ...],
    rows: NDArray[np.int64] | None,
) -> NDArray[np.float32]:
    """From the innermost hop outwards; the last product has only the rows asked for."""
    hops = len(weights) - 1
    everyone = np.arange(len(start))
    if hops == 0:
        return np.float32(weights[0]) * (start if rows is None else start[rows])
    asked = everyone if rows is None else rows
    needed = everyone if rows is None or hops == 1 else _with_neighbours(graph, rows)
    total, scale = start, np.float32(weights[hops])
    for hop in range(hops - 1, -1, -1):
        targets = asked if hop == 0 else needed if hop == 1 else everyone
        into = np.arange(len(asked)) if hop == 0 else targets
        out = np.empty((len(asked) if hop == 0 else len(start), start.shape[1]), np.float32)
        add = np.float32(weights[hop])
        _in_shares(_pull, graph, targets, total, scale, start, everyone, add, targets, into, out)
        total, scale = out, np.float32(1)
    return total


def _spread(
    graph: _Arrays,
    gradient: NDArray[np.float32],
    weights: tuple[float, ...],
    rows: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The sum for a gradient that is zero but for `rows`: [R, D] -> [n, D]"""
    nodes, hops = len(graph.ends), len(weights) - 1
    everyone = np.arange(nodes)
    place = np.full(nodes, -1)
    place[rows] = np.arange(len(rows))
    total = np.zeros((nodes, gradient.shape[1]), np.float32)
    if hops == 0:
        total[rows] = np.float32(weights[0]) * gradient
        return total
    scales = np.float32(weights[hops]), np.float32(weights[hops - 1])
    _in_shares(_pull_few, graph, everyone, gradient, place, *scales, total)
    for weight in reversed(weights[: hops - 1]):
        out = np.empty_like(total)
        add = np.float32(weight)
        one = np.float32(1)
        _in_shares(
            _pull, graph, everyone, total, one, gradient, place, add, everyone, everyone, out
        )
        total = out
    return total


def _in_shares(kernel: Any, graph: _Arrays, targets: NDArray[np.int64], *arguments: Any) -> None:
    """Threads share the edges of the target rows, not the rows."""
    lengths = np.diff(graph.ends, prepend=0)[targets]
    bounds = balanced(np.cumsum(lengths + 4), width=64)
    in_parallel(kernel, bounds, *graph, *arguments)


def _with_neighbours(graph: _Arrays, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The nodes that some of the rows have as a neighbour, in order."""
    near = np.zeros(len(graph.ends), np.bool_)
    _mark_neighbours(graph.ends, graph.neighbours, rows, near)
    return np.flatnonzero(near)


@numba.njit(nogil=True, cache=True)
def _mark_neighbours(ends, neighbours, rows, near):  # type: ignore[no-untyped-def]
    for r in range(len(rows)):
        v = rows[r]
        for e in range(ends[v - 1] if v > 0 else 0, ends[v]):
            near[neighbours[e]] = True


@numba.njit(nogil=True, cache=True)
def _pull(  # type: ignore[no-untyped-def]
    ends, neighbours, left, right, x, scale, base, place, add, targets, into, out, first, last
):
    """out[into[r]] = scale * sum of x over neighbours + add * base[place[v]], if there is one."""
    width = x.shape[1]
    total = np.empty(width, np.float32)
    for r in range(first, last):
        v = targets[r]
        total[:] = 0
        for e in range(ends[v - 1] if v > 0 else 0, ends[v]):
            w = neighbours[e]
            factor = right[w]
            for d in range(width):
                total[d] += factor * x[w, d]
        factor = left[v] * scale
        row, own = into[r], place[v]
        if own >= 0:
            for d in range(width):
                out[row, d] = factor * total[d] + add * base[own, d]
        else:
            for d in range(width):
                out[row, d] = factor * total[d]


@numba.njit(nogil=True, cache=True)
def _pull_few(  # type: ignore[no-untyped-def]
    ends, neighbours, left, right, x, place, scale, add, out, first, last
):
    """The same for a sparse x: x[place[w]] is the row of node w, and -1 says it is zero."""
    width = x.shape[1]
    total = np.empty(width, np.float32)
    for v in range(first, last):
        total[:] = 0
        for e in range(ends[v - 1] if v > 0 else 0, ends[v]):
            own = place[neighbours[e]]
            if own >= 0:
                factor = right[neighbours[e]]
                for d in range(width):
                    total[d] += factor * x[own, d]
        factor = left[v] * scale
        own = place[v]
        for d in range(width):
            out[v, d] = factor * total[d]
        if own >= 0:
            for d in range(width):
                out[v, d] += add * x[own, d]
