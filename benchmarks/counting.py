"""Counted work: the least that any program must move or compute for the same result."""

import torch

from benchmarks.steps import Steps
from tesserec.core import Dataset
from tesserec.parts.graphs import Graph

ADAM = 7  # tables read or written: weight, gradient and two moments read, all but one written


def lightgcn_step(steps: Steps) -> float:
    """Bytes of a LightGCN step, as if each product read and wrote every row once.

    In truth a row is read once per edge; caches are what may keep the rest from memory.
    """
    table = steps.network.start.nbytes  # type: ignore[union-attr]
    row = table / len(steps.network.start)  # type: ignore[arg-type]
    forward = _product_bytes(steps, row, table)
    return 2 * forward + ADAM * table


def _product_bytes(steps: Steps, row: float, table: float) -> float:
    """Each hop reads a table and writes the rows it reaches; the last reaches the batch's alone."""
    graph = steps.network.graph
    assert isinstance(graph, Graph)
    rows, _ = steps.last.as_nodes(steps.network.users, len(graph))
    reached = torch.arange(len(graph)) if rows is None else rows
    hops = len(steps.network.hop_weights) - 1  # type: ignore[arg-type]
    edges = graph.neighbours.nbytes
    whole = 2 * table + edges
    degrees = graph.starts.diff()
    share = float(degrees[reached].sum() / degrees.sum())
    return (hops - 1) * whole + len(reached) * row + share * edges + min(share, 1) * table


def ranking(users: int, items: int, width: int) -> float:
    """Multiplications and additions of all scores."""
    return 2.0 * users * items * width


def conjugate_gradient(data: Dataset, steps: int, dim: int, epochs: int) -> float:
    """Operations of implicit ALS: per row and step one product with the Gram matrix, per event two
    vector operations; the start of each row costs as much as a step.
    """
    rows = len(data.catalog.users) + len(data.catalog.items)
    events = 2 * len(data.positives.values)
    each = (steps + 1) * (rows * 2 * dim**2 + events * 4 * dim)
    return float(epochs * (each + rows * 2 * dim**2))


def inverse(items: int) -> float:
    """Operations of a symmetric inverse by Cholesky's factors."""
    return float(items) ** 3


def similarities(items: int, width: int) -> float:
    """Multiplications and additions of every pair's product, once."""
    return float(items) ** 2 * width
