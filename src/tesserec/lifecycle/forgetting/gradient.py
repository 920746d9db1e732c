"""Gradient: steps up the loss of what is to be forgotten, and down that of what is kept.

NegGrad+, as Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023,
arXiv:2302.09880, name it; like their SCRUB it ends with steps on what is kept alone. The ascent is
bounded, which theirs is not: nobody is to be made worse known than by a model that knows nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Batch, Dataset, Epochs, Losses, Run
from tesserec.core.errors import BadData, BadRequest
from tesserec.lifecycle.forgetting.forgetter import Forgetter
from tesserec.lifecycle.forgetting.shrinking import Rows, shortened
from tesserec.lifecycle.updating.continuing import continued
from tesserec.lifecycle.updating.warmstart import carry_over, learned_names, places_of
from tesserec.training import Around, Learner, Schedule
from tesserec.training.train import train

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Gradient(Forgetter):
    """A few steps away from what somebody did, and a few more to mend what that broke.

    For people, and any method whose network has one loss. It is fast and approximate.
    """

    how: ClassVar = (
        "approximately, by steps up the loss of what they did and down that of a sample of what is "
        "kept; it was not learned again"
    )

    reads_dropped: ClassVar = True

    steps: Count = 50  # with both
    repair: Count = 50  # with what is kept alone, afterwards
    strength: Positive = 0.5  # of the ascent; (1 - beta) / beta in the paper's NegGrad+
    pace: Positive = 1.0  # times the method's learning rate

    def forget(self, recommender: Answering, keep: Dataset, drop: Dataset, run: Run) -> Answering:
        method = _checked(recommender)
        rows = Rows.of(recommender.catalog, keep.catalog)
        kept, forgotten = continued(recommender, keep, drop)
        with run.seeded("network"):
            network = method.network(kept)
            carried = Away(network, self.strength, _ceiling(network, method, forgotten, run))
            carry_over(recommender, network, method, kept.catalog)
        epochs = _epochs(method, forgotten)
        if epochs is not None:
            batches, schedule = method.recipe()
            train(
                carried,
                Both(batches(kept), epochs, self.steps, self.repair),
                self._schedule(schedule),
                replace(run, valid=None),
                key=method.key(kept.fingerprint, str(run.seed), run.name),
                title=f"forget in {type(method).__name__}",
            )
        with run.seeded("network"):
            return _without(network, method, recommender, keep, rows)

    def refuse(self, recommender: Answering) -> None:
        _checked(recommender)

    def limits(self, recommender: Answering) -> tuple[str, ...]:
        return (
            "this is approximate: weights were moved on from where they were learned with them, "
            "and no figure here proves that nothing is left; --how exact leaves nothing",
        )

    def _schedule(self, schedule: Schedule) -> Schedule:
        """The method's optimiser and rate, for one pass over what is drawn."""
        return Schedule(
            epochs=1,
            rate=schedule.rate * self.pace,
            optimizer=schedule.optimizer,
            clip=schedule.clip,
            patience=None,
        )


class Away(Around):
    """The loss of what is kept, less a share of the loss of what is to be forgotten."""

    def __init__(self, inner: nn.Module, strength: float, ceiling: float) -> None:
        """No example is worth more than the `ceiling`: above it nothing pulls."""
        super().__init__(inner)
        self.strength, self.ceiling = strength, ceiling

    def loss(self, batch: "Mixed") -> Losses:  # type: ignore[override]
        kept = super().loss(batch.kept)
        if batch.forgotten is None:
            return kept
        gone = super().loss(batch.forgotten)
        away = Losses(gone.each.clamp(max=self.ceiling), weight=gone.weight)
        ascent = -self.strength * away.total(batch.forgotten)
        return replace(kept, extra={**kept.extra, "forgotten": ascent})


@dataclass(eq=False)
class Mixed:
    """A batch of what is kept, and one of what is to be forgotten, if any."""

    row: Tensor
    weight: Tensor
    kept: Batch
    forgotten: Batch | None
    step: int = 0

    @classmethod
    def of(cls, kept: Batch, forgotten: Batch | None, step: int = 0) -> Self:
        """What is kept says how many examples there are, and how much each counts."""
        return cls(kept.row, kept.weight, kept, forgotten, step)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, share: slice) -> Self:
        return self.of(self.kept[share], self.forgotten, self.step)

    def to(self, device: torch.device) -> Self:
        """The same on a device; both then know which step it is."""
        gone = None if self.forgotten is None else self.forgotten.to(device)
        kept = self.kept.to(device)
        for one in (kept, gone):
            if one is not None:
                one.step = self.step
        return self.of(kept, gone, self.step)


class Both:
    """Some steps with both, then some with what is kept alone; as many passes as that takes."""

    def __init__(self, kept: Epochs, forgotten: Epochs, steps: int, repair: int) -> None:
        self.kept, self.forgotten, self.steps, self.repair = kept, forgotten, steps, repair

    def __len__(self) -> int:
        return self.steps + self.repair

    def __call__(self, generator: torch.Generator) -> Iterator[Mixed]:
        kept, forgotten = _endless(self.kept, generator), _endless(self.forgotten, generator)
        for number in range(len(self)):
            yield Mixed.of(next(kept), next(forgotten) if number < self.steps else None)


def _endless(epochs: Epochs, generator: torch.Generator) -> Iterator[Batch]:
    while True:
        yield from epochs(generator)


def _epochs(method: Learner, data: Dataset) -> Epochs | None:
    """What was learned from some events; None where they teach nothing, as one alone may not."""
    try:
        return method.recipe()[0](data)
    except BadData:
        return None


@torch.no_grad()
def _ceiling(network: nn.Module, method: Learner, forgotten: Dataset, run: Run) -> float:
    """The mean loss of the forgotten for a network that has learned nothing."""
    epochs = _epochs(method, forgotten)
    if epochs is None:
        return 0.0
    losses = cast(Any, network.eval()).loss
    each = [
        (float(replace(losses(one), extra={}).total(one)), len(one))
        for one in epochs(run.generator("ceiling"))
    ]
    return sum(mean * count for mean, count in each) / sum(count for _, count in each)


@torch.no_grad()
def _without(
    network: nn.Module, method: Learner, recommender: Answering, keep: Dataset, rows: Rows
) -> Answering:
    """What was learned, over the catalogue that is kept; what is counted is counted anew."""
    known, items = recommender.catalog, keep.catalog.items
    codes = {
        name: replace(one, table=one.table[rows.items], codebook=None)
        for name, one in known.items.codes.items()
    }
    keep = replace(keep, catalog=replace(keep.catalog, items=replace(items, codes=codes)))
    final = method.network(keep)
    weights = shortened(network, places_of(method, known), rows)
    fresh, names = final.state_dict(), learned_names(final)
    for name, tensor in fresh.items():
        if name in names and weights[name].shape == tensor.shape:
            tensor.copy_(weights[name])
    return method.answer(final.eval(), keep.catalog).by(method)


def _checked(recommender: Answering) -> Learner:
    method = recommender.method
    if not isinstance(method, Learner) or not method.goes_on:
        raise BadRequest(
            f"{type(method).__name__} has no loss of all of its weights to go up.",
            "Leave out --how, or forget with --how exact.",
        )
    return method
