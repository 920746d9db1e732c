"""Fit a method again and again, killing the process each time, until one fit ends (promise 5).

Run as a script: `killing.py FOLDER METHOD KILLS SEED`. It imports everything once, and each fit is
a forked child, so that a kill costs no new start of Python. The parent starts no threads of its
own, as those would not survive a fork.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from tesserec.core import Dataset, Ragged, Run
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.negatives import uniform
from tesserec.training import Learner
from toys.strategies import Remembering
from toys.worlds import world

SMALL = {"dim": 4, "batches": {"size": 7}, "schedule": {"epochs": 5, "rate": 0.05}}
METHODS = {
    "dropout": BM3().changed(SMALL),
    "memory": Remembering(method=MF().changed(SMALL)),
}


def tastes() -> Dataset:
    """Nine people and nine items in three tastes."""
    events = [(u, i) for u in range(9) for i in range(9) if u % 3 == i % 3 or (u * i) % 7 == 3]
    vectors = torch.rand(9, 5, generator=torch.Generator().manual_seed(0))
    return world(events).with_vectors("text", vectors)


def fit(method: Learner, folder: Path) -> None:
    """Go on from where the last one was killed, and write the weights at the end."""
    torch.set_num_threads(1)
    # Nothing validates: the weights at the end are the last ones, and not the best of early ones.
    run = Run(seed=3, folder=folder, resume=True, checkpoint_minutes=0)
    weights = method.fit(tastes(), run).network.state_dict()
    save_file({name: one.clone() for name, one in weights.items()}, folder / "end.safetensors")


def die_at_sync(number: int) -> None:
    """Be killed at the n-th sync to disk: in the middle of writing a checkpoint."""
    real = os.fsync

    def fsync(descriptor: int) -> None:
        nonlocal number
        number -= 1
        if number == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    os.fsync = fsync


def start(method: Learner, folder: Path, sync: int) -> int:
    """A child that fits, and is killed at its n-th sync unless that is 0."""
    child = os.fork()
    if not child:
        if sync:
            die_at_sync(sync)
        fit(method, folder)
        os._exit(0)
    return child


def ended(child: int) -> bool:
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"a fit failed with {code}")
    return code == 0


def main(folder: Path, method: Learner, kills: int, seed: int) -> None:
    """One fit in one go, then one that is killed often; tells how it went as JSON."""
    draw = random.Random(seed)
    torch.set_num_threads(1)
    # Compiled kernels are loaded once, before the first fork.
    uniform(Ragged.of([[0]]), torch.tensor([0]), 1, 2, torch.Generator())
    began = time.perf_counter()
    assert ended(start(method, folder / "whole", 0))
    seconds = time.perf_counter() - began
    killed = 0
    while killed < kills:
        by_clock = killed >= 5  # before, in the middle of its first three checkpoints
        child = start(method, folder / "killed", 0 if by_clock else draw.randint(1, 12))
        if by_clock:
            time.sleep(draw.uniform(0.3, 1.0) * seconds)
            os.kill(child, signal.SIGKILL)
        if ended(child):
            break
        killed += 1
    finished = (folder / "killed" / "end.safetensors").is_file()
    assert finished or ended(start(method, folder / "killed", 0))
    print(json.dumps({"killed": killed, "seconds": seconds}))


if __name__ == "__main__":
    place, name, count, number = sys.argv[1:]
    main(Path(place), METHODS[name], int(count), int(number))
