"""The LightGCN authors' PyTorch code, from a checkout of theirs: step, sampler and evaluation."""

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch

from benchmarks.sides.wire import serve, timed

CHECKOUT = Path(os.environ["SIDE_CHECKOUT"])
# It reads its settings from the command line while it is imported.
sys.argv = ["main.py", "--dataset=gowalla", "--layer=3", "--recdim=64", "--tensorboard=0"]
sys.path.insert(0, str(CHECKOUT / "code"))
names = ("dataloader", "model", "Procedure", "utils", "world")
dataloader, model, procedure, utils, world = map(import_module, names)

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"version": f"LightGCN-PyTorch {commit.stdout.strip()}, torch {torch.__version__}"}


def load(folder: str) -> None:
    """Write its lists, and the adjacency it would otherwise take minutes and 14 GB to make."""
    place = Path(folder) / "lightgcn-pytorch"
    place.mkdir(exist_ok=True)
    pairs = {name: np.load(Path(folder) / f"{name}.npy") for name in ("train", "test")}
    for name, both in pairs.items():
        _write_lists(both, place / f"{name}.txt")
    _write_adjacency(pairs["train"], place / "s_pre_adj_mat.npz")
    held["data"] = dataloader.Loader(path=str(place))


def set_up(batch: int) -> dict[str, Any]:
    """Network and graph, the adjacency being cached on disk as after its first start."""
    world.config["bpr_batch_size"] = batch
    held["data"].Graph = None
    seconds, held["model"] = timed(lambda: model.LightGCN(world.config, held["data"]))
    held["step"] = utils.BPRLoss(held["model"], world.config)
    return {"seconds": [seconds]}


def steps(count: int) -> dict[str, Any]:
    """Its own step, on batches that are ready."""
    generator = np.random.default_rng(0)
    data = held["data"]
    seconds = []
    held["model"].train()
    for _ in range(count):
        size = world.config["bpr_batch_size"]
        places = generator.integers(0, data.trainDataSize, size)
        users, items = (torch.from_numpy(one[places]) for one in (data.trainUser, data.trainItem))
        others = torch.from_numpy(generator.integers(0, data.m_items, size))
        seconds.append(timed(lambda: held["step"].stageOne(users, items, others))[0])  # noqa: B023
    return {"seconds": seconds}


def evaluate(folder: str, users: int) -> dict[str, Any]:
    """Its full ranking; it spreads the vectors over the graph again for every 100 users."""
    data = held["data"]
    whole = data._Loader__testDict
    data._Loader__testDict = {user: whole[user] for user in sorted(whole)[: users or None]}
    weights = {"embedding_user": f"{folder}/users.npy", "embedding_item": f"{folder}/items.npy"}
    for name, file in weights.items():
        getattr(held["model"], name).weight.data.copy_(torch.from_numpy(np.load(file)))
    seconds, found = timed(lambda: procedure.Test(data, held["model"], 0))
    asked = len(data.testDict)
    data._Loader__testDict = whole
    return {"seconds": [seconds], "users": asked, "recall@20": float(found["recall"][0])}


def negatives() -> dict[str, Any]:
    """One epoch of its own sampler."""
    seconds, drawn = timed(lambda: len(utils.UniformSample_original(held["data"])))
    return {"seconds": [seconds], "drawn": drawn}


def _write_lists(pairs: np.ndarray, path: Path) -> None:
    """One line a user: the user, then the items."""
    order = np.argsort(pairs[:, 0], kind="stable")
    users, starts = np.unique(pairs[order, 0], return_index=True)
    rows = np.split(pairs[order, 1], starts[1:])
    lines = (f"{u} {' '.join(map(str, row))}" for u, row in zip(users, rows, strict=True))
    path.write_text("\n".join(lines) + "\n")


def _write_adjacency(pairs: np.ndarray, path: Path) -> None:
    """D^-1/2 A D^-1/2 of users and items."""
    users = int(pairs[:, 0].max()) + 1
    size = users + int(pairs[:, 1].max()) + 1
    ones = np.ones(len(pairs), np.float32)
    half = sp.csr_matrix((ones, (pairs[:, 0], pairs[:, 1] + users)), shape=(size, size))
    both = half + half.T
    scale = sp.diags(1 / np.sqrt(np.maximum(np.asarray(both.sum(1)).ravel(), 1)))
    sp.save_npz(path, (scale @ both @ scale).tocsr().astype(np.float32))


if __name__ == "__main__":
    serve(
        version=version,
        load=load,
        set_up=set_up,
        steps=steps,
        evaluate=evaluate,
        negatives=negatives,
    )
