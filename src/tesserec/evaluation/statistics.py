"""Intervals and paired tests."""

from collections.abc import Mapping

import numpy as np
from scipy import stats

from tesserec.evaluation.metrics import Floats

RESAMPLES = 1000
LARGE = 50_000  # from here on the mean is normal to more digits than are printed


def interval(values: Floats, seed: int = 0) -> tuple[float, float]:
    """95 % bootstrap percentile interval of the mean over requests; NaN ones do not count."""
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return float("nan"), float("nan")
    if len(values) > LARGE:
        half = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values))
        return float(values.mean() - half), float(values.mean() + half)
    means = _resampled_means(np.asarray(values)[:, None], seed)[:, 0]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def intervals(table: Mapping[str, Floats], seed: int = 0) -> dict[str, tuple[float, float]]:
    """The interval of every metric, over the same resamples."""
    if not table:
        return {}
    stacked = np.stack(list(table.values()), 1)
    if not 2 <= len(stacked) <= LARGE or np.isnan(stacked).any():
        return {name: interval(values, seed) for name, values in table.items()}
    low, high = np.quantile(_resampled_means(stacked, seed), [0.025, 0.975], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(table)}


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, JASA 1927); it stays between 0 and 1, however few tries."""
    if not tries:
        return float("nan"), float("nan")
    z = float(stats.norm.ppf(0.975))
    middle = (hits + z * z / 2) / (tries + z * z)
    half = z * np.sqrt(hits * (tries - hits) / tries + z * z / 4) / (tries + z * z)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def difference(hits: int, tries: int, others: int, of: int) -> tuple[float, float]:
    """95 % interval of a share less another one (Newcombe, Statistics in Medicine 1998, method 10).

    It is made of the two Wilson intervals. NaN bounds where there is nothing to divide by.
    """
    if not tries or not of:
        return float("nan"), float("nan")
    (low, high), (below, above) = wilson(hits, tries), wilson(others, of)
    one, other = hits / tries, others / of
    down = np.hypot(one - low, above - other)
    up = np.hypot(high - one, other - below)
    return float(one - other - down), float(one - other + up)


def over_seeds(values: Floats) -> tuple[float, float]:
    """95 % interval of the mean over seeds, by Student's t."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def paired_p(one: Floats, other: Floats) -> float:
    """Two-sided paired t-test over the same requests; 1 where nothing differs."""
    both = ~(np.isnan(one) | np.isnan(other))
    one, other = one[both], other[both]
    difference = one - other
    if len(difference) < 2 or not np.any(difference):
        return 1.0
    if np.ptp(difference) == 0:
        return 0.0
    return float(stats.ttest_rel(one, other).pvalue)


def holm(p_values: Floats) -> Floats:
    """Holm's correction: the chance of any false alarm stays below the level (Holm, 1979)."""
    order = np.argsort(p_values)
    scaled = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def _resampled_means(values: Floats, seed: int) -> Floats:
    """Means of RESAMPLES draws with replacement: [B, M] -> [RESAMPLES, M]"""
    generator = np.random.default_rng(seed)
    count = len(values)
    means = []
    for start in range(0, RESAMPLES, 50):  # blocks keep the table of draws small
        size = min(50, RESAMPLES - start)
        drawn = generator.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        means.append(times @ values / count)
    return np.concatenate(means)
