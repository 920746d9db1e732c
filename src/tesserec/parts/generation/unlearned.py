"""Tokens that were in no item's id while a network learned, and are in a new item's."""

from collections.abc import Sequence

import torch
from torch import Tensor


def averaged(table: Tensor, codes: Tensor, sizes: Sequence[int], first: Sequence[int]) -> Tensor:
    """A table of tokens [n, D], those that no code [I, L] has being the mean of their level's.

    Level l has `sizes[l]` tokens from row `first[l]` on. What such a token was before says nothing:
    it is random, or was only ever told to be wrong.
    """
    shift = torch.tensor(list(first), device=codes.device)
    used = torch.zeros(len(table), dtype=torch.bool)
    used[(codes + shift).flatten().cpu()] = True
    table = table.clone()
    for start, size in zip(first, sizes, strict=True):
        level, met = table[start : start + size], used[start : start + size]
        if bool(met.any()):
            level[~met] = level[met].mean(0)
    return table
