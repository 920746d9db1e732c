"""Collisions: items with the same codes are told apart."""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor

from tesserec.core import Codes, Spec
from tesserec.core.errors import CannotAnswer
from tesserec.parts.semantic_ids.leaves import Decode, buckets, settled

Count = Annotated[int, Field(ge=1)]


class Collisions(Spec):
    """What is done about items that a codebook gives the same codes."""

    @abstractmethod
    def apart(self, codes: Codes, popularity: Tensor, vectors: Tensor | None = None) -> Codes:
        """Unique codes of all items; `popularity` [I] counts their events.

        `vectors` [I, D] is what the codes were made of, if it is at hand. The first levels stay as
        they are where that is possible.
        """

    @abstractmethod
    def added(self, before: Codes, new: Tensor, vectors: Tensor | None = None) -> Codes:
        """Unique codes of old and new items, the old ones unchanged.

        [n, L] codes of the new, [n, D] what they were made of, if it is at hand.
        """


class ExtraLevel(Collisions):
    """One token more, which counts the items of the same codes, in the order of their rows.

    Rajput et al., NeurIPS 2023, arXiv:2305.05065, sec. 3.1.
    """

    room: Count = 64  # tokens the level has; twice the largest bucket if it holds more items

    def apart(self, codes: Codes, popularity: Tensor, vectors: Tensor | None = None) -> Codes:
        rank = ranks(codes.table, self.order(popularity))
        return self._with(codes, rank)

    def added(self, before: Codes, new: Tensor, vectors: Tensor | None = None) -> Codes:
        old = before.table[:, :-1]
        both = torch.cat([old, new])
        rank = ranks(both, torch.arange(len(both)))  # old ones first, whatever their number was
        bucket = buckets(both)
        last = torch.full((len(both),), -1)
        last.scatter_reduce_(0, bucket[: len(old)], before.table[:, -1], "amax")
        there = torch.bincount(bucket[: len(old)], minlength=len(last))
        number = last[bucket] + 1 + rank - there[bucket]
        number[: len(old)] = before.table[:, -1]
        table = torch.cat([both, number[:, None]], 1)
        beyond = torch.nonzero(number >= before.sizes[-1])[:, 0]
        return replace(before, table=settled(table, beyond, before.sizes))

    def order(self, popularity: Tensor) -> Tensor:
        """Items in the order in which they are counted: [I]"""
        return torch.arange(len(popularity))

    def _with(self, codes: Codes, rank: Tensor) -> Codes:
        largest = int(rank.max()) + 1 if len(rank) else 1
        table = torch.cat([codes.table, rank[:, None]], 1)
        size = self.room if largest <= self.room else 2 * largest
        return Codes(table, (*codes.sizes, size), codes.codebook)


class PopularityLevel(ExtraLevel):
    """One token more, which ranks the items of the same codes, the most popular first.

    Liu et al., arXiv:2404.16555; equally popular ones in the order of their rows.
    """

    def order(self, popularity: Tensor) -> Tensor:
        return popularity.argsort(descending=True, stable=True)


class FreeLeaves(Collisions):
    """No token more: the most popular of the items of the same codes keeps them, others move.

    They change their last token to one that is free, the one whose vector is nearest to theirs,
    or the first one where codes stand for no vectors; where all are taken, the last two, and so
    on. Vandenhirtz et al., arXiv:2602.03713, name such a move, and leave open who stays: here the
    most popular, then the first row; the others choose in the same order.
    """

    def apart(self, codes: Codes, popularity: Tensor, vectors: Tensor | None = None) -> Codes:
        order = popularity.argsort(descending=True, stable=True)
        rank = ranks(codes.table, order)
        return _moved(codes, order[rank[order] > 0], vectors)

    def added(self, before: Codes, new: Tensor, vectors: Tensor | None = None) -> Codes:
        both = replace(before, table=torch.cat([before.table, new]))
        rank = ranks(both.table, torch.arange(len(both)))  # old ones are unique, and come first
        if vectors is not None:
            vectors = torch.cat([vectors.new_zeros(len(before), vectors.shape[1]), vectors])
        return _moved(both, torch.nonzero(rank > 0)[:, 0], vectors)


def ranks(codes: Tensor, order: Tensor) -> Tensor:
    """The place of each item among those of the same codes, items met in this order: [n]"""
    bucket = buckets(codes[order])
    count = torch.bincount(bucket)
    together = bucket.argsort(stable=True)
    first = (count.cumsum(0) - count)[bucket[together]]
    rank = torch.empty_like(bucket)
    rank[order[together]] = torch.arange(len(codes)) - first
    return rank


@torch.no_grad()
def _moved(codes: Codes, waiting: Tensor, vectors: Tensor | None) -> Codes:
    """Waiting items moved to free leaves near their vectors.

    Where there are none, or of another kind than codes stand for, near what their codes mean.
    """
    decode, wanted = _decode(codes), None
    if decode is not None:
        wanted = decode(codes.table[waiting])
        if vectors is not None and vectors.shape[1] == wanted.shape[1]:
            wanted = cast(Any, codes.codebook).meant(vectors[waiting])
        wanted = wanted.float().contiguous()
    return replace(codes, table=settled(codes.table, waiting, codes.sizes, wanted, decode))


def _decode(codes: Codes) -> Decode | None:
    """How vectors are made of codes; none where codes stand for none."""
    if codes.codebook is None:
        return None
    decode = cast(Any, codes.codebook).decode
    try:
        decode(codes.table[:1])
    except CannotAnswer:
        return None
    return cast(Decode, decode)
