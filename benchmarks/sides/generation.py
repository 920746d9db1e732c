"""Our side's work with semantic ids: writing them, and learning to."""

from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.data import made_up
from benchmarks.sides.wire import timed
from benchmarks.steps import Loop
from tesserec.core import Codes, Histories, Ragged, Requests, Run
from tesserec.methods.generative.tiger import IDS, TIGER
from tesserec.parts.batches import Packed, SequenceBatch
from tesserec.parts.semantic_ids.given import Given

held: dict[str, Any] = {}


def make_generator(folder: str, items: int, levels: int, codes: int, longest: int) -> None:
    """A network with weights at random, and random ids; both are written for the others.

    Only what may follow competes, which others can do, too.
    """
    generator = np.random.default_rng(0)
    numbers = np.sort(generator.choice(codes**levels, items, replace=False))
    table = np.stack([numbers // codes**place % codes for place in range(levels)][::-1], 1)
    data = made_up(users=10, items=items, events=100)
    ids = Codes(torch.from_numpy(table), (codes,) * levels)
    data = data.with_codes(IDS, ids)
    method = TIGER(ids=Given(), children=True, batches={"length": longest})
    with Run().seeded("network"):
        network = method.network(data).eval()
    held.update(method=method, data=data, network=network)
    weights = {name: one.numpy() for name, one in network.state_dict().items()}
    np.savez(Path(folder) / "weights.npz", **weights)
    np.save(Path(folder) / "codes.npy", table)


def write_items(histories: str, out: str, k: int, times: int = 1) -> dict[str, Any]:
    """The best k items after each of some histories, none of them left out, asked so many times."""
    rows = np.load(histories)
    history = Histories(Ragged.of(rows.tolist()))
    requests = Requests(torch.full((len(rows),), -1), history)
    recommender = held["method"].answer(held["network"], held["data"].catalog)
    taken = [timed(lambda: recommender.recommend(requests, k)) for _ in range(times)]
    found = taken[-1][1]
    np.savez(out, items=found.items.numpy(), scores=found.scores.numpy())
    return {"seconds": [seconds for seconds, _ in taken]}


def begin_learning(batch: str, dropout: float) -> None:
    """Training is about to begin from the network's weights, with one batch."""
    said = np.load(batch)
    method = TIGER(ids=Given(), dropout=dropout, batches={"length": said["histories"].shape[1]})
    network = method.network(held["data"])
    network.load_state_dict(held["network"].state_dict())
    _, schedule = method.recipe()
    batch = _batch(said["histories"], said["lengths"], said["next"])
    held["learning"] = Loop(network, lambda _: repeat(batch), schedule, Run(device="cpu"))
    held["batch"] = batch


def loss_now() -> dict[str, Any]:
    """The mean over levels."""
    with torch.no_grad():
        return {"loss": float(held["learning"].network.loss(held["batch"]).each.mean())}


def learn(count: int) -> dict[str, Any]:
    """Steps: loss, backward, optimiser."""
    return {"seconds": [held["learning"].step() for _ in range(count)]}


def _batch(histories: np.ndarray, lengths: np.ndarray, targets: np.ndarray) -> SequenceBatch:
    """Sequences, the longest first; what each has behind its length is not read."""
    rows = [row[:length].tolist() for row, length in zip(histories, lengths, strict=True)]
    packed, order = Packed.of(Histories(Ragged.of(rows)), histories.shape[1])
    count = len(order)
    numbers, strangers = torch.arange(count), torch.full((count,), -1)
    positive = torch.from_numpy(targets)[order]
    ends = packed.ends - 1
    return SequenceBatch(numbers, strangers, packed, ends, positive, None, torch.ones(count))


OPERATIONS = {
    "make_generator": make_generator,
    "write_items": write_items,
    "begin_learning": begin_learning,
    "loss_now": loss_now,
    "learn": learn,
}
