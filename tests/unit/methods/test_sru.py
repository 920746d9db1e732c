"""SRU: each shard's model sees its own people and nobody else; what it refuses."""

from dataclasses import replace

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Requests, Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.sequential.bert4rec import BERT4Rec
from tesserec.methods.sequential.gru4rec import GRU4Rec
from tesserec.methods.sequential.sru import SRU, Network, _targets
from tesserec.parts.sharding import Averaged, RandomShards
from tesserec.training import Learner
from toys.strategies import Remembering

SHORT = {"schedule": {"epochs": 2}}


def small(**changes: object) -> SRU:
    aggregate = {"schedule": {"epochs": 2}}
    return SRU(**SRU.tiny).changed({"method": SHORT, "aggregate": aggregate, **changes})


@pytest.fixture(scope="module")
def split() -> tr.Split:
    return Published().split(toys.cycle(users=24, items=8, steps=7))


def of(data: Dataset, people: torch.Tensor) -> Dataset:
    mask = pl.Series(people[data.interactions.users].numpy())
    return replace(data, interactions=data.interactions.keep(mask))


def test_each_shard_is_the_inner_method_on_its_own_people_alone(split: tr.Split) -> None:
    method, run = small(), Run(seed=1)
    network = method.fit(split.train, run).network
    assert isinstance(network, Network)
    sizes = torch.bincount(network.shard, minlength=2)
    assert int(sizes.min()) >= 24 // 2 - 5
    for shard in range(2):
        own = network.shard == shard
        alone = method.method.fit(of(split.train, own), run.stage(f"shard-{shard}"))
        for name, tensor in alone.network.state_dict().items():
            assert torch.equal(network.shards[shard].state_dict()[name], tensor)
        asked = Requests.of(
            split.train, users=split.train.catalog.users.ids.gather(own.nonzero()[:, 0].numpy())
        )
        torch.testing.assert_close(network.centres[shard], alone.queries(asked).mean(0))


def test_a_shard_is_stopped_by_its_own_people_alone(split: tr.Split) -> None:
    """Truths of others may be anything: the weights of a shard are the same."""
    method, run = small(), Run(seed=1, valid=split.valid)
    assert split.valid is not None
    first = method.fit(split.train, run).network
    truth = split.valid.truth
    others = first.shard[split.valid.requests.user] == 1
    values = truth.values.clone()
    values[others[truth.pairs()[0]]] = 0
    valid = replace(split.valid, truth=replace(truth, values=values))
    network = method.network(split.train)
    network.shard.copy_(first.shard)
    method.learned(network, split.train, replace(run, valid=valid), range(2))
    for name, tensor in first.shards[0].state_dict().items():
        assert torch.equal(network.shards[0].state_dict()[name], tensor)


def test_what_came_before_the_last_targets_is_cut_from_histories() -> None:
    histories = toys.cycle(users=3, items=8, steps=5).histories
    first = histories.items.row(0).tolist()
    before, positive = _targets(histories, 1)
    assert before.items.lists()[0] == first[:-1]
    assert positive.tolist()[0] == first[-1]
    before, positive = _targets(histories, None)
    told = sorted(zip(before.items.lists(), positive.tolist(), strict=True))
    assert len(told) == 3 * 4
    assert (first[:2], first[2]) in told


@pytest.mark.parametrize("inner", [GRU4Rec, BERT4Rec], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("aggregate", ["attended", "averaged"])
def test_other_readers_of_histories_may_be_inside(
    inner: type[Learner], aggregate: str, split: tr.Split, tmp_path
) -> None:
    method = small(method=inner(**inner.tiny).changed(SHORT), aggregate={"kind": aggregate})
    model = method.fit(split.train, Run(seed=1))
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    one, other = (m.recommend(split.test.requests, 4) for m in (model, loaded))
    assert torch.equal(one.items, other.items)
    assert torch.equal(one.scores, other.scores)


def test_the_mean_is_the_mean_of_what_the_shards_score(split: tr.Split) -> None:
    method = small(partition=RandomShards(), aggregate=Averaged())
    model = method.fit(split.train, Run(seed=1))
    requests, items = split.test.requests, torch.arange(8).expand(len(split.test), -1)
    alone = [
        method.method.answer(one, model.catalog).score(requests, items)
        for one in model.network.shards
    ]
    torch.testing.assert_close(model.score(requests, items), sum(alone) / 2)


def test_shards_in_which_nobody_has_two_events_say_nothing(split: tr.Split) -> None:
    people = torch.arange(24) < 3
    model = small(shards=8, partition=RandomShards()).fit(of(split.train, people), Run(seed=1))
    assert int(model.network.learned.sum()) == 3
    assert (model.recommend(split.test.requests, 1).scores.isfinite()).all()


def test_what_reads_no_histories_is_refused(split: tr.Split) -> None:
    with pytest.raises(BadSpec, match="MF's network has no encode"):
        SRU(method=MF()).network(split.train)


def test_strategies_belong_inside(split: tr.Split) -> None:
    with pytest.raises(BadSpec, match="inside"):
        Remembering(method=small()).fit(split.train, Run())
