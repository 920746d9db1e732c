"""Tokens that were in no item's id while a network learned, and are in a new item's."""

from collections.abc import Sequence

import torch
from torch import Tensor


def averaged(
    table: Tensor, codes: Tensor, new: Tensor, sizes: Sequence[int], first: Sequence[int]
) -> Tensor:
    """A table of tokens [n, D], those that only `new` items have being the mean of their level's.

    `codes` [I, L] and `new` [m, L] are of items from before and of new ones; level l has `sizes[l]`
    tokens from row `first[l]` on, and the mean is that of those from before. What such a token was
    says nothing: it is random, or was only ever told to be wrong. Tokens that nobody has stay as
    they are, so that what competes with them does, too.
    """
    known, fresh = _met(table, codes, first), _met(table, new, first)
    fresh &= ~known
    table = table.clone()
    for start, size in zip(first, sizes, strict=True):
        level = slice(start, start + size)
        if bool(known[level].any()):
            table[level][fresh[level]] = table[level][known[level]].mean(0)
    return table


def _met(table: Tensor, codes: Tensor, first: Sequence[int]) -> Tensor:
    """Which rows of a table [n, D] some codes [I, L] name: [n] bool"""
    met = torch.zeros(len(table), dtype=torch.bool)
    met[(codes + torch.tensor(list(first), device=codes.device)).flatten().cpu()] = True
    return met
