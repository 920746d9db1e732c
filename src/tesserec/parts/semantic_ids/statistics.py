"""What codes are worth: how evenly they are used, who shares one, and what they know of items."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Codes
from tesserec.core.errors import CannotAnswer
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized

BLOCK = 1 << 14  # items looked at together


@dataclass(frozen=True)
class Level:
    """One level of codes, and the prefixes that end there."""

    size: int  # tokens there may be
    used: int  # tokens there are
    perplexity: float  # exp(H): as many tokens, equally frequent, would be as hard to guess
    entropy: float  # H / log(size): 1 where all tokens are equally frequent
    prefixes: int  # different ones up to here
    largest: int  # items of the most frequent prefix
    alike: float | None  # mean cosine of two items with the same prefix; None: no two have one


@dataclass(frozen=True)
class Statistics:
    """Codes in figures. Levels are those of the codebook, before collisions are resolved."""

    items: int
    levels: tuple[Level, ...]
    collisions: float  # 1 - distinct / items
    collisions_left: float  # after they were resolved
    largest_bucket: int  # items with the same codes
    error: float | None  # mean squared error of what the codes stand for; None: for no vectors
    unexplained: float | None  # the same, over that of the mean vector
    random_alike: float | None  # mean cosine of any two items

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return {**asdict(self), "levels": [asdict(level) for level in self.levels]}


def statistics(found: Quantized, ids: Codes) -> Statistics:
    """Look at codes, and at the semantic ids that were made of them."""
    table, vectors = found.codes.table, found.vectors
    content = vectors.shape[1] > 0 and vectors.is_floating_point()  # numbers of items say nothing
    unit = functional.normalize(vectors.float(), dim=1) if content else None
    groups = prefixes(table)
    error, unexplained = reconstruction(found.codebook, vectors, table)
    return Statistics(
        items=len(table),
        levels=tuple(
            _level(column, size, group, unit)
            for column, size, group in zip(table.T, found.codes.sizes, groups, strict=True)
        ),
        collisions=collision_rate(found.codes),
        collisions_left=collision_rate(ids),
        largest_bucket=_largest(groups[-1]),
        error=error,
        unexplained=unexplained,
        random_alike=None if unit is None else agreement(unit, torch.zeros_like(groups[0])),
    )


def prefixes(table: Tensor) -> list[Tensor]:
    """For each level the number of each item's prefix, from 0: [I, L] -> L times [I]"""
    group, found = torch.zeros(len(table), dtype=torch.int64), []
    for column in table.T:
        pairs = group * (int(column.max()) + 1 if len(column) else 1) + column
        group = pairs.unique(return_inverse=True)[1]
        found.append(group)
    return found


def entropy(counts: Tensor) -> float:
    """In nats, of how often each thing was met."""
    shares = counts[counts > 0].double()
    shares = shares / shares.sum()
    return max(0.0, -float((shares * shares.log()).sum()))  # 0 and not -0 for one thing alone


def collision_rate(codes: Codes) -> float:
    """The share of items that could be missed if each tuple named one item: 1 - distinct / I"""
    return 1 - codes.distinct / len(codes) if len(codes) else 0.0


def agreement(unit: Tensor, group: Tensor) -> float | None:
    """The mean cosine over all pairs of items of one group; None where no two are of one.

    Not one pair is formed: the squared length of a group's sum holds the cosines of its pairs.
    """
    shared = torch.nonzero(torch.bincount(group)[group] > 1)[:, 0]  # who is alone has no pair
    if not len(shared):
        return None
    _, group, counts = group[shared].unique(return_inverse=True, return_counts=True)
    sums = torch.zeros(len(counts), unit.shape[1], dtype=torch.float64)
    own = 0.0
    for rows, groups in zip(shared.split(BLOCK), group.split(BLOCK), strict=True):
        block = unit[rows].double()
        sums.index_add_(0, groups, block)
        own += float(block.square().sum())
    return (float(sums.square().sum()) - own) / float((counts * (counts - 1)).sum())


def reconstruction(
    codebook: Codebook, vectors: Tensor, table: Tensor
) -> tuple[float | None, float | None]:
    """Mean squared error of the decoded vectors, and its share of the variance."""
    total = 0.0
    vectors = codebook.meant(vectors)
    try:
        for rows, codes in zip(vectors.split(BLOCK), table.split(BLOCK), strict=True):
            total += float((codebook.decode(codes) - rows).double().square().sum())
    except CannotAnswer:
        return None, None
    numbers = max(1, vectors.numel())
    variance = float((vectors.double() - vectors.double().mean(0)).square().sum()) / numbers
    return total / numbers, total / numbers / variance if variance else None


def mutual_information(one: Tensor, other: Tensor) -> float:
    """Of two ways to group the same items, over the mean of their entropies: 0 to 1.

    0 where either has one group alone, and says nothing.
    """
    if not len(one):
        return 0.0
    pairs = one * (int(other.max()) + 1) + other
    apart = entropy(torch.bincount(one)) + entropy(torch.bincount(other))
    together = entropy(pairs.unique(return_counts=True)[1])
    return max(0.0, 2 * (apart - together) / apart) if apart else 0.0


def _level(column: Tensor, size: int, group: Tensor, unit: Tensor | None) -> Level:
    counts = torch.bincount(column, minlength=size)
    known = entropy(counts)
    return Level(
        size=size,
        used=int((counts > 0).sum()),
        perplexity=float(torch.tensor(known).exp()),
        entropy=known / float(torch.tensor(size).log()) if size > 1 else 0.0,
        prefixes=int(group.max()) + 1 if len(group) else 0,
        largest=_largest(group),
        alike=None if unit is None else agreement(unit, group),
    )


def _largest(group: Tensor) -> int:
    return int(torch.bincount(group).max()) if len(group) else 0
