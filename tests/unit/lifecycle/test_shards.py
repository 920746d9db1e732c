"""Forgetting in shards: those that knew are as if learned without, and others stay to the bit."""

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import nn

import tesserec as tr
from tesserec.core import Answering, Dataset, Run
from tesserec.core.errors import BadRequest
from tesserec.data.transforms import without
from tesserec.lifecycle.forgetting import Retrained, Shards
from tesserec.methods.sequential.sasrec import SASRec
from tesserec.methods.sequential.sru import SRU, Network
from tesserec.parts.sharding import RandomShards
from toys.worlds import world

RUN = Run(seed=4)
PEOPLE, ITEMS = 12, 8
RARE = "rare"  # only one person ever chose it


@pytest.fixture(scope="module")
def data() -> Dataset:
    events = [
        (f"u{user:02d}", f"i{(user + step) % ITEMS}", 100 * step + user)
        for user in range(PEOPLE)
        for step in range(4)
    ]
    return world([*events, ("u05", RARE, 1000)])


def sru(**changes: object) -> SRU:
    short = {"schedule": {"epochs": 2}}
    return SRU(**SRU.tiny).changed(
        {"method": short, "aggregate": short, "shards": 3, "partition": {"slack": 0}, **changes}
    )


@pytest.fixture(scope="module")
def model(data: Dataset) -> Answering:
    return sru().fit(data, RUN)


def network_of(model: Answering) -> Network:
    return cast(Network, model.network)


def same(one: nn.Module, other: nn.Module) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(torch.equal(first[name], tensor) for name, tensor in second.items())


def test_only_the_shard_of_the_forgotten_is_learned_again(data: Dataset, model: Answering) -> None:
    keep, drop = without(data, users=["u03"])
    made = Shards().forget(model, keep, drop, RUN)
    old, new = network_of(model), network_of(made)
    own = int(old.shard[3])
    for shard in range(3):
        assert same(old.shards[shard], new.shards[shard]) == (shard != own)
        assert torch.equal(old.centres[shard], new.centres[shard]) == (shard != own)
    assert not same(old.together, new.together)
    assert new.shard.tolist() == [s for row, s in enumerate(old.shard.tolist()) if row != 3]
    assert made.catalog.users.ids.to_list() == keep.catalog.users.ids.to_list()
    (check,) = Shards().verified(model, made)
    assert check.holds
    assert "each of 1 shards" in check.what
    assert "2 of all 3" in check.what


def test_it_is_what_these_shards_learn_that_never_knew_them(
    data: Dataset, model: Answering
) -> None:
    keep, drop = without(data, users=["u03"])
    made = network_of(Shards().forget(model, keep, drop, RUN))
    with RUN.seeded("network"):
        never = cast(Network, sru().network(keep))
    never.shard.copy_(made.shard)
    sru().learned(never, keep, RUN, range(3))
    assert same(made, never)


def test_an_item_is_forgotten_by_the_shards_that_held_it(data: Dataset, model: Answering) -> None:
    keep, drop = without(data, items=[RARE])
    made = Shards().forget(model, keep, drop, RUN)
    old, new = network_of(model), network_of(made)
    own, row = int(old.shard[5]), data.catalog.items.row(RARE)
    kept = torch.arange(len(data.catalog.items)) != row
    for shard in range(3):
        before, after = (cast(SASRec, one.shards[shard]).items() for one in (old, new))
        assert torch.equal(before[kept], after) == (shard != own)
    asked = tr.Requests.of(keep, users=["u05"], seen="allow")
    assert made.recommend(asked, 20).items.max() < len(keep.catalog.items)


def test_it_goes_on_where_a_call_was_cut_off(data: Dataset, model: Answering) -> None:
    """What is kept is enough: nobody has to say again who left."""
    keep, drop = without(data, users=["u03"])
    one = Shards().forget(model, keep, drop, RUN)
    other = Shards().forget(model, keep, keep.without_events(), RUN)
    assert same(one.network, other.network)


def test_a_model_that_was_loaded_forgets_alike(data: Dataset, model: Answering, tmp_path) -> None:
    keep, drop = without(data, users=["u03"])
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    one, other = (Shards().forget(each, keep, drop, RUN) for each in (model, loaded))
    assert same(one.network, other.network)


def test_a_shard_that_nobody_is_left_of_says_nothing(data: Dataset, model: Answering) -> None:
    shard = network_of(model).shard
    names = [f"u{row:02d}" for row in (shard == 1).nonzero()[:, 0].tolist()]
    keep, drop = without(data, users=names)
    made = Shards().forget(model, keep, drop, RUN)
    assert network_of(made).learned.tolist() == [True, False, True]
    asked = tr.Requests.of(keep, users=keep.catalog.users.ids, seen="allow")
    assert made.recommend(asked, 3).scores.isfinite().all()


def test_the_receipt_says_what_the_partition_remembers(data: Dataset, model: Answering) -> None:
    assert "decided by a model that had seen them" in Shards().limits(model)[0]
    blind = sru(partition=RandomShards()).fit(data, RUN)
    assert Shards().limits(blind) == ()
    assert Retrained().limits(model) == ()


def test_what_has_no_shards_and_data_with_strangers_are_refused(
    data: Dataset, model: Answering
) -> None:
    keep, drop = without(data, users=["u03"])
    alone = sru().method.fit(data, RUN)
    with pytest.raises(BadRequest, match="SASRec has no shards"):
        Shards().refuse(alone)
    early = Shards().forget(model, keep, drop, RUN)
    with pytest.raises(BadRequest, match="does not know"):
        Shards().forget(early, data, drop, RUN)


def test_who_only_says_when_to_stop_is_forgotten_too(data: Dataset) -> None:
    """Somebody may have no event to learn from, and one in the validation part."""
    split = tr.LeaveLast().split(data)
    run = replace(RUN, valid=split.valid)
    model = sru().fit(split.train, run)
    keep = without(data, users=["u03"])[0]
    after = tr.LeaveLast().split(keep)
    assert split.valid is not None
    other = replace(run, valid=after.valid)
    made = Shards().forget(model, after.train, after.train.without_events(), other)
    own = int(network_of(model).shard[3])
    for shard in range(3):
        again = not same(network_of(model).shards[shard], network_of(made).shards[shard])
        assert again == (shard == own)


def test_the_shard_of_whoever_has_a_dropped_event_is_learned_again(
    data: Dataset, model: Answering
) -> None:
    """It may have said when to stop, though nothing that was learned from is other than before."""
    drop = without(data, users=["u03"])[1]
    began = RUN.stage("elsewhere")  # other random numbers, so that learning again is seen
    made = Shards().forget(model, data, drop, began)
    old, new = network_of(model), network_of(made)
    assert {s for s in range(3) if not same(old.shards[s], new.shards[s])} == {int(old.shard[3])}
