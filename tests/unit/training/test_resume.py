"""Promise 5, in one process: stopped anywhere and resumed, the weights are those of one go."""

import importlib
import shutil
from pathlib import Path

import pytest
import torch

from tesserec.core import Dataset, Holdout, Method, Run, Silent
from tesserec.core.errors import BadData, DamagedFile, DiskFull
from tesserec.core.files import verify
from tesserec.data.splits import ByUser
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.batches import Pairs, UserPairs
from tesserec.parts.negatives import Shared
from tesserec.parts.objectives import PSL
from tesserec.training import SGD, AdamW, Cosine
from tesserec.training.log import read_log
from toys.strategies import Remembering
from toys.worlds import world

STEPS = 12  # four epochs of three
SMALL = {"dim": 4, "batches": {"size": 7}, "schedule": {"epochs": 4, "rate": 0.05}}
SGD_AND_COSINE = {
    "optimizer": SGD(momentum=0.9).to_dict(),
    "shape": Cosine(warmup=0.3).to_dict(),
    "clip": 0.5,
}
METHODS = {
    "MF": MF().changed(SMALL),
    "MF with SGD, a cosine and a clip": MF().changed({**SMALL, "schedule": SGD_AND_COSINE}),
    "LightGCN with shared negatives": LightGCN(
        objective=PSL(), batches=Pairs(negatives=5, sampler=Shared())
    ).changed(SMALL),
    "MF drawn by user": MF(batches=UserPairs()).changed(
        {**SMALL, "schedule": {"optimizer": AdamW().to_dict()}}
    ),
    "BM3, which drops out": BM3().changed(SMALL),
    "BM3 whose biases do not decay": BM3().changed(
        {"schedule": {"optimizer": AdamW(decay_vectors=False).to_dict()}}
    ),
    "a strategy with a memory": Remembering(method=MF().changed(SMALL)),
    "strategies around dropout": Remembering(method=Remembering(method=BM3().changed(SMALL))),
}
METHODS = {
    name: method if isinstance(method, Remembering) else method.changed(SMALL)
    for name, method in METHODS.items()
}


class Stopped(Exception):
    pass


class StopAt(Silent):
    """Raises when the loop has taken so many steps since it began, before they are kept."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, done: int, facts) -> None:
        self.left -= done
        if done == 1 and self.left <= 0:
            raise Stopped


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Nine people and nine items in three tastes."""
    events = [(u, i) for u in range(9) for i in range(9) if u % 3 == i % 3 or (u * i) % 7 == 3]
    made = world(events)
    vectors = torch.rand(9, 5, generator=torch.Generator().manual_seed(0))
    return made.with_vectors("text", vectors)


@pytest.fixture(scope="module")
def parts(data: Dataset) -> tuple[Dataset, Holdout]:
    split = ByUser(valid=0.0, test=0.4).split(data)
    return split.train, split.test


@pytest.fixture(scope="module")
def in_one_go(parts) -> dict[str, dict[str, torch.Tensor]]:
    """The last weights of runs that nobody stopped, and that wrote nothing."""
    return {
        name: method.fit(parts[0], Run(seed=3)).network.state_dict()
        for name, method in METHODS.items()
    }


@pytest.fixture(scope="module")
def best(parts) -> dict[str, dict[str, torch.Tensor]]:
    """The weights that validated best in such runs."""
    train, valid = parts
    return {
        name: method.fit(train, Run(seed=3, valid=valid)).network.state_dict()
        for name, method in METHODS.items()
    }


def fit(method: Method, parts, folder: Path, stop: int = 10**9, **more) -> dict[str, torch.Tensor]:
    more = {"seed": 3, "checkpoint_minutes": 0, **more}
    run = Run(folder=folder, progress=StopAt(stop), **more)
    return method.fit(parts[0], run).network.state_dict()


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def steps_of(parts, method: Method) -> int:
    batches, schedule = method.recipe()
    return schedule.epochs * len(batches(parts[0]))


@pytest.mark.parametrize("stop", range(1, STEPS + 1))
def test_stopped_after_any_step(parts, in_one_go, tmp_path, stop):
    method = METHODS["MF"]
    assert steps_of(parts, method) == STEPS
    with pytest.raises(Stopped):
        fit(method, parts, tmp_path, stop)
    assert_equal(fit(method, parts, tmp_path, resume=True), in_one_go["MF"])
    assert any(event["event"] == "resumed" for event in read_log(tmp_path)) == (stop > 1)


@pytest.mark.parametrize("name", METHODS)
def test_stopped_four_times_in_and_between_epochs(parts, in_one_go, tmp_path, name):
    for stop in (5, 1, 3, 2):
        with pytest.raises(Stopped):
            fit(METHODS[name], parts, tmp_path, stop, resume=True)
    assert_equal(fit(METHODS[name], parts, tmp_path, resume=True), in_one_go[name])


@pytest.mark.parametrize("name", METHODS)
def test_stopped_between_validations_the_best_weights_come_back(parts, best, tmp_path, name):
    for stop in (5, 3, 2):
        with pytest.raises(Stopped):
            fit(METHODS[name], parts, tmp_path, stop, resume=True, valid=parts[1])
    assert_equal(fit(METHODS[name], parts, tmp_path, resume=True, valid=parts[1]), best[name])


@pytest.mark.parametrize("name", ["MF", "strategies around dropout"])
@pytest.mark.parametrize("validation", [1, 2, 4])
def test_stopped_while_validating(parts, best, tmp_path, monkeypatch, name, validation):
    left = validation
    loop = importlib.import_module("tesserec.training.train")  # not the function of that name
    real = loop.mark

    def mark(*arguments, **more):
        nonlocal left
        left -= 1
        if left == 0:
            raise Stopped
        return real(*arguments, **more)

    monkeypatch.setattr(loop, "mark", mark)
    with pytest.raises(Stopped):
        fit(METHODS[name], parts, tmp_path, valid=parts[1])
    monkeypatch.undo()
    assert_equal(fit(METHODS[name], parts, tmp_path, resume=True, valid=parts[1]), best[name])


def test_a_strategy_counts_every_step_once_and_remembers_all_events(in_one_go):
    found = in_one_go["a strategy with a memory"]
    assert int(found["steps"]) == STEPS
    assert (found["remembered"] > 0).all()


def test_the_best_weights_come_back_with_the_memory_of_their_own_epoch(best):
    found = best["a strategy with a memory"]
    assert 0 < int(found["steps"]) <= STEPS
    assert int(found["steps"]) % 3 == 0


def test_a_finished_run_is_loaded_and_not_repeated(parts, in_one_go, tmp_path):
    fit(METHODS["MF"], parts, tmp_path)
    before = len(read_log(tmp_path))
    assert_equal(fit(METHODS["MF"], parts, tmp_path, stop=1, resume=True), in_one_go["MF"])
    assert [event["event"] for event in read_log(tmp_path)[before:]] == ["resumed"]


def test_with_nothing_to_resume_a_run_begins(parts, in_one_go, tmp_path):
    assert_equal(fit(METHODS["MF"], parts, tmp_path, resume=True), in_one_go["MF"])


def test_at_most_two_checkpoints_are_kept_and_nothing_beside_them(parts, tmp_path):
    leftover = tmp_path / "checkpoints" / ".step-0000000002.1.part"
    leftover.mkdir(parents=True)  # of a process that was killed while it wrote
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, tmp_path, 6, resume=True)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-0000000004", "step-0000000005"]


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").iterdir())


def spoil(folder: Path) -> None:
    path = folder / "state.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before_again_and_again(
    parts, in_one_go, tmp_path
):
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, tmp_path, 8)
    for _ in range(3):  # nobody may run out of whole ones to fall back to
        spoil(checkpoints(tmp_path)[-1])
        with pytest.raises(Stopped):
            fit(METHODS["MF"], parts, tmp_path, 3, resume=True)
        assert len(checkpoints(tmp_path)) == 2
    spoil(checkpoints(tmp_path)[-1])
    assert_equal(fit(METHODS["MF"], parts, tmp_path, resume=True), in_one_go["MF"])


def test_when_all_checkpoints_are_damaged_the_newest_is_named(parts, tmp_path):
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, tmp_path, 8)
    for folder in checkpoints(tmp_path):
        spoil(folder)
    with pytest.raises(DamagedFile, match=r"step-0000000007/state\.safetensors"):
        fit(METHODS["MF"], parts, tmp_path, resume=True)


@pytest.mark.parametrize(
    "change",
    [{"method": MF().changed({**SMALL, "dim": 5})}, {"seed": 4}, {"data": True}],
    ids=["method", "seed", "data"],
)
def test_checkpoints_of_another_method_seed_or_data_are_refused(parts, data, tmp_path, change):
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, tmp_path, 4)
    method = change.get("method", METHODS["MF"])
    there = (data, parts[1]) if "data" in change else parts
    with pytest.raises(BadData, match="written for other data, fields or seed"):
        fit(method, there, tmp_path, resume=True, seed=change.get("seed", 3))


def test_a_run_that_begins_anew_drops_the_checkpoints_of_the_one_before(parts, in_one_go, tmp_path):
    fit(MF().changed({**SMALL, "dim": 5}), parts, tmp_path)  # another run, which went further
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, tmp_path, 4)
    assert_equal(fit(METHODS["MF"], parts, tmp_path, resume=True), in_one_go["MF"])


def fill(file) -> None:
    while True:
        file.write(bytes(4096))


def test_on_a_full_disk_training_stops_and_goes_on_when_there_is_room(parts, in_one_go, small_disk):
    """Promise 8."""
    folder = small_disk / "run"
    with pytest.raises(Stopped):
        fit(METHODS["MF"], parts, folder, 5)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        fill(file)
    with pytest.raises(DiskFull, match=r"run/(checkpoints/step-|log\.jsonl)") as full:
        fit(METHODS["MF"], parts, folder, resume=True)
    assert "bytes" in full.value.cause
    for kept in checkpoints(folder):
        verify(kept)
    assert [path.name for path in checkpoints(folder)] == ["step-0000000003", "step-0000000004"]
    filler.unlink()
    assert_equal(fit(METHODS["MF"], parts, folder, resume=True), in_one_go["MF"])


def test_each_stage_has_checkpoints_of_its_own(parts, tmp_path):
    run = Run(seed=3, folder=tmp_path)
    stages = [METHODS["MF"].fit(parts[0], run.stage(name)) for name in "ab"]
    again = [
        METHODS["MF"].fit(parts[0], Run(seed=3, folder=tmp_path, resume=True).stage(name))
        for name in "ab"
    ]
    for one, other in zip(stages, again, strict=True):
        assert_equal(one.network.state_dict(), other.network.state_dict())
    shutil.rmtree(tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    with pytest.raises(BadData, match="other data"):
        METHODS["MF"].fit(parts[0], Run(seed=3, folder=tmp_path, resume=True).stage("b"))
