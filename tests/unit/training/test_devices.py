"""Two processes learn what one would from the same batches (trap 6)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tesserec.training.devices import best_device, gather, inference, processes
from toys.together import CASES, FITS, gradient, weights

TESTS = Path(__file__).parents[2]
WORLD = 2


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes have written."""
    folder = tmp_path_factory.mktemp("together")
    paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
    started = [
        subprocess.Popen(
            [sys.executable, TESTS / "toys" / "together.py", folder, str(rank), str(WORLD)],
            env={**os.environ, "PYTHONPATH": paths},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    try:
        for process in started:
            _, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors[-3000:]
    finally:
        for process in started:
            process.kill()
    return folder


def written(folder: Path, what: str, number: int) -> list[dict[str, torch.Tensor]]:
    return [load_file(folder / f"{what}-{number}-{rank}.safetensors") for rank in range(WORLD)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_gradient_of_one(together, name):
    alone = gradient(CASES[name])
    for found in written(together, "gradient", list(CASES).index(name)):
        assert found.keys() == alone.keys()
        for parameter, expected in alone.items():
            size = expected.abs().max().clamp(min=1e-6)
            torch.testing.assert_close(found[parameter] / size, expected / size, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", FITS)
def test_a_whole_fit_by_two_processes_ends_where_one_does(together, name):
    alone = weights(FITS[name])
    one, other = written(together, "weights", list(FITS).index(name))
    for parameter, expected in alone.items():
        assert torch.equal(one[parameter], other[parameter])
        torch.testing.assert_close(one[parameter], expected, rtol=1e-3, atol=1e-3)


def test_alone_there_is_nobody_to_gather_from():
    values = torch.tensor([1.0, 2.0])
    assert processes() == (0, 1)
    assert gather(values) is values


def test_the_device_is_the_one_that_is_named():
    assert best_device("cpu") == torch.device("cpu")
    assert best_device("cuda:1") == torch.device("cuda", 1)
    assert best_device("auto").type in ("cpu", "cuda", "mps")


def test_inference_leaves_a_network_as_it_was():
    for training in (True, False):
        network = nn.Dropout().train(training)
        with inference(network):
            assert not network.training
            assert torch.is_inference_mode_enabled()
        assert network.training == training
