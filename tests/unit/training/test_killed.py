"""Promise 5: really killed at random points, checkpoint writing included, and resumed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tesserec.training.log import read_log

TESTS = Path(__file__).parents[2]


def kill_and_resume(folder: Path, method: str, kills: int, seed: int) -> dict[str, float]:
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, TESTS / "toys" / "killing.py", folder, method, str(kills), str(seed)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
@pytest.mark.parametrize(("method", "seed"), [("dropout", 0), ("memory", 1)])
def test_killed_at_random_points_the_final_weights_are_those_of_one_go(tmp_path, method, seed):
    told = kill_and_resume(tmp_path, method, kills=12, seed=seed)
    assert told["killed"] >= 5
    whole, killed = (load_file(tmp_path / name / "end.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == killed.keys()
    for name, value in whole.items():
        assert torch.equal(value, killed[name]), name
    resumed = [event for event in read_log(tmp_path / "killed") if event["event"] == "resumed"]
    assert len({event["step"] for event in resumed}) >= 2  # it went on from several places
    left = {path.name for path in (tmp_path / "killed").iterdir()}
    assert left == {"checkpoints", "end.safetensors", "log.jsonl"}
    assert len(list((tmp_path / "killed" / "checkpoints").iterdir())) == 2
