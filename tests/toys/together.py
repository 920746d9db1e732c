"""One of several processes that learn together (trap 6).

Run as a script: `together.py FOLDER RANK WORLD`. For each case it writes the gradient of one batch,
and for each method the weights after a whole fit. `alone` says the same for one process.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from tesserec.core import Dataset, Run
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.batches import PairBatch, Pairs
from tesserec.parts.negatives import InBatch, Shared
from tesserec.parts.objectives import PSL, Softmax
from tesserec.training import Learner
from tesserec.training.devices import Trainer
from toys.strategies import Remembering
from toys.worlds import random_world

SHORT = {"dim": 4, "schedule": {"epochs": 2, "rate": 0.05}}
in_batch = MF(objective=Softmax(), batches=Pairs(sampler=InBatch()))


@dataclass
class Case:
    """A method, how many examples its batch has, and what the first half of them weighs."""

    method: Learner
    examples: int = 16
    light: float = 1.0


CASES = {
    "equal weights": Case(MF(dim=4)),
    "one process gets the light ones": Case(MF(dim=4), light=0.01),
    "one process gets nothing that weighs": Case(MF(dim=4), light=0.0),
    "an odd batch": Case(MF(dim=4, decay=0.5), examples=7),
    "an odd batch with light ones": Case(LightGCN(dim=4, decay=0.5), examples=9, light=0.1),
    "fewer examples than processes": Case(MF(dim=4, decay=0.5), examples=1),
    "negatives in the batch": Case(in_batch.changed({"dim": 4}), light=0.2),
    "shared negatives and a graph": Case(
        LightGCN(dim=4, objective=PSL(), batches=Pairs(sampler=Shared(), negatives=9)), light=0.5
    ),
    "content without dropout": Case(BM3(dim=4, dropout=0.0), light=0.3),
    "a quantile of the whole batch": Case(Remembering(method=MF(dim=4)), light=0.5),
    "a quantile of an odd batch": Case(Remembering(method=MF(dim=4)), examples=7),
}
FITS = {
    "LightGCN": LightGCN(batches=Pairs(size=15)).changed(SHORT),
    "Remembering": Remembering(method=MF(batches=Pairs(size=15)).changed(SHORT)),
    "BM3": BM3(dropout=0.0, batches=Pairs(size=15, negatives=0)).changed(SHORT),
}


def known() -> Dataset:
    """Twenty people, thirty items, with content; 181 pairs make a last batch of one."""
    vectors = torch.rand(30, 5, generator=torch.Generator().manual_seed(0))
    return random_world(seed=1, events=206).with_vectors("text", vectors)


def batch_of(case: Case) -> PairBatch:
    batches, _ = case.method.recipe()
    epochs = batches.changed({"size": case.examples})(known())
    batch = next(iter(epochs(torch.Generator().manual_seed(5))))
    batch.weight = torch.ones(len(batch))
    batch.weight[: len(batch) // 2] = case.light
    return batch


def gradient(case: Case) -> dict[str, torch.Tensor]:
    """What the loop would step along: of this process's share, joined with the others'."""
    run = Run(seed=2, device="cpu")
    with run.seeded("network"):
        network = case.method.network(known())
    trainer = Trainer(network.train(), run)
    share, part = trainer.share(batch_of(case))
    loss, _ = trainer.loss(share, part)
    loss.backward()
    found = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    return {**found, "loss": torch.tensor(trainer.mean(loss))}


def weights(method: Learner) -> dict[str, torch.Tensor]:
    """The network after a whole fit."""
    fitted = method.fit(known(), Run(seed=2, device="cpu"))
    return {name: one.clone() for name, one in fitted.network.state_dict().items()}


def write(folder: Path, rank: int, make: Callable[..., dict[str, torch.Tensor]], cases) -> None:
    for number, case in enumerate(cases.values()):
        save_file(make(case), folder / f"{make.__name__}-{number}-{rank}.safetensors")


if __name__ == "__main__":
    place, rank, world = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{place / 'store'}", rank=rank, world_size=world
    )
    write(place, rank, gradient, CASES)
    write(place, rank, weights, FITS)
    dist.destroy_process_group()
