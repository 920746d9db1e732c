"""Rows of statistics become short vectors: principal components of unit length."""

from collections.abc import Callable

import numpy as np

from tesserec.content.encoder import Rows


def fitted_pca(rows: Rows, dim: int, alike: bool = False) -> Callable[[Rows], Rows]:
    """What projects rows [n, W] on the main directions of these rows, to unit length: [n, dim]

    With `alike`, all columns count the same, whatever their units. Each direction points to the
    side of its largest entry, so that equal rows give equal vectors on every machine. Where there
    are fewer directions than `dim`, the rest is zeros.
    """
    middle = rows.mean(0, dtype=np.float64)
    centred = np.asarray(rows, np.float64) - middle
    scale = np.maximum(centred.std(0), 1e-6) if alike else np.ones(rows.shape[1])
    centred /= scale
    _, directions = np.linalg.eigh(centred.T @ centred)
    count = min(dim, rows.shape[1], max(1, len(rows) - 1))
    directions = directions[:, ::-1][:, :count]
    largest = np.abs(directions).argmax(0)
    directions = directions * np.sign(directions[largest, np.arange(count)]) / scale[:, None]

    def project(block: Rows) -> Rows:
        vectors = np.zeros((len(block), dim), np.float32)
        vectors[:, :count] = (block - middle) @ directions
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    return project
