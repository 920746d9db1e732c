"""Checkpoints: everything a run needs to go on at the exact position, whole or not there."""

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tesserec.core.errors import BadData
from tesserec.core.files import newest_whole, replacing_folder


@dataclass
class Position:
    """How far a run is, in plain numbers."""

    epoch: int = 0  # epochs finished
    done: int = 0  # batches finished in the epoch under way
    step: int = 0
    best: float | None = None  # the watched metric
    best_epoch: int = 0
    waited: int = 0  # validations without gain
    seconds: float = 0.0
    finished: bool = False
    sums: dict[str, float] = field(default_factory=dict)  # losses of the epoch so far


@dataclass
class State:
    """What is learned and drawn, besides the position."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    epoch_start: Tensor  # state of the batches' generator when the epoch under way began
    best: dict[str, Tensor] = field(default_factory=dict)


class Checkpoints:
    """The newest two checkpoints of a run, in its folder."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder / "checkpoints"
        self.key = key  # a digest of method, data and seed: others' checkpoints are refused

    def write(self, position: Position, state: State) -> None:
        """Add one and drop all but this and the one before."""
        tensors, groups = _optimizer_tensors(state.optimizer)
        tensors |= {f"network.{name}": one for name, one in state.network.state_dict().items()}
        tensors |= {f"best.{name}": one for name, one in state.best.items()}
        tensors |= {f"random.{name}": one for name, one in _random_states().items()}
        tensors["random.epoch_start"] = state.epoch_start
        facts = {"position": asdict(position), "groups": groups, "key": self.key}
        facts["scaler"] = state.scaler.state_dict()
        newest = self.folder / f"step-{position.step:010d}"
        needs = sum(one.numel() * one.element_size() for one in tensors.values())
        with replacing_folder(newest, needs=needs) as aside:
            save_file(_apart(tensors), aside / "state.safetensors")
            (aside / "state.json").write_text(json.dumps(facts))
        # Later ones were damaged, and passed over; what is hidden was cut short by a kill.
        keep = [path for path in self._all() if path <= newest][-2:]
        for path in [*self._all(), *self.folder.glob(".step-*")]:
            if path not in keep:
                shutil.rmtree(path, ignore_errors=True)

    def read(self, state: State) -> Position:
        """Put the newest whole checkpoint back and return its position.

        Raises `BadData` when there is none, or it belongs to another method, data or seed.
        """
        tensors, facts = newest_whole(self._all(), _read)
        if facts["key"] != self.key:
            raise BadData(
                f"The checkpoints in {self.folder} were written for other data, fields or seed.",
                "Run with the old ones, or into another folder.",
            )
        state.network.load_state_dict(_below("network.", tensors))
        state.best = _below("best.", tensors)
        _put_optimizer(state.optimizer, _below("optimizer.", tensors), facts["groups"])
        state.scaler.load_state_dict(facts["scaler"])
        random = _below("random.", tensors)
        state.epoch_start = random.pop("epoch_start")
        torch.set_rng_state(random["cpu"])
        if "cuda" in random and torch.cuda.is_available():
            torch.cuda.set_rng_state(random["cuda"])
        return Position(**facts["position"])

    def clear(self) -> None:
        """Throw all of them away: another run begins in this folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def exist(self) -> bool:
        """Whether there is anything to go on from."""
        return bool(self._all())

    def _all(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("step-*") if path.is_dir())


def _read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    # Copies: what is read lies in the file, which would keep its room on disk once dropped.
    tensors = {name: one.clone() for name, one in load_file(folder / "state.safetensors").items()}
    return tensors, json.loads((folder / "state.json").read_text())


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): one for n, one in tensors.items() if n.startswith(prefix)}


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, as safetensors wants them."""
    return {name: one.detach().to("cpu", copy=True).contiguous() for name, one in tensors.items()}


def _random_states() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], Any]:
    state = optimizer.state_dict()
    tensors = {
        f"optimizer.{parameter}.{name}": torch.as_tensor(value)
        for parameter, values in state["state"].items()
        for name, value in values.items()
        if value is not None
    }
    return tensors, state["param_groups"]


def _put_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        parameter, _, key = name.partition(".")
        state.setdefault(int(parameter), {})[key] = value
    # JSON has no tuples; torch compares betas by position only.
    optimizer.load_state_dict({"state": state, "param_groups": groups})
