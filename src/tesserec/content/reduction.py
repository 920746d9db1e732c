"""Rows of many unlike features become short vectors: standardised, turned, cut, of unit length.

Principal component analysis (Pearson, Phil. Mag. 1901) of the correlation matrix.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.content.encoder import Rows

BLOCK = 4096  # rows that are turned into double precision together
SAME = 1e-6  # what differs by less, relative to its size, does not differ
ALONG_NOTHING = 1e-9  # of all variance; a direction with less is rounding

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class PCA:
    """What turns rows [n, W] into unit vectors [n, dim] float32."""

    mean: Reals  # [W]
    scale: Reals  # [W] one over deviations
    axes: Reals  # [W, K <= dim] orthogonal
    dim: int

    def __call__(self, rows: Rows) -> Rows:
        along = (rows - self.mean) @ (self.axes * self.scale[:, None])  # [n, W] x [W, K] -> [n, K]
        lengths = np.linalg.norm(along, axis=1, keepdims=True)
        vectors = np.zeros((len(rows), self.dim), np.float32)
        np.divide(along, lengths, out=along, where=lengths > SAME)
        vectors[:, : along.shape[1]] = along * (lengths > SAME)
        return vectors

    def tensors(self) -> dict[str, Tensor]:
        """What it learned, float32."""
        learned = {"mean": self.mean, "scale": self.scale, "axes": self.axes}
        return {name: torch.from_numpy(one.astype(np.float32)) for name, one in learned.items()}

    @classmethod
    def of(cls, learned: Mapping[str, Tensor], dim: int) -> "PCA":
        """The same from what `tensors` returned."""
        mean, scale, axes = (learned[name].double().numpy() for name in ("mean", "scale", "axes"))
        return cls(mean, scale, axes, dim)


def fitted_pca(rows: Rows, dim: int) -> PCA:
    """What turns rows [n, W] into unit vectors [n, dim] float32, learned from these rows [N, W].

    Features are standardised, so that no unit of measure counts for more than another; one that
    is the same in all of these rows is left out. Vectors are filled up with zeros where the rows
    span fewer directions than `dim`; a row equal to the mean gets zeros. Takes W^2 of memory.
    """
    mean = rows.mean(0, dtype=np.float64)  # [W]
    scatter = _scatter(rows, mean)
    scale = _scale(mean, np.sqrt(np.diag(scatter)))
    return PCA(mean, scale, _axes(scatter * scale * scale[:, None], dim), dim)


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
