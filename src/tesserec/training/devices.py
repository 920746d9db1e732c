"""Where a network learns: device, precision, and several processes. The only file that knows.

Started by `torchrun`, each process takes its share of every batch. Losses are divided by the sum
of the weights in all processes, so that unequal weights give the gradient of the whole batch.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from tesserec.core import Batch, Losses, Run


def best_device(wanted: str) -> torch.device:
    """The device of that name; for `auto` a GPU where there is one, else the CPU."""
    if wanted != "auto":
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def processes() -> tuple[int, int]:
    """This process's number, and how many learn together."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather(values: Tensor) -> Tensor:
    """The values of all processes, in the order of processes; gradients flow back to each."""
    world = processes()[1]
    if world == 1:
        return values
    from torch.distributed.nn.functional import all_gather

    lengths = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(world)]
    dist.all_gather(lengths, torch.tensor([len(values)], device=values.device))
    # Shares of an odd batch differ in length, and tensors that are gathered must not.
    missing = int(max(lengths)) - len(values)
    padded = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
    parts = zip(all_gather(padded), lengths, strict=True)
    return torch.cat([part[: int(length)] for part, length in parts])


class Trainer:
    """Holds a network on its device and takes its steps."""

    def __init__(self, network: nn.Module, run: Run) -> None:
        self.device = best_device(run.device)
        self.rank, self.world = processes()
        self.network = network.to(self.device)
        self.dtype = dtype_of(run.precision, self.device)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=self.dtype == torch.float16 and self.device.type == "cuda"
        )
        step: nn.Module = _Loss(self.network)
        if run.compile:
            step.compile()
        if self.world > 1:
            step = nn.parallel.DistributedDataParallel(step, broadcast_buffers=False)
        self.losses = step

    def share(self, batch: Any) -> tuple[Any, float]:
        """This process's part of a batch, on the device, and how large a part of the whole."""
        if self.world == 1:
            return batch.to(self.device), 1.0
        size = -(-len(batch) // self.world)
        share = batch[self.rank * size : (self.rank + 1) * size]
        part = len(share) / len(batch)
        if not part:  # every process must take the step: this one with what weighs nothing
            share = batch[:1]
            share.weight = torch.zeros_like(share.weight)
        return share.to(self.device), part

    def loss(self, batch: Batch, part: float) -> tuple[Tensor, Losses]:
        """The number to minimise over the whole batch, and the losses it came from."""
        with self._autocast():
            losses: Losses = self.losses(batch)
        if self.world == 1:
            return losses.total(batch), losses
        whole = losses.weights(batch).sum()
        dist.all_reduce(whole)
        # Gradients are averaged over processes: times the world, each counts as it would alone.
        mean = Losses(losses.each, weight=losses.weight).total(batch, whole / self.world)
        extra = sum(losses.extra.values(), torch.zeros_like(mean))
        return mean + part * self.world * extra, losses

    def mean(self, loss: Tensor) -> float:
        """The loss of the whole batch: the mean over processes, the same in all of them."""
        value = loss.detach().clone()
        if self.world > 1:
            dist.all_reduce(value)
        return float(value) / self.world

    def step(self, optimizer: torch.optim.Optimizer, loss: Tensor, longest: float | None) -> None:
        """Back through the loss, and one step; no gradient is longer than `longest`."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        if longest is not None:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.network.parameters(), longest)
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=True)

    def agree(self, value: float) -> float:
        """The first process's value, in all of them."""
        if self.world == 1:
            return value
        box = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(box, 0)
        return float(box)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)


class _Loss(nn.Module):
    """A module whose forward is the loss: what compilers and data-parallel wrappers look at."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Losses:
        return self.network.loss(batch)  # type: ignore[operator,no-any-return]


def dtype_of(precision: str, device: torch.device) -> torch.dtype:
    """What products are computed in; for `auto` bfloat16 on a GPU that has it."""
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[
        precision
    ]


@contextmanager
def inference(network: nn.Module) -> Iterator[None]:
    """The network without dropout and gradients, and back as it was."""
    was = network.training
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        network.train(was)
