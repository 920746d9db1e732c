"""Leaves: items that cannot have the codes they were given move to free ones nearby."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from tesserec.core.errors import BadData
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel

Decode = Callable[[Tensor], Tensor]  # the vectors codes stand for: [n, L] -> [n, D]

NUMBERS = 1 << 24  # of vectors of leaves that are looked at together
MANY = 1 << 18  # leaves below a prefix; of more the first free one is taken, however far


def settled(
    table: Tensor,
    waiting: Tensor,
    sizes: tuple[int, ...],
    vectors: Tensor | None = None,
    decode: Decode | None = None,
) -> Tensor:
    """The codes of all items, those of waiting ones changed to free ones: [I, L]

    `waiting` [n] are rows in the order in which they choose, `vectors` [n, D] where they would
    like to be. They keep as long a prefix as they can, and take the free leaf below it that
    stands for the nearest vector, or the first where leaves stand for none. Raises `BadData`
    where there are more items than leaves.
    """
    if len(table) > math.prod(sizes):
        raise BadData(
            f"{len(table)} items need a semantic id each, and there are {math.prod(sizes)}.",
            "Tokenize again with more codes or levels.",
        )
    table, there = table.clone(), torch.ones(len(table), dtype=torch.bool)
    there[waiting] = False
    if vectors is None or decode is None:
        vectors, decode = torch.zeros(len(waiting), 0), None
    level = len(sizes)
    while len(waiting):
        level -= 1
        leaf = _chosen(table, there, waiting, sizes, level, vectors, decode)  # [n]
        found = leaf >= 0
        table[waiting[found], level:] = _suffixes(leaf[found], sizes[level:])
        there[waiting[found]] = True
        waiting, vectors = waiting[~found], vectors[~found]
    return table


def buckets(codes: Tensor) -> Tensor:
    """Numbers from 0 on, equal for equal rows, in the order of codes: [n, L] -> [n]"""
    if not codes.numel():  # no row, or the root's prefix, which all share
        return torch.zeros(len(codes), dtype=torch.int64)
    return codes.unique(dim=0, return_inverse=True)[1]


def _chosen(
    table: Tensor,
    there: Tensor,
    waiting: Tensor,
    sizes: tuple[int, ...],
    level: int,
    vectors: Tensor,
    decode: Decode | None,
) -> Tensor:
    """Which leaf below its prefix of this length each waiting item gets, -1 where none is: [n]"""
    bucket = buckets(table[:, :level])
    asked, group = bucket[waiting].unique(return_inverse=True)  # [G] prefixes
    order = group.argsort(stable=True)
    counts = torch.bincount(group, minlength=len(asked))
    prefixes = table[waiting[order[counts.cumsum(0) - counts]], :level]  # [G, level]
    taken = _taken(table[there], bucket[there], asked, sizes[level:], level)  # [G, W]
    wide = taken.shape[1] > MANY
    vectors = vectors[order, :0] if wide else vectors[order]
    leaf = torch.full((len(waiting),), -1)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    step = max(1, NUMBERS // max(1, taken.shape[1] * vectors.shape[1]))
    for first in range(0, len(asked), step):
        some = slice(first, first + step)
        places = _places(prefixes[some], sizes[level:], None if wide else decode)  # [g, W, D]
        inside = starts[first : first + step + 1].numpy()
        work = balanced(inside[1:] - inside[0], taken.shape[1] * (1 + vectors.shape[1]))
        arrays = vectors.numpy(), inside, places.numpy(), taken[some].numpy(), leaf.numpy()
        in_parallel(_choose, work, *arrays)
    found = torch.empty_like(leaf)
    found[order] = leaf
    return found


def _taken(
    table: Tensor, bucket: Tensor, asked: Tensor, sizes: tuple[int, ...], level: int
) -> Tensor:
    """Which leaves below each prefix asked for are taken: [G, W]"""
    taken = torch.zeros(len(asked), math.prod(sizes), dtype=torch.bool)
    group = torch.searchsorted(asked, bucket).clamp(max=len(asked) - 1)
    inside = asked[group] == bucket
    leaf = torch.zeros_like(group)
    for column, size in zip(table[:, level:].T, sizes, strict=True):
        leaf = leaf * size + column
    taken[group[inside], leaf[inside]] = True
    return taken


def _suffixes(leaves: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The tokens of leaves below a prefix, which are counted in their order: [n] -> [n, L - l]"""
    return torch.stack(torch.unravel_index(leaves, sizes), 1)


def _places(prefixes: Tensor, sizes: tuple[int, ...], decode: Decode | None) -> Tensor:
    """The vectors that all leaves below some prefixes stand for: [g, l] -> [g, W, D]"""
    width = math.prod(sizes)
    if decode is None:
        return torch.zeros(len(prefixes), width, 0)
    suffixes = _suffixes(torch.arange(width), sizes)
    above = prefixes.repeat_interleave(width, 0)  # [g W, l]
    codes = torch.cat([above, suffixes.repeat(len(prefixes), 1)], 1)  # [g W, L]
    vectors = torch.cat([decode(block).float() for block in codes.split(1 << 14)])
    return vectors.view(len(prefixes), width, -1).contiguous()


@kernel()
def _choose(  # type: ignore[no-untyped-def]
    vectors, starts, places, taken, leaf, first, last
):
    """Those of a group choose in turn; a leaf is looked at until it is further than the best."""
    width, dimensions = places.shape[1], places.shape[2]
    for group in range(first, last):
        for i in range(starts[group], starts[group + 1]):
            best = np.inf
            for place in range(width):
                if taken[group, place]:
                    continue
                distance = 0.0
                for d in range(dimensions):
                    distance += (vectors[i, d] - places[group, place, d]) ** 2
                    if distance >= best:
                        break
                if distance < best:
                    best = distance
                    leaf[i] = place
            if leaf[i] >= 0:
                taken[group, leaf[i]] = True
