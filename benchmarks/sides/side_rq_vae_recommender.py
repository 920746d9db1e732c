"""RQ-VAE-Recommender's own autoencoder and k-means, from a checkout of theirs.

Its `train_rqvae.py` is a script that wants its own data; a step here is the loop that stands in
it, with the settings of its `rqvae_amazon.gin`.
"""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

# It compiles as it is imported, which is not for processors: so it is as its functions stand.
os.environ["TORCHDYNAMO_DISABLE"] = "1"

import numpy as np
import torch

from benchmarks.sides.wire import serve, timed

CHECKOUT = Path(os.environ["SIDE_CHECKOUT"])
sys.path.insert(0, str(CHECKOUT))
its_model, its_modes, its_kmeans, its_data = map(
    import_module, ("modules.rqvae", "modules.quantize", "init.kmeans", "data.schemas")
)

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"version": f"RQ-VAE-Recommender {commit.stdout.strip()}, torch {torch.__version__}"}


def set_up_quantizing(
    vectors: str,
    batch: int,
    precision: str,
    hidden: list[int],
    dim: int,
    levels: int,
    codes: int,
) -> None:
    """Its network with straight-through gradients, as that configuration has it."""
    held["half"] = precision == "bfloat16"
    held["vectors"], held["size"] = torch.from_numpy(np.load(vectors)), batch
    network = its_model.RqVae(
        input_dim=held["vectors"].shape[1],
        embed_dim=dim,
        hidden_dims=hidden,
        codebook_size=codes,
        codebook_kmeans_init=False,
        codebook_mode=its_modes.QuantizeForwardMode.STE,
        n_layers=levels,
        n_cat_features=0,
    )
    held["network"] = network.train()
    held["adam"] = torch.optim.AdamW(network.parameters(), lr=0.001, weight_decay=1e-4)


def quantizing_steps(count: int) -> dict[str, Any]:
    """Its steps; rows in a new order each, drawn on the clock."""
    return {"seconds": [timed(_step)[0] for _ in range(count)]}


def _step() -> None:
    vectors = held["vectors"]
    x = vectors[torch.randperm(len(vectors))[: held["size"]]]
    nothing = torch.empty(0)
    batch = its_data.SeqBatch(nothing, nothing, nothing, x, nothing, nothing)
    held["adam"].zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=held["half"]):
        found = held["network"](batch, gumbel_t=0.2)
    found.loss.backward()
    found.loss.item(), found.reconstruction_loss.item(), found.rqvae_loss.item()
    held["adam"].step()


def cluster(points: str, levels: int, codes: int, rounds: int | None) -> dict[str, Any]:
    """Its k-means of what the levels before leave, and what is left by all of them."""
    rest = torch.from_numpy(np.load(points))
    np.random.seed(0)
    torch.manual_seed(0)

    def residuals(rest: torch.Tensor = rest) -> torch.Tensor:
        for _ in range(levels):
            found = its_kmeans.Kmeans(codes, rounds).run(rest)
            rest = rest - found.centroids[found.assignment]
        return rest

    seconds, left = timed(residuals)
    return {"seconds": [seconds], "left": float(left.square().sum(1).mean())}


if __name__ == "__main__":
    serve(
        version=version,
        set_up_quantizing=set_up_quantizing,
        quantizing_steps=quantizing_steps,
        cluster=cluster,
    )
