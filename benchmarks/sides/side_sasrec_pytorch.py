"""SASRec.pytorch, from a checkout: its model, and its sampler in processes of its own.

Its `main.py` is a script that cannot be imported; a step here is the loop that stands in it.
"""

import os
import subprocess
import sys
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.sides.curves import due, marks
from benchmarks.sides.wire import serve

CHECKOUT = Path(os.environ["SIDE_CHECKOUT"])
sys.path.insert(0, str(CHECKOUT / "python"))
its_model, its_utils = map(import_module, ("model", "utils"))

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"version": f"SASRec.pytorch {commit.stdout.strip()}, torch {torch.__version__}"}


def load_sequences(folder: str) -> None:
    """Its dictionary of lists; it counts users and items from 1."""
    pairs = np.load(Path(folder) / "train.npy") + 1
    users, starts = np.unique(pairs[:, 0], return_index=True)
    rows = np.split(pairs[:, 1], starts[1:])
    held["train"] = {int(u): row.tolist() for u, row in zip(users, rows, strict=True)}
    held["test"] = np.load(Path(folder) / "test.npy")
    held["items"] = max(int(pairs[:, 1].max()), 1 + int(held["test"][:, 1].max()))


def set_up_sequences(model: str, loss: str, length: int, batch: int, dim: int, heads: int) -> None:
    """Its model and optimiser, begun as its script begins them, with its own dropout (0.2)."""
    if (model, loss) != ("SASRec", "bce"):
        raise ValueError(f"not here: {model} with {loss}")
    said = {"device": "cpu", "norm_first": False, "hidden_units": dim, "num_heads": heads}
    said |= {"maxlen": length, "num_blocks": 2, "dropout_rate": 0.2}
    network = its_model.SASRec(len(held["train"]), held["items"], Namespace(**said))
    for parameter in network.parameters():
        if parameter.ndim > 1:
            torch.nn.init.xavier_normal_(parameter.data)
    network.pos_emb.weight.data[0, :] = 0
    network.item_emb.weight.data[0, :] = 0
    network.train()
    adam = torch.optim.Adam(network.parameters(), lr=0.001, betas=(0.9, 0.98))
    held.update(network=network, adam=adam, length=length, batch=batch)


def sequence_steps(count: int, workers: int = 1) -> dict[str, Any]:
    """Its steps. The sampler's processes have filled their queue first, and end with the last step:
    within the steps they are as busy as in the middle of an epoch, and they disturb nobody else.
    """
    users = len(held["train"])
    sampler = its_utils.WarpSampler(
        held["train"], users, held["items"], held["batch"], held["length"], workers
    )
    until = time.monotonic() + 60
    while not sampler.result_queue.full() and time.monotonic() < until:
        time.sleep(0.05)
    found: dict[str, list[Any]] = {"seconds": [], "sequences": [], "targets": []}
    for _ in range(count):
        began = time.perf_counter()
        targets = _step(sampler)
        found["seconds"].append(time.perf_counter() - began)
        found["sequences"].append(held["batch"])
        found["targets"].append(targets)
    sampler.close()
    return found


def sequence_curve(limit: float, epochs: int, k: int, **facts: Any) -> dict[str, Any]:
    """Its loop with its three sampling processes; the clock stops while it is asked."""
    began = time.perf_counter()
    set_up_sequences(**facts)
    train, network = held["train"], held["network"]
    users = len(train)
    sampler = its_utils.WarpSampler(
        train, users, held["items"], held["batch"], held["length"], n_workers=3
    )
    clock, asked, points = time.perf_counter() - began, 0.0, []
    for epoch in range(1, epochs + 1):
        began = time.perf_counter()
        for _ in range((users - 1) // held["batch"] + 1):
            _step(sampler)
        clock += time.perf_counter() - began
        over = clock >= limit or epoch == epochs
        if due(epoch, clock, asked, limit) or over:
            asked = clock
            network.eval()
            points.append({"epoch": epoch, "seconds": clock, **marks(_scores, *_questions(), k)})
            network.train()
        if over:
            break
    sampler.close()
    return {"points": points}


def _scores(users: np.ndarray) -> np.ndarray:
    """All items, for the last events of some users: [B, I]"""
    rows = np.zeros((len(users), held["length"]), np.int64)
    for row, user in zip(rows, users, strict=True):
        last = held["train"][int(user) + 1][-held["length"] :]
        row[len(row) - len(last) :] = last
    network = held["network"]
    with torch.no_grad():
        states = network.log2feats(rows)[:, -1]
        return (states @ network.item_emb.weight[1:].T).numpy()


def _questions() -> tuple[dict[int, np.ndarray], np.ndarray]:
    """What each user has seen, and what each is to find, in rows from 0."""
    return {user - 1: np.array(row) - 1 for user, row in held["train"].items()}, held["test"]


def _step(sampler: Any) -> int:
    """One round of its loop; how many targets there were."""
    criterion = torch.nn.BCEWithLogitsLoss()
    user, seq, pos, neg = (np.array(one) for one in sampler.next_batch())
    positive, negative = held["network"](user, seq, pos, neg)
    ones, zeros = torch.ones(positive.shape), torch.zeros(negative.shape)
    held["adam"].zero_grad()
    indices = np.where(pos != 0)
    loss = criterion(positive[indices], ones[indices])
    loss += criterion(negative[indices], zeros[indices])
    for parameter in held["network"].item_emb.parameters():
        loss += 0.0 * torch.sum(parameter**2)  # its l2_emb, 0 as shipped
    loss.backward()
    held["adam"].step()
    loss.item()
    return len(indices[0])


if __name__ == "__main__":
    serve(
        version=version,
        load_sequences=load_sequences,
        set_up_sequences=set_up_sequences,
        sequence_steps=sequence_steps,
        sequence_curve=sequence_curve,
    )
