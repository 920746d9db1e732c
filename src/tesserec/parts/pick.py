"""Rows of a table, with a gradient that is added up quickly."""

from torch import Tensor
from torch.nn import functional


def pick(table: Tensor, rows: Tensor) -> Tensor:
    """Rows of a table, their gradients added up by a loop faster than that of `table[rows]`."""
    return functional.embedding(rows, table)
