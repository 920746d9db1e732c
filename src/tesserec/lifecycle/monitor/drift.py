"""How far two counts of the same things lie apart, and how far they would by chance alone."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 10  # of what chance would do


def stability(before: Counts, now: Counts) -> float:
    """Population stability index of two counts over the same bins: [n] x [n]

    The sum of (q - p) ln(q / p), as scorecards of credit risk are watched with (Siddiqi, Credit
    Risk Scorecards, 2006). Half a count is added to each bin, so that an empty one is no infinity.
    """
    p, q = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (before, now))
    return float(((q - p) * np.log(q / p)).sum())


def stability_by_chance(bins: int, before: int, now: int) -> float:
    """What 19 of 20 indices stay below where nothing has changed.

    Without drift the index is (1/N + 1/n) times a chi square of bins - 1 degrees of freedom
    (Yurdakul, Statistical Properties of Population Stability Index, 2018).
    """
    if bins < 2 or not before or not now:
        return 0.0 if bins < 2 else float("inf")
    return float(chi2.ppf(0.95, bins - 1) * (1 / before + 1 / now))


def divergence(before: Counts, now: Counts) -> float:
    """Jensen-Shannon divergence of two counts in bits, 0 to 1 (Lin, 1991): [n] x [n]

    Its root is a distance (Endres and Schindelin, 2003).
    """
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    return float(max(0.0, (_bits(p, middle) + _bits(q, middle)) / 2))


def by_chance(before: Counts, now: Counts) -> tuple[float, float]:
    """The mean popularity shift and divergence when the same events are dealt out again.

    Over thousands of items a few hundred events always look different, and items that were chosen
    often once are chosen less the next time: that much is no drift.
    """
    both, size = before + now, int(now.sum())
    generator = np.random.default_rng(0)
    shifts, apart = [], []
    for _ in range(DRAWS):
        if both.sum() < 1_000_000_000:
            dealt = generator.multivariate_hypergeometric(both, size, method="marginals")
        else:  # more than can be dealt; shares are known well enough
            dealt = np.minimum(generator.multinomial(size, both / both.sum()), both)
        shifts.append(popularity_shift(both - dealt, dealt))
        apart.append(divergence(both - dealt, dealt))
    return float(np.mean(shifts)), float(np.mean(apart))


def popularity_shift(before: Counts, now: Counts) -> float:
    """Stability index over groups of items, popular to rare; items new since `before` left out."""
    return stability(*grouped(before, now))


def grouped(before: Counts, now: Counts) -> tuple[Counts, Counts]:
    """Events of each group of items that were about as popular before: [I] x [I] -> [n] x [n]"""
    known = before > 0
    groups = popularity_bins(before[known])
    size = int(groups.max()) + 1
    one, other = (
        np.bincount(groups, counts[known], minlength=size).astype(np.int64)
        for counts in (before, now)
    )
    return one, other


def popularity_bins(counts: Counts, bins: int = 10) -> Counts:
    """The bin of each item, the most chosen first; each holds about as many events: [I] -> [I]"""
    order = np.argsort(-counts, kind="stable")
    ordered = counts[order]
    middle = ordered.cumsum() - ordered / 2
    found = np.empty(len(counts), np.int64)
    found[order] = np.minimum(bins * middle / max(counts.sum(), 1), bins - 1).astype(np.int64)
    # An item that fills several bins alone leaves some empty: those are none.
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def gini(counts: Counts) -> float:
    """How unequally counts are shared: 0 all alike, towards 1 one takes all: [I]"""
    total, size = counts.sum(), len(counts)
    if not total:
        return 0.0
    place = np.arange(1, size + 1)
    return float(((2 * place - size - 1) * np.sort(counts)).sum() / (size * total))


def drawn(counts: Counts, size: int) -> Counts:
    """As many places filled by lot, each item as often as it was chosen: [DRAWS, I]"""
    generator = np.random.default_rng(0)
    return generator.multinomial(size, counts / counts.sum(), DRAWS).astype(np.int64)


def _bits(p: Floats, q: Floats) -> float:
    there = p > 0
    return float((p[there] * np.log2(p[there] / q[there])).sum())
