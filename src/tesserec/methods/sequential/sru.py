"""SRU: people who are alike share a model, so that one can be forgotten by learning few anew.

Xin et al., "On the Effectiveness of Unlearning in Session-Based Recommendation", WSDM 2024,
arXiv:2312.14447. With `partition = RandomShards()` and `aggregate = Averaged()` it is SISA
(Bourtoule et al., "Machine Unlearning", IEEE S&P 2021, arXiv:1912.03817).
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, cast

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import (
    Answering,
    Catalog,
    Dataset,
    Histories,
    Losses,
    Ragged,
    Requests,
    Run,
)
from tesserec.core.errors import BadData, BadSpec
from tesserec.core.learning import Batch
from tesserec.core.registry import find
from tesserec.parts.batches import Sequences
from tesserec.parts.batches.sequences import repeated
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import Softmax
from tesserec.parts.sharding import Aggregate, Attended, Partition, SimilarShards
from tesserec.parts.sharding.aggregate import States
from tesserec.recommenders import EncoderRecommender
from tesserec.training import Learner, Schedule, Strategy

BLOCK = 512  # histories read at once


def _published() -> Learner:
    """One of the paper's three, found by its name, as no method imports a method."""
    return find("SASRec", Learner)(
        dim=64,
        blocks=2,
        heads=1,
        dropout=0.5,
        objective=Softmax(temperature=1.0, cosine=False),
        batches=Sequences(size=256, length=10, sampler=Everything()),
        schedule=Schedule(epochs=100, rate=1e-3, patience=10, metric="ndcg@10"),
    )


class SRU(Strategy):
    """People are dealt out to shards, each shard has a model of its own, and all answer together.

    The model of a shard has seen the events of its people and of nobody else; `tesserec forget`
    learns it anew without somebody, then the aggregation, and leaves the others as they are.
    """

    tiny: ClassVar = {
        "method": {
            "kind": "SASRec",
            "dim": 16,
            "heads": 1,
            "dropout": 0.0,
            "positions": "start",
            "objective": {"kind": "Softmax", "temperature": 1.0, "cosine": False},
            "batches": {"size": 20, "length": 10, "sampler": {"kind": "Everything"}},
            "schedule": {"epochs": 40, "rate": 0.01},
        },
        "shards": 2,
        "aggregate": {"last": "none", "size": 60, "schedule": {"epochs": 40, "rate": 0.01}},
    }
    needs: ClassVar = frozenset({"order"})
    goes_on: ClassVar = False  # each shard learns alone

    method: Learner = Field(default_factory=_published)  # one that reads histories
    shards: Annotated[int, Field(ge=1)] = 8  # S
    partition: Partition = SimilarShards()
    aggregate: Aggregate = Attended()

    def around(self, network: nn.Module, data: Dataset) -> nn.Module:
        others = [self.method.network(data) for _ in range(self.shards - 1)]
        return Network(self, [network, *others], data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return EncoderRecommender(network, catalog)

    def fit(self, data: Dataset, run: Run) -> Answering:
        self.check_data(data)
        with run.seeded("network"):
            network = cast(Network, self.network(data))
        network.shard.copy_(self.dealt(data, run))
        return self.learned(network, data, run, range(self.shards))

    def dealt(self, data: Dataset, run: Run) -> Tensor:
        """A shard for everybody: [U]

        People with two events are dealt out by what a model of all data makes of them; who has
        less teaches nothing, and is put anywhere.
        """
        two = torch.nonzero(data.histories.items.lengths > 1)[:, 0]
        if not len(two):
            raise BadData(
                "Nobody has two events, so nothing comes after anything.",
                "Import more events per person, or take a method that needs no order.",
            )
        states = torch.zeros(len(two), 0)
        if self.partition.reads_states:
            base = self.method.fit(data, run.stage("base"))
            asked = Requests(two, data.histories[two])
            states = cast(EncoderRecommender, base).queries(asked).float().cpu()
        generator = run.generator("shards")
        shard = torch.randint(self.shards, (len(data.catalog.users),), generator=generator)
        shard[two] = self.partition.sides(states, self.shards, generator)
        return shard

    def learned(
        self, network: "Network", data: Dataset, run: Run, which: Iterable[int]
    ) -> Answering:
        """Learn the models of some shards, and the aggregation; the others stay as they are."""
        for shard in which:
            run.progress.say(f"shard {shard + 1} of {self.shards}")
            self.learn_one(network, shard, data, run)
        device = next(network.parameters()).device
        network.to(device).eval()
        network.events.copy_(network.counted(data))
        network.popularity.copy_(data.popularity)

        def examples(last: int | None) -> States:
            return network.examples(data, last)

        self.aggregate.learn(network.together, examples, run.stage("aggregation"))
        return self.answer(network.eval(), data.catalog).by(self)

    def learn_one(self, network: "Network", shard: int, data: Dataset, run: Run) -> None:
        """Learn the model of a shard, and its centre, from its people alone."""
        own = network.shard.cpu() == shard
        events = data.interactions.keep(pl.Series(own[data.interactions.users].numpy()))
        data = replace(data, interactions=events)
        people = torch.nonzero(data.active)[:, 0]
        can = bool((data.histories.items.lengths > 1).any())
        network.learned[shard] = can
        if not can:
            return
        model = self.method.fit(data, _run_of(run, shard, own))
        network.shards[shard] = model.network
        asked = Requests(people, data.histories[people])
        network.centres[shard] = cast(EncoderRecommender, model).queries(asked).mean(0)


def _run_of(run: Run, shard: int, own: Tensor) -> Run:
    """Stop by what the people of a shard do: somebody of another would be remembered by it."""
    run, valid = run.stage(f"shard-{shard}"), run.valid
    if valid is None:
        return run
    user = valid.requests.user
    rows = torch.nonzero(own[user.clamp(min=0)] & (user >= 0))[:, 0]
    return replace(run, valid=valid[rows] if len(rows) else None)


class Network(nn.Module):
    """A network for each shard, who is in which, and what makes one answer of theirs."""

    shard: Tensor
    events: Tensor
    centres: Tensor
    learned: Tensor
    popularity: Tensor

    def __init__(self, method: SRU, networks: list[nn.Module], data: Dataset) -> None:
        super().__init__()
        _check(networks[0], type(method.method).__name__)
        shards, items = method.shards, len(data.catalog.items)
        width = cast(Any, networks[0]).item_vectors().shape[1]
        self.shards = nn.ModuleList(networks)
        self.together: Any = method.aggregate.over(shards, width, items)
        people = torch.zeros(len(data.catalog.users), dtype=torch.int64)
        self.register_buffer("shard", people)  # [U]
        self.register_buffer("events", torch.zeros(shards, items))  # [S, I]: see `counted`
        self.register_buffer("centres", torch.zeros(shards, width))  # c_s [S, D]
        self.register_buffer("learned", torch.zeros(shards, dtype=torch.bool))
        self.register_buffer("popularity", data.popularity.float())  # [I] what strangers get

    @property
    def each(self) -> list[Any]:
        return list(self.shards)

    def input_vectors(self) -> Tensor:
        """Those of all shards, side by side: [I, S * D]"""
        return torch.cat([one.input_vectors() for one in self.each], 1)

    def item_vectors(self) -> Tensor:
        """What answers are compared with: [I, Q]"""
        return cast(Tensor, self.together.vectors([one.item_vectors() for one in self.each]))

    def encode(self, requests: Requests, inputs: Tensor) -> Tensor:
        """A query per request, each with a history: [B, Q]"""
        states = self.states(requests, inputs)
        return cast(Tensor, self.together.query(states, self.centres, self.learned))

    def states(self, requests: Requests, inputs: Tensor) -> Tensor:
        """What each shard makes of the histories: [B, S, D]"""
        own = inputs.chunk(len(self.shards), 1)
        read = zip(self.each, own, strict=True)
        return torch.stack([one.encode(requests, table) for one, table in read], 1)

    def counted(self, data: Dataset) -> Tensor:
        """How often the people of each shard chose each item: [S, I]"""
        shards, items = self.events.shape
        place = self.shard.cpu()[data.interactions.users] * items + data.interactions.items
        return torch.bincount(place, minlength=shards * items).view(shards, items).float()

    @torch.no_grad()
    def examples(self, data: Dataset, last: int | None) -> States:
        """What all shards make of what came before the last targets of each person."""
        before, positive = _targets(data.histories, last)
        inputs, asked = self.input_vectors(), Requests(torch.full_like(positive, -1), before)
        order = before.items.lengths.argsort(descending=True, stable=True)  # blocks of like lengths
        found = [self.states(asked[rows], inputs) for rows in order.split(BLOCK)]
        return States(
            torch.cat(found).cpu(),
            self.centres.cpu(),
            self.learned.cpu(),
            positive[order],
            order,
            torch.ones(len(order)),
        )

    def loss(self, batch: Batch) -> Losses:
        """There is none of all shards together. Raises `BadSpec`."""
        raise BadSpec(
            "SRU learns the model of each shard alone, and has no loss for what is around it.",
            "Put other strategies inside: SRU(method=...).",
        )


def _targets(histories: Histories, last: int | None) -> tuple[Histories, Tensor]:
    """What came before each of the last so many events of everybody, and these: E, [E]"""
    items = histories.items
    counts = (items.lengths - 1).clamp(min=0, max=last)
    owner, number = repeated(torch.arange(len(items)), counts)
    target = items.ends[owner] - 1 - number
    before = Ragged(items.values, items.starts[owner], target)
    return replace(histories, items=before), items.values[target]


def _check(network: nn.Module, who: str) -> None:
    """Refuse a network that does not read histories."""
    wanted = ("encode", "input_vectors", "item_vectors")
    missing = [name for name in wanted if not hasattr(network, name)]
    if missing:
        raise BadSpec(
            f"SRU compares what models make of histories, and {who}'s network has no "
            f"{', '.join(missing)}.",
            "Take a method that reads them: SASRec, GRU4Rec, BERT4Rec.",
        )
