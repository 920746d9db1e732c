"""`tesserec fit`, killed at random points and resumed, ends where it would have (promise 5)."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

LINE = (
    "fit shop LightGCN --split last --quiet --checkpoint-minutes 0 --seed 3 "
    "--set dim=8 --set batches.size=16 --set schedule.epochs=12 --set schedule.patience=none"
)


def fit(out: str, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tesserec", *LINE.split(), "--out", out, *more]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def weights(out: str) -> dict[str, torch.Tensor]:
    return load_file(Path(out) / "model" / "weights.safetensors")


def test_a_run_killed_at_random_points_ends_with_the_same_weights(tesserec, shop: Path) -> None:
    assert fit("whole").wait() == 0
    steps = sorted(Path("whole/checkpoints").glob("step-*"))[-1].name
    chance = random.Random(5)
    killed = 0
    for _ in range(3):
        process = fit("cut", *(["--resume"] if Path("cut").exists() else []))
        wanted = {path.name for path in Path("cut/checkpoints").glob("step-*")}
        wanted_more = chance.randint(2, 12)
        seen: set[str] = set()
        while process.poll() is None and len(seen) < wanted_more:
            seen |= {path.name for path in Path("cut/checkpoints").glob("step-*")} - wanted
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed >= 2
    assert fit("cut", "--resume").wait() == 0
    assert sorted(Path("cut/checkpoints").glob("step-*"))[-1].name == steps
    whole, cut = weights("whole"), weights("cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
