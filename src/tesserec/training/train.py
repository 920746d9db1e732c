"""The one loop: batches, one optimiser step each, validation, patience, the best weights back."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tesserec.core import Batch, Epochs, Losses, Recommender, Run
from tesserec.core.errors import NotFinite
from tesserec.core.files import replacing
from tesserec.core.memory import keep_freed
from tesserec.evaluation.tasks import mark
from tesserec.training.checkpoint import Checkpoints, Position, State
from tesserec.training.devices import Trainer, inference, processes
from tesserec.training.log import Log, logging
from tesserec.training.schedule import Schedule

Answer = Callable[[nn.Module], Recommender]


def train(
    network: nn.Module,
    epochs: Epochs,
    schedule: Schedule,
    run: Run,
    answer: Answer | None = None,
    key: str = "",
    title: str = "train",
) -> nn.Module:
    """Fit a network that has `loss(batch)` and return it with the weights that validated best.

    Without `run.valid`, or with nobody to `answer`, it trains for all epochs and the last weights
    stay. `key` says what a checkpoint belongs to. Raises `NotFinite` within a step of the first
    NaN or infinite loss.
    """
    keep_freed()
    folder = run.folder if processes()[0] == 0 else None
    with run.seeded("training"), logging(folder, run.tensorboard, run.resume) as log:
        loop = _Loop.begin(network, epochs, schedule, run, key, log)
        run.progress.start(title, schedule.epochs * len(epochs))
        run.progress.advance(loop.position.step, {})
        while not loop.position.finished:
            loop.one_epoch()
            if run.valid is not None and answer and loop.position.epoch % schedule.every == 0:
                loop.validate(answer)
            loop.keep(last=loop.is_over())
        run.progress.finish()
    if loop.state.best:
        network.load_state_dict(loop.state.best)
    return network.eval()


@dataclass
class _Loop:
    """A run of the loop: what it works with, and where it is."""

    trainer: Trainer
    epochs: Epochs
    schedule: Schedule
    run: Run
    log: Log
    state: State
    position: Position
    generator: torch.Generator
    checkpoints: Checkpoints | None
    kept_at: float

    @classmethod
    def begin(
        cls, network: nn.Module, epochs: Epochs, schedule: Schedule, run: Run, key: str, log: Log
    ) -> "_Loop":
        """At the start, or where the newest whole checkpoint left off."""
        trainer = Trainer(network, run)
        generator = run.generator("batches")
        optimizer = schedule.optimizer.over(network.parameters(), schedule.rate)
        state = State(network, optimizer, trainer.scaler, generator.get_state())
        position = Position()
        checkpoints = None
        if run.folder is not None:
            checkpoints = Checkpoints(run.folder, key)
            if not run.resume and processes()[0] == 0:
                checkpoints.clear()
            elif run.resume and checkpoints.exist():
                position = checkpoints.read(state)
                generator.set_state(state.epoch_start)
                log.write("resumed", position.step, epoch=position.epoch)
        return cls(
            trainer,
            epochs,
            schedule,
            run,
            log,
            state,
            position,
            generator,
            checkpoints,
            time.time(),
        )

    def one_epoch(self) -> None:
        """All batches of an epoch, or those that are left of it."""
        network, position = self.state.network.train(), self.position
        self.state.epoch_start = self.generator.get_state()
        began, examples = time.perf_counter(), 0
        for batch in self._batches():
            self._set_rate()
            batch.step = position.step
            share, part = self.trainer.share(batch)
            loss, losses = self.trainer.loss(share, part)
            value = self.trainer.mean(loss)
            if not math.isfinite(value):
                self._stop(share, losses)
            self.trainer.step(self.state.optimizer, loss, self.schedule.clip)
            stepped = getattr(network, "stepped", None)
            if stepped is not None:
                stepped(self.state.optimizer, position.step)
            position.step += 1
            position.done += 1
            examples += len(batch)
            self._add(value, losses)
            rate = examples / (time.perf_counter() - began)
            self.run.progress.advance(1, self._facts(value, rate))
            self.keep()
        position.epoch += 1
        position.seconds += time.perf_counter() - began
        self._log_epoch(time.perf_counter() - began, examples)
        position.done, position.sums = 0, {}
        self.state.epoch_start = self.generator.get_state()

    def _batches(self) -> Iterator[Batch]:
        """The epoch's batches; those done before a kill are drawn again and passed over."""
        for number, batch in enumerate(self.epochs(self.generator)):
            if number >= self.position.done:
                yield batch

    def validate(self, answer: Answer) -> None:
        """Ask the validation part, remember the best weights, and count the waits."""
        assert self.run.valid is not None
        began, position = time.perf_counter(), self.position
        value = 0.0
        if self.trainer.rank == 0:
            with inference(self.state.network):
                marks = mark(answer(self.state.network), self.run.valid, [self.schedule.metric])
            value = marks[self.schedule.metric]
        value = self.trainer.agree(value)
        if position.best is None or value > position.best:
            position.best, position.best_epoch, position.waited = value, position.epoch, 0
            weights = self.state.network.state_dict()
            self.state.best = {name: one.detach().clone() for name, one in weights.items()}
        else:
            position.waited += 1
        seconds = round(time.perf_counter() - began, 4)
        facts = {self.schedule.metric: value, "seconds": seconds, "epoch": position.epoch}
        self.log.write("validation", position.step, **facts)

    def is_over(self) -> bool:
        """Whether all epochs are done, or patience is."""
        patience, position = self.schedule.patience, self.position
        position.finished = position.epoch >= self.schedule.epochs
        if patience is not None and self.run.valid is not None:
            position.finished |= position.waited >= patience
        return position.finished

    def keep(self, last: bool = False) -> None:
        """Write a checkpoint when one is due."""
        due = time.time() - self.kept_at >= self.run.checkpoint_minutes * 60
        if due or last:
            # A loss may be finite and its gradient not: such weights are neither kept nor answered.
            self._check_weights()
        if self.checkpoints is not None and self.trainer.rank == 0 and (due or last):
            self.checkpoints.write(self.position, self.state)
            self.kept_at = time.time()

    def _set_rate(self) -> None:
        whole = self.schedule.epochs * len(self.epochs)
        factor = self.schedule.shape.at((self.position.step + 1) / whole)
        for group in self.state.optimizer.param_groups:
            group["lr"] = self.schedule.rate * factor

    def _add(self, value: float, losses: Losses) -> None:
        sums = self.position.sums
        sums["loss"] = sums.get("loss", 0.0) + value
        for name, figure in {**losses.extra, **losses.noted}.items():
            sums[name] = sums.get(name, 0.0) + float(figure.detach())

    def _facts(self, loss: float, rate: float) -> dict[str, float | str]:
        facts: dict[str, float | str] = {"epoch": self.position.epoch + 1, "loss": loss}
        if self.position.best is not None:
            facts[f"best {self.schedule.metric}"] = self.position.best
        return facts | {"examples/s": rate}

    def _log_epoch(self, seconds: float, examples: int) -> None:
        position = self.position
        means = {name: total / max(position.done, 1) for name, total in position.sums.items()}
        facts = {"epoch": position.epoch, "seconds": round(seconds, 4)}
        rate = round(examples / max(seconds, 1e-9), 1)
        self.log.write("epoch", position.step, **facts, **means, examples_per_second=rate)

    def _stop(self, batch: Batch, losses: Losses) -> None:
        """Name what is not finite, keep the batch beside the checkpoints, and raise."""
        culprit = _bad_weight(self.state.network) or _bad_loss(losses)
        kept = ""
        if self.run.folder is not None:
            path = self.run.folder / "not-finite-batch.safetensors"
            with replacing(path) as aside:
                save_file(_tensors(batch), aside)
            kept = f"The batch is in {path}. "
            self.log.write("not finite", self.position.step, tensor=culprit)
        raise self._not_finite(culprit, kept)

    def _check_weights(self) -> None:
        """Raise `NotFinite` when the last step has spoiled the weights."""
        culprit = _bad_weight(self.state.network)
        if culprit:
            self.log.write("not finite", self.position.step, tensor=culprit)
            raise self._not_finite(culprit, "")

    def _not_finite(self, culprit: str, kept: str) -> NotFinite:
        if self.checkpoints is not None and self.checkpoints.exist():
            kept += f"The last good checkpoint is in {self.checkpoints.folder}. "
        return NotFinite(
            f"Step {self.position.step}: {culprit} is not finite.",
            kept + "Lower schedule.rate, or set schedule.clip = 1.0.",
        )


def _bad_weight(network: nn.Module) -> str:
    """The first weight that is not finite, "" when all are."""
    spoiled = (name for name, one in network.named_parameters() if not one.isfinite().all())
    return next((f"the weight {name!r}" for name in spoiled), "")


def _bad_loss(losses: Losses) -> str:
    """The first part of a loss that is not finite."""
    spoiled = (name for name, one in losses.extra.items() if not one.isfinite().all())
    return next((f"the loss {name!r}" for name in spoiled), "the loss of an example")


def _tensors(part: Any, name: str = "") -> dict[str, Tensor]:
    """The tensors of a batch and of what it holds, by their dotted names."""
    if isinstance(part, Tensor):
        return {name: part.to("cpu", copy=True).contiguous()}
    fields: dict[Any, Any] = {}
    if isinstance(part, tuple):
        fields = dict(enumerate(part))
    elif isinstance(part, Batch) or is_dataclass(part):
        fields = vars(part)
    inside = [_tensors(one, f"{name}.{field}" if name else field) for field, one in fields.items()]
    return {name: tensor for found in inside for name, tensor in found.items()}
