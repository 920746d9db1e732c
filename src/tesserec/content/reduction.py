"""Rows of many unlike features become short vectors: standardised, turned, cut, of unit length.

Principal component analysis (Pearson, Phil. Mag. 1901) of the correlation matrix.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tesserec.content.encoder import Rows

BLOCK = 4096  # rows that are turned into double precision together
SAME = 1e-6  # what differs by less, relative to its size, does not differ
ALONG_NOTHING = 1e-9  # of all variance; a direction with less is rounding

Reals = NDArray[np.float64]


def fitted_pca(rows: Rows, dim: int) -> Callable[[Rows], Rows]:
    """What turns rows [n, W] into unit vectors [n, dim] float32, learned from these rows [N, W].

    Features are standardised, so that no unit of measure counts for more than another; one that
    is the same in all of these rows is left out. Vectors are filled up with zeros where the rows
    span fewer directions than `dim`; a row equal to the mean gets zeros. Takes W^2 of memory.
    """
    mean = rows.mean(0, dtype=np.float64)  # [W]
    scatter = _scatter(rows, mean)
    scale = _scale(mean, np.sqrt(np.diag(scatter)))
    axes = _axes(scatter * scale * scale[:, None], dim) * scale[:, None]

    def reduce(block: Rows) -> Rows:
        along = (block - mean) @ axes  # [n, W] x [W, K] -> [n, K]
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        vectors = np.zeros((len(block), dim), np.float32)
        np.divide(along, lengths, out=along, where=lengths > SAME)
        vectors[:, : along.shape[1]] = along * (lengths > SAME)
        return vectors

    return reduce


def _scatter(rows: Rows, mean: Reals) -> Reals:
    """The covariance of rows: [W, W]; block by block, as rows may be a file."""
    total = np.zeros((len(mean), len(mean)))
    for first in range(0, len(rows), BLOCK):
        centred = rows[first : first + BLOCK] - mean
        total += centred.T @ centred
    return total / len(rows)


def _scale(mean: Reals, deviation: Reals) -> Reals:
    """What makes deviations 1, and 0 where there is none: [W]"""
    differs = deviation > SAME * np.maximum(np.abs(mean), SAME)
    return np.divide(1.0, deviation, out=np.zeros_like(deviation), where=differs)


def _axes(correlation: Reals, dim: int) -> Reals:
    """Orthogonal directions of most variance, the largest entry of each positive: [W, K <= dim]"""
    variances, axes = np.linalg.eigh(correlation)
    kept = np.flatnonzero(variances > ALONG_NOTHING * max(variances.sum(), SAME))[::-1][:dim]
    axes = axes[:, kept]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(0)[None], 0)
    return axes * np.sign(largest)
