from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tesserec.core.errors import BadData, DamagedFile
from tesserec.training import SGD, Adam
from tesserec.training.checkpoint import Checkpoints, Position, State


def state(optimizer=None) -> State:
    """A network of two numbers, an optimiser that has taken a step, and a best so far."""
    network = nn.Linear(1, 1)
    optimizer = (optimizer or Adam()).over(network.parameters(), 0.1)
    network(torch.ones(1)).sum().backward()
    optimizer.step()
    start = torch.Generator().manual_seed(1).get_state()
    best = {name: one.detach() + 1 for name, one in network.state_dict().items()}
    return State(network, optimizer, torch.amp.GradScaler("cpu", enabled=False), start, best)


def names(kept: Checkpoints) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in kept.folder.iterdir())


def spoil(folder: Path) -> None:
    path = folder / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("optimizer", [Adam(), SGD(), SGD(momentum=0.9)], ids=repr)
def test_what_is_written_is_read_back_to_the_bit(tmp_path, optimizer):
    kept, old, new = Checkpoints(tmp_path, "key"), state(optimizer), state(optimizer)
    position = Position(2, 3, 17, 0.25, 1, 1, 4.5, False, {"loss": 0.75, "decay": 0.5})
    torch.manual_seed(5)
    drawn = torch.get_rng_state()
    kept.write(position, old)
    torch.rand(3)
    assert kept.read(new) == position
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.equal(new.epoch_start, old.epoch_start)
    for name, value in old.network.state_dict().items():
        assert torch.equal(new.network.state_dict()[name], value)
        assert torch.equal(new.best[name], old.best[name])
    one, other = old.optimizer.state_dict(), new.optimizer.state_dict()
    assert one["state"].keys() == other["state"].keys()
    for parameter, values in one["state"].items():
        for name, value in values.items():
            found = other["state"][parameter].get(name)
            assert (value is found is None) or torch.equal(torch.as_tensor(value), found)


def test_only_this_and_the_one_before_are_kept(tmp_path):
    kept = Checkpoints(tmp_path, "key")
    assert not kept.exist()
    for step in (10, 20, 30):
        kept.write(Position(step=step), state())
    assert names(kept) == [20, 30]
    assert kept.exist()
    kept.write(Position(step=30, epoch=1), state())  # the same step again, after a validation
    assert names(kept) == [20, 30]
    assert kept.read(state()) == Position(step=30, epoch=1)


def test_a_damaged_one_ahead_does_not_outlive_what_is_written_next(tmp_path):
    """Else it would be the newest for ever, and there would be only one to fall back to."""
    kept = Checkpoints(tmp_path, "key")
    for step in (10, 20):
        kept.write(Position(step=step), state())
    spoil(kept.folder / "step-0000000020")
    assert kept.read(state()).step == 10
    kept.write(Position(step=13), state())
    assert names(kept) == [10, 13]
    kept.write(Position(step=16), state())
    assert names(kept) == [13, 16]


def test_a_checkpoint_of_something_else_is_refused_and_none_is_said(tmp_path):
    Checkpoints(tmp_path, "one").write(Position(step=1), state())
    with pytest.raises(BadData, match="other data, fields or seed"):
        Checkpoints(tmp_path, "other").read(state())
    with pytest.raises(BadData, match="no checkpoint"):
        Checkpoints(tmp_path / "nowhere", "one").read(state())
    Checkpoints(tmp_path, "one").clear()
    assert not Checkpoints(tmp_path, "one").exist()


@given(st.data())
def test_any_damage_to_the_newest_falls_back_and_to_both_is_named(tmp_path_factory, data):
    """Promise 7."""
    kept = Checkpoints(tmp_path_factory.mktemp("run"), "key")
    for step in (1, 2):
        kept.write(Position(step=step), state())
    damaged = []
    for step in (2, 1):
        folder = kept.folder / f"step-{step:010d}"
        path = data.draw(st.sampled_from(sorted(folder.iterdir())))
        content = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            del content[place:]
        path.write_bytes(content)
        damaged.append(path)
        if step == 2:
            assert kept.read(state()).step == 1
    with pytest.raises(DamagedFile) as refused:
        kept.read(state())
    assert str(damaged[0]) in str(refused.value)
