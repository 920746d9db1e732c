import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tesserec.core import Dataset, Holdout, Losses, Method, Ragged, Run
from tesserec.core.errors import NotFinite
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.batches import Pairs
from tesserec.parts.negatives import InBatch
from tesserec.training import SGD, Constant, Cosine, Schedule, train
from tesserec.training.log import read_log
from toys.networks import Epochs, Marked, Numbers, Walker, scripted
from toys.recommenders import asked_by

PLAIN = Schedule(epochs=3, rate=0.5, optimizer=SGD(), shape=Constant(), metric="recall@1")
VALID = Holdout(asked_by(10), Ragged.of([[0]] * 10))
SMALL = {"dim": 4, "batches": {"size": 8}, "schedule": {"epochs": 3, "rate": 0.05}}


def walk(network: nn.Module, schedule: Schedule, run: Run, size: int = 1, script=()) -> nn.Module:
    return train(network, Epochs([1.0, 2.0, 3.0], size), schedule, run, scripted(list(script)))


def test_a_step_is_the_mean_gradient_times_the_rate():
    network = walk(Walker(), PLAIN.changed({"epochs": 1}), Run(), size=3)
    assert network.place.item() == pytest.approx(0.5 * 2.0)  # the mean distance was 2
    assert not network.training


def test_a_gradient_is_not_longer_than_the_clip():
    network = walk(Walker(), PLAIN.changed({"epochs": 1, "clip": 0.1}), Run(), size=3)
    assert network.place.item() == pytest.approx(0.5 * 0.1)


class Watching(Walker):
    """Writes down the rate of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        assert step == len(self.rates)
        self.rates.append(optimizer.param_groups[0]["lr"])


def test_the_rate_follows_the_shape_over_all_steps():
    shape = Cosine(warmup=0.5, least=0.2)
    network = walk(Watching(), PLAIN.changed({"epochs": 4, "shape": shape.to_dict()}), Run())
    assert network.rates == pytest.approx([0.5 * shape.at((s + 1) / 12) for s in range(12)])
    assert max(network.rates) == 0.5
    assert network.rates[-1] == pytest.approx(0.1)


class Stepping(Walker):
    """Is at place n after n steps, whatever the gradient says."""

    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        with torch.no_grad():
            self.place.fill_(step + 1)


@pytest.mark.parametrize(
    ("script", "patience", "best", "epochs"),
    [
        ([1, 5, 3, 4, 4], 2, 2, 4),  # two without gain after the second: stop in the fourth
        ([1, 5, 5, 5, 5], 3, 2, 5),  # as good is no gain; the third wait comes with the fifth
        ([1, 2, 3, 4, 5], 2, 5, 5),
        ([5, 1, 1, 1, 1], None, 1, 5),  # never stops early, and still gives the best back
        ([5, 1, 6, 1, 1], 2, 3, 5),  # a gain starts the count anew
    ],
)
def test_patience_ends_the_run_and_the_best_weights_come_back(
    script, patience, best, epochs, tmp_path
):
    schedule = PLAIN.changed({"epochs": 5, "patience": patience})
    run = Run(valid=VALID, folder=tmp_path)
    network = walk(Stepping(), schedule, run, size=3, script=script)
    assert network.place.item() == best
    logged = [event for event in read_log(tmp_path) if event["event"] == "validation"]
    assert [event["recall@1"] for event in logged] == [n / 10 for n in script[:epochs]]


def test_without_validation_the_last_weights_stay_and_patience_does_not_matter():
    assert walk(Stepping(), PLAIN.changed({"patience": 1}), Run(), size=3).place.item() == 3


def test_validation_comes_every_so_many_epochs():
    schedule = PLAIN.changed({"epochs": 6, "every": 3, "patience": 1})
    network = walk(Stepping(), schedule, Run(valid=VALID), size=3, script=[2, 1])
    assert network.place.item() == 3


class Looking(Marked):
    """Checks that the network does not learn while it is asked."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(5)
        assert not network.training
        assert torch.is_inference_mode_enabled()


def test_a_validation_sees_a_network_that_does_not_learn():
    seen = []

    class Dropping(Walker):
        def loss(self, batch: Numbers) -> Losses:
            seen.append(self.training)
            return super().loss(batch)

    train(Dropping(), Epochs([1.0], 1), PLAIN, Run(valid=VALID), Looking)
    assert seen == [True] * 3


def test_the_log_tells_every_epoch_and_validation(tmp_path):
    run = Run(folder=tmp_path, valid=VALID)
    walk(Walker(), PLAIN.changed({"epochs": 2}), run, size=2, script=[3, 4])
    events = read_log(tmp_path)
    assert [event["event"] for event in events] == ["epoch", "validation"] * 2
    assert [event["epoch"] for event in events] == [1, 1, 2, 2]
    assert [event["step"] for event in events] == [2, 2, 4, 4]
    first = events[0]
    assert {"event", "at", "step", "seconds", "loss", "decay", "examples_per_second"} <= set(first)
    assert first["decay"] == 0
    assert first["loss"] > events[2]["loss"] > 0
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[1])["recall@1"] == 0.3


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walk(Walker(), PLAIN, Run(valid=VALID), script=[1, 2, 3])
    assert list(tmp_path.iterdir()) == []


# Promise 11: a loss that is not a number.


def test_a_loss_that_is_no_number_stops_at_that_step_and_keeps_batch_and_checkpoint(tmp_path):
    network = Walker(spoil=lambda batch: batch.step == 4)
    run = Run(folder=tmp_path, checkpoint_minutes=0)
    with pytest.raises(NotFinite, match="Step 4: the loss of an example") as stopped:
        walk(network, PLAIN, run)
    assert "schedule.rate" in stopped.value.cure
    batch = load_file(tmp_path / "not-finite-batch.safetensors")
    assert set(batch) == {"value", "row", "weight"}
    assert batch["value"].tolist() == [[1.0, 2.0, 3.0][int(batch["row"])]]
    assert str(tmp_path / "checkpoints") in stopped.value.cure
    assert (tmp_path / "checkpoints" / "step-0000000004").is_dir()
    assert network.place.isfinite()
    assert read_log(tmp_path)[-1]["event"] == "not finite"
    # The last good checkpoint can be gone on from, and meets the same end.
    with pytest.raises(NotFinite, match="Step 4"):
        walk(Walker(spoil=network.spoil), PLAIN, Run(folder=tmp_path, resume=True))


def test_the_message_names_no_checkpoint_where_there_is_none(tmp_path):
    with pytest.raises(NotFinite) as stopped:
        walk(Walker(spoil=lambda batch: True), PLAIN, Run(folder=tmp_path))
    assert "checkpoint" not in stopped.value.cure
    with pytest.raises(NotFinite) as stopped:
        walk(Walker(spoil=lambda batch: True), PLAIN, Run())
    assert "batch" not in stopped.value.cure


class Exploding(Walker):
    """The decay, or the weight itself, is what becomes infinite."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def loss(self, batch: Numbers) -> Losses:
        bad = torch.tensor(torch.inf if batch.step == 1 and self.what == "decay" else 0.0)
        return Losses(super().loss(batch).each, {"decay": bad})

    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        if self.what == "place":
            with torch.no_grad():
                self.place.fill_(torch.nan)


@pytest.mark.parametrize(
    ("what", "says"), [("decay", "the loss 'decay'"), ("place", "the weight 'place'")]
)
def test_what_is_no_number_is_named(what, says):
    with pytest.raises(NotFinite, match=f"Step 1: {says}"):
        walk(Exploding(what), PLAIN, Run())


class Steep(Walker):
    """A finite loss whose gradient, at one step, is not."""

    def loss(self, batch: Numbers) -> Losses:
        bad = 0 * (self.place - self.place.detach()).abs().sqrt()
        return Losses(super().loss(batch).each, {"bad": bad} if batch.step == 5 else {})


def test_a_gradient_that_is_no_number_spoils_no_checkpoint(tmp_path):
    with pytest.raises(NotFinite, match="Step 6: the weight 'place'") as stopped:
        walk(Steep(), PLAIN, Run(folder=tmp_path, checkpoint_minutes=0))
    assert str(tmp_path / "checkpoints") in stopped.value.cure
    newest = tmp_path / "checkpoints" / "step-0000000005"
    assert load_file(newest / "state.safetensors")["network.place"].isfinite()
    assert not (tmp_path / "checkpoints" / "step-0000000006").exists()
    assert read_log(tmp_path)[-1]["event"] == "not finite"


def test_a_last_step_that_spoils_the_weights_is_no_end_of_a_run():
    with pytest.raises(NotFinite, match="Step 6: the weight 'place'"):
        walk(Steep(), PLAIN.changed({"epochs": 2}), Run())


@pytest.mark.parametrize("batches", [Pairs(size=8, negatives=2), Pairs(size=8, sampler=InBatch())])
def test_the_kept_batch_has_its_negatives(two_tastes: Dataset, tmp_path: Path, batches):
    class Spoiled(MF):
        def network(self, data: Dataset) -> nn.Module:
            network = super().network(data)
            loss = network.loss
            network.loss = lambda batch: loss(batch).weighted(torch.full((len(batch),), torch.nan))
            return network

    with pytest.raises(NotFinite):
        Spoiled(dim=4, batches=batches).fit(two_tastes, Run(folder=tmp_path))
    kept = load_file(tmp_path / "not-finite-batch.safetensors")
    assert {"row", "user", "positive", "weight", "negative.items"} <= set(kept)
    assert len(kept["negative.items"]) == 8
    if isinstance(batches.sampler, InBatch):
        assert {"negative.excluded.0", "negative.excluded.1", "negative.log_chance"} <= set(kept)


# Traps 5a and 5b: randomness has an owner.

LEARNERS = [MF(), LightGCN(), BM3()]


def with_content(data: Dataset) -> Dataset:
    vectors = torch.rand(len(data.catalog.items), 5, generator=torch.Generator().manual_seed(0))
    return data.with_vectors("text", vectors)


def weights_of(method: Method, data: Dataset, run: Run) -> dict[str, torch.Tensor]:
    return method.fit(data, run).network.state_dict()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", LEARNERS, ids=lambda method: type(method).__name__)
def test_two_fits_of_one_seed_are_equal_and_leave_the_global_generator_alone(two_tastes, method):
    data, method = with_content(two_tastes), method.changed(SMALL)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = weights_of(method, data, Run(seed=7))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    torch.rand(100)
    assert equal(first, weights_of(method, data, Run(seed=7)))
    assert not equal(first, weights_of(method, data, Run(seed=8)))


@pytest.mark.parametrize("method", LEARNERS, ids=lambda method: type(method).__name__)
def test_two_stages_of_one_run_draw_different_numbers(two_tastes, method):
    data, method = with_content(two_tastes), method.changed(SMALL)
    run = Run(seed=7)
    stages = [weights_of(method, data, run.stage(name)) for name in ("teacher", "student")]
    assert not equal(*stages)
    assert not equal(stages[0], weights_of(method, data, run))
    assert equal(stages[0], weights_of(method, data, run.stage("teacher")))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_lower_precision_trains_too(two_tastes, precision):
    fitted = MF().changed(SMALL).fit(two_tastes, Run(precision=precision))
    assert all(one.isfinite().all() for one in fitted.network.parameters())
    assert fitted.network.users.dtype == torch.float32


def test_data_without_events_train_nothing(two_tastes):
    fitted = MF().changed(SMALL).fit(two_tastes.without_events(), Run())
    assert fitted.recommend(asked_by(2), 3).items.shape == (2, 3)
