"""SELFRec's own LightGCN loop and sampler, from a checkout of theirs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.sides.wire import Watch, serve, timed

CHECKOUT = Path(os.environ["SIDE_CHECKOUT"])
sys.path.insert(0, str(CHECKOUT))
# It asks for a GPU without looking whether there is one.
torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]
torch.nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]

module = import_module("model.graph.LightGCN")

held: dict[str, Any] = {}
watch = Watch()


class Settings:
    """Looks like its configuration."""

    def __init__(self, folder: str, batch: int) -> None:
        self.config = {
            "training.set": folder,
            "test.set": folder,
            "model": {"name": "LightGCN", "type": "graph"},
            "item.ranking.topN": [20],
            "embedding.size": 64,
            "max.epoch": 1,
            "batch.size": batch,
            "learning.rate": 0.001,
            "reg.lambda": 0.0001,
            "LightGCN": {"n_layer": 3},
            "output": "./results/",
        }

    def __getitem__(self, key: str) -> Any:
        return self.config[key]

    def contain(self, key: str) -> bool:
        return key in self.config


def version() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"version": f"SELFRec {commit.stdout.strip()}, torch {torch.__version__}"}


def load(folder: str) -> None:
    """Its lists of (user, item, rating), ids being text."""
    for name in ("train", "test"):
        pairs = np.load(Path(folder) / f"{name}.npy").tolist()
        held[name] = [[str(user), str(item), 1.0] for user, item in pairs]
    held["folder"] = folder


def set_up(batch: int) -> dict[str, Any]:
    """Dictionaries, graph and network."""
    settings = Settings(held["folder"], batch)
    make = lambda: module.LightGCN(settings, held["train"], held["test"])  # noqa: E731
    seconds, held["model"] = timed(make)
    held["model"].fast_evaluation = lambda epoch: None
    held["model"].best_user_emb = held["model"].best_item_emb = None
    held["sampler"] = module.next_batch_pairwise
    return {"seconds": [seconds]}


def steps(count: int) -> dict[str, Any]:
    """Its own loop over a few batches, drawn off the clock."""

    def few(data: Any, size: int) -> Iterator[Any]:
        return watch.over(held["sampler"](data, size), count)

    module.next_batch_pairwise = few
    held["model"].train()
    return watch.taken()


def negatives() -> dict[str, Any]:
    """One epoch's batches with negatives."""
    model = held["model"]
    drawn = held["sampler"](model.data, model.batch_size)
    seconds, count = timed(lambda: sum(len(users) for users, _, _ in drawn))
    return {"seconds": [seconds], "drawn": count}


if __name__ == "__main__":
    serve(version=version, load=load, set_up=set_up, steps=steps, negatives=negatives)
