"""ReaRec: a sequence encoder thinks a few steps before it answers.

Tang et al., "Think Before Recommend: Unleashing the Latent Reasoning Power for Sequential
Recommendation", 2025, arXiv:2503.22675. Where paper and code differ, this follows the code.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from tesserec.core import Dataset, Losses, Requests, Spec
from tesserec.core.errors import BadSpec
from tesserec.core.registry import find
from tesserec.parts.batches import Packed, Prefixes, SequenceBatch
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import Softmax, cross_entropy, divergence, prepared
from tesserec.parts.sequences import ReadsOn
from tesserec.training import Around, Learner, Schedule, Strategy
from tesserec.training.devices import gather, processes

Count = Annotated[int, Field(ge=0)]
Weight = Annotated[float, Field(ge=0)]


class Scheme(Spec):
    """How thoughts are learned, and which of them answer."""

    @abstractmethod
    def answer(self, states: Tensor) -> Tensor:
        """What is compared with items: [K + 1, S, D] -> [S, D]"""

    @abstractmethod
    def losses(self, states: Tensor, asked: "Asked") -> Tensor:
        """[K + 1, S, D] -> [S]"""


class ERL(Scheme):
    """Ensemble reasoning: the mean of all steps answers, and steps are kept apart."""

    apart: Weight = 0.05  # lambda, of the mean KL divergence between two steps

    def answer(self, states: Tensor) -> Tensor:
        return states.mean(0)

    def losses(self, states: Tensor, asked: "Asked") -> Tensor:
        each = asked.cross_entropy(self.answer(states))
        if not self.apart:
            return each
        queries = asked.compared(states).transpose(0, 1)  # [S, K + 1, D]
        return each - self.apart * divergence(queries, asked.items)


class PRL(Scheme):
    """Progressive reasoning: the last step answers, and earlier ones learn at higher temperatures.

    A thought made of a noised input has to tell the one made without noise from those of the other
    sequences of the batch.
    """

    annealing: Annotated[float, Field(gt=0)] = 1.5  # alpha: 1.2 to 2 is best; the code has 5
    early: Weight = 1.0  # of the mean loss of the steps before the last; the paper adds them up
    contrast: Weight = 1.0  # of the noised thoughts
    noise: Weight = 0.01  # gamma, a standard deviation
    warmup: Count = 2  # epochs before the contrast begins

    def answer(self, states: Tensor) -> Tensor:
        return states[-1]

    def losses(self, states: Tensor, asked: "Asked") -> Tensor:
        each = asked.cross_entropy(states[-1])
        if len(states) == 1:
            return each
        if self.early:
            steps = torch.arange(len(states) - 1, 0, -1, device=states.device)  # K - k
            hotter = self.annealing**steps
            early = asked.cross_entropy(states[:-1], hotter[:, None, None])  # [K, S]
            each = each + self.early * early.mean(0)
        if self.contrast and asked.epoch >= self.warmup:
            told = asked.told_apart(asked.noised(self.noise), states[1:])  # [K, S]
            each = each + self.contrast * told.mean(0)
        return each


def _published() -> Learner:
    """What the paper thinks with: a SASRec, found by its name, as no method imports a method."""
    return find("SASRec", Learner)(
        dim=256,
        heads=2,
        inner=300,
        dropout=0.5,
        norm="post",
        positions="start",
        objective=Softmax(temperature=0.07, cosine=False),
        batches=Prefixes(size=2048, length=50, sampler=Everything()),
        schedule=Schedule(epochs=300, rate=1e-3, patience=10, metric="ndcg@20"),
    )


class ReaRec(Strategy):
    """A reader's last state is fed back to it, so that it thinks before it answers."""

    tiny: ClassVar = {
        "method": {
            "kind": "SASRec",
            "dim": 16,
            "heads": 1,
            "inner": 16,
            "dropout": 0.0,
            "norm": "pre",
            "positions": "start",
            "objective": {"kind": "Softmax", "temperature": 1.0, "cosine": False},
            "batches": {
                "kind": "Prefixes",
                "size": 60,
                "length": 10,
                "sampler": {"kind": "Everything"},
            },
            "schedule": {"epochs": 20, "rate": 0.01},
        }
    }
    needs: ClassVar = frozenset({"order"})

    # Reads histories; batches are Prefixes, the objective Softmax over Everything.
    method: Learner = Field(default_factory=_published)
    steps: Count = 2  # K; with 0 it is the inner method
    scheme: Scheme = PRL()
    placed: bool = True  # each step has a learned vector of its own, P^R

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        inner = type(self.method).__name__
        if isinstance(self.method, Strategy):
            raise BadSpec(
                f"ReaRec has a loss of its own, so {inner} inside of it would change nothing.",
                f"Put ReaRec into {inner}.",
            )
        batches, _ = self.method.recipe()
        if not isinstance(batches, Prefixes) or not isinstance(batches.sampler, Everything):
            raise BadSpec(
                f"ReaRec learns one target per sequence, told from all items; {inner} does not.",
                "Set its batches = Prefixes(size=2048, length=50, sampler=Everything()).",
            )
        objective = getattr(self.method, "objective", None)
        if not isinstance(objective, Softmax):
            raise BadSpec(
                f"ReaRec compares distributions over all items; {inner} does not learn any.",
                "Set its objective = Softmax(temperature=0.07, cosine=False).",
            )
        return self

    def around(self, network: nn.Module, data: Dataset) -> nn.Module:
        batches = cast(Prefixes, self.method.recipe()[0])
        examples = int((data.histories.items.lengths - 1).clamp(min=0).sum())
        return Network(self, network, math.ceil(examples / batches.size))


class SequenceEncoder(Protocol):
    """What thinking asks of a network."""

    reader: ReadsOn
    drop: nn.Module
    objective: Softmax
    longest: int

    def input_vectors(self) -> Tensor: ...
    def item_vectors(self) -> Tensor: ...
    def entered(self, packed: Packed, inputs: Tensor) -> Tensor: ...


class Network(Around):
    """Reads a history, then K times its own state, each time a step further."""

    def __init__(self, strategy: ReaRec, inner: nn.Module, batches: int) -> None:
        """`batches` are those of an epoch."""
        super().__init__(inner)
        _check(inner, type(strategy.method).__name__)
        self.strategy, self.batches = strategy, batches
        self.places: Tensor
        places = 0.02 * torch.randn(strategy.steps, self.encoder.item_vectors().shape[1])
        if strategy.placed:
            self.places = nn.Parameter(places)  # P^R [K, D]
        else:
            self.register_buffer("places", torch.zeros_like(places), persistent=False)

    @property
    def encoder(self) -> SequenceEncoder:
        return cast(SequenceEncoder, self.inner)

    def loss(self, batch: SequenceBatch) -> Losses:  # type: ignore[override]
        """[S]"""
        inputs = self.encoder.input_vectors()
        states = self.states(batch.events, inputs)
        asked = Asked(
            self.encoder.objective,
            self.encoder.item_vectors(),
            batch.positive,
            batch.step // max(self.batches, 1),
            lambda noise: self.noised(batch.events, inputs, states, noise),
        )
        return Losses(self.strategy.scheme.losses(states, asked))

    def encode(self, requests: Requests, inputs: Tensor) -> Tensor:
        """A query per request, each with a history: [B, D]"""
        packed, order = Packed.of(requests.history, self.encoder.longest)
        states = self.states(packed.to(inputs.device), inputs)
        told = self.strategy.scheme.answer(states)
        queries = torch.empty_like(told)
        queries[order.to(told.device)] = told
        return cast(Tensor, prepared(self.encoder.objective, queries))

    def states(self, packed: Packed, inputs: Tensor) -> Tensor:
        """r_0..r_K: after the last event, and after each thought: [K + 1, S, D]"""
        encoder, memories = self.encoder, list[Any]()
        states = [encoder.reader.ends(encoder.entered(packed, inputs), packed, memories)]
        for place in self.places:
            states.append(encoder.reader.further(encoder.drop(states[-1] + place), memories))
        return torch.stack(states)

    def noised(self, packed: Packed, inputs: Tensor, states: Tensor, deviation: float) -> Tensor:
        """What each thought is if its input, and those of the ones before, are noised: [K, S, D]

        The history is read again, with dropout of its own.
        """
        encoder, memories = self.encoder, list[Any]()
        encoder.reader.ends(encoder.entered(packed, inputs), packed, memories)
        noised = []
        for state, place in zip(states, self.places, strict=False):
            thought = state + place + deviation * torch.randn_like(state)
            noised.append(encoder.reader.further(encoder.drop(thought), memories))
        return torch.stack(noised)


@dataclass(frozen=True, eq=False)
class Asked:
    """What a scheme compares states with."""

    objective: Softmax
    items: Tensor  # [I, D]
    positive: Tensor  # [S] what came
    epoch: int
    noised: Callable[[float], Tensor]  # thoughts of inputs with so much noise: [K, S, D]

    def compared(self, states: Tensor) -> Tensor:
        """States whose inner products with items are logits: the same shape."""
        return cast(Tensor, prepared(self.objective, states)) / self.objective.temperature

    def cross_entropy(self, states: Tensor, hotter: Tensor | float = 1.0) -> Tensor:
        """-log of the chance of what came, at `hotter` times the temperature: [..., S]"""
        queries = (self.compared(states) / hotter).flatten(0, -2)
        chosen = self.positive.expand(states.shape[:-1]).flatten()
        return cross_entropy(queries, self.items, chosen).view(states.shape[:-1])

    def told_apart(self, noised: Tensor, clean: Tensor) -> Tensor:
        """-log of the chance of a sequence's own state among those of the batch: [K, S]"""
        rank, _ = processes()
        owner = gather(torch.full_like(self.positive, rank))
        own = (owner == rank).nonzero()[:, 0]
        told = [
            cross_entropy(self.compared(one), gather(prepared(self.objective, other)), own)
            for one, other in zip(noised, clean, strict=True)
        ]
        return torch.stack(told)


def _check(network: nn.Module, who: str) -> None:
    """Refuse a network that cannot be read on with."""
    parts = ("reader", "drop", "objective", "longest", "input_vectors", "item_vectors", "entered")
    missing = [name for name in parts if not hasattr(network, name)]
    if not missing:
        missing = [
            f"reader.{name}" for name in ("ends", "further") if not hasattr(network.reader, name)
        ]
    if missing:
        raise BadSpec(
            f"ReaRec reads on from what a reader remembers, and {who}'s network has no "
            f"{', '.join(missing)}.",
            "Take a method whose reader does, such as SASRec.",
        )
