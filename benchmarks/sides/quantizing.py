"""Our side's work with quantizers: steps of an autoencoder, and k-means level by level."""

from typing import Any

import numpy as np
import torch

from benchmarks.data import made_up
from benchmarks.sides.wire import timed
from benchmarks.steps import Loop
from tesserec.core import Precision, Run
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest

held: dict[str, Any] = {}


def set_up_quantizing(vectors: str, batch: int, precision: Precision, **sizes: Any) -> None:
    """An autoencoder about to learn from given vectors; its codes begin at random."""
    from tesserec.parts.semantic_ids.rqvae import RQVAE

    table = torch.from_numpy(np.load(vectors))
    data = made_up(users=10, items=len(table), events=100)
    data = data.with_vectors("content", table)
    method = RQVAE(batches={"size": batch}, initial=None, **sizes)
    run = Run(device="cpu", precision=precision)
    with run.seeded("codebook"):
        codebook = method.codebook(data.catalog.items)
    network = method.network(codebook, table, data, run)
    held["steps"] = Loop(network, method.batches(data), method.schedule, run)


def quantizing_steps(count: int) -> dict[str, Any]:
    """Whole steps: batch drawn, loss, backward, optimiser."""
    return {"seconds": [held["steps"].step() for _ in range(count)]}


def cluster(points: str, levels: int, codes: int, rounds: int | None) -> dict[str, Any]:
    """k-means of what the levels before leave, and what is left by all of them.

    Without `rounds`, as many as a quantizer takes.
    """
    rest = torch.from_numpy(np.load(points))
    generator = torch.Generator().manual_seed(0)

    def residuals(rest: torch.Tensor = rest) -> torch.Tensor:
        for _ in range(levels):
            centres = kmeans(rest, codes, generator, rounds or 50)
            rest = rest - centres[nearest(rest, centres)[0]]
        return rest

    seconds, left = timed(residuals)
    return {"seconds": [seconds], "left": float(left.square().sum(1).mean())}


OPERATIONS = {
    "set_up_quantizing": set_up_quantizing,
    "quantizing_steps": quantizing_steps,
    "cluster": cluster,
}
