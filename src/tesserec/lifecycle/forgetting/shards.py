"""Shards: only the models that knew what is forgotten are learned again.

For SRU (Xin et al., WSDM 2024, arXiv:2312.14447), and for SISA, which is the same with people
dealt out at random and the mean of scores.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor

from tesserec.core import Answering, Dataset, Run
from tesserec.core.errors import BadRequest
from tesserec.lifecycle.forgetting.forgetter import Forgetter
from tesserec.lifecycle.forgetting.receipt import Check
from tesserec.lifecycle.forgetting.shrinking import Rows, shortened
from tesserec.lifecycle.updating.warmstart import places_of
from tesserec.methods.sequential.sru import SRU, Network


class Shards(Forgetter):
    """Learn the shards that held what is forgotten, then the aggregation; others stay to the bit.

    A shard is learned again where somebody of it has an event in `drop`, even if it only said when
    to stop; and where what its people did is other than when it was learned, or somebody of it is
    gone. So nothing is lost when a call is cut off and made again, when `drop` is empty.
    """

    how: ClassVar = (
        "the shards that held them were learned again without them, from the first step on, "
        "and then the aggregation of all shards"
    )

    def forget(self, recommender: Answering, keep: Dataset, drop: Dataset, run: Run) -> Answering:
        method, old = _parts(recommender)
        rows = Rows.of(recommender.catalog, keep.catalog)
        with run.seeded("network"):
            network = cast(Network, method.network(keep))
        network.shard.copy_(old.shard[rows.users.to(old.shard.device)])
        again = touched(old, network.counted(keep), rows)
        again[_shards_of(drop, recommender, old)] = True
        places = places_of(method.method, recommender.catalog)
        for shard in torch.nonzero(~again)[:, 0].tolist():
            weights = shortened(old.shards[shard], places, rows)
            network.shards[shard].load_state_dict(weights)
            network.centres[shard] = old.centres[shard]
            network.learned[shard] = old.learned[shard]
        run.progress.say(f"{int(again.sum())} of {method.shards} shards are learned again")
        return method.learned(network, keep, run, torch.nonzero(again)[:, 0].tolist())

    def refuse(self, recommender: Answering) -> None:
        _parts(recommender)

    def limits(self, recommender: Answering) -> tuple[str, ...]:
        method, _ = _parts(recommender)
        if not method.partition.reads_states:
            return ()
        return (
            "who shares a shard was decided by a model that had seen them, which is not kept; "
            "the others stay in their shards, so that this much of it is left",
        )

    def verified(self, before: Answering, after: Answering) -> tuple[Check, ...]:
        """Every shard that held them is other than before, and how many are as they were."""
        method, old = _parts(before)
        _, new = _parts(after)
        rows = Rows.of(before.catalog, after.catalog)
        again = touched(old, new.events.cpu(), rows)
        places = places_of(method.method, before.catalog)
        same = torch.tensor(
            [
                _equal(shortened(one, places, rows), other.state_dict())
                for one, other in zip(old.shards, new.shards, strict=True)
            ]
        )
        what = (
            f"each of {int(again.sum())} shards that held them has other weights, and "
            f"{int(same.sum())} of all {len(same)} are as they were, bit for bit"
        )
        return (Check(what, not bool((again & same).any())),)


def touched(old: Network, events: Tensor, rows: Rows) -> Tensor:
    """Which shards held what is gone, by what they hold now [S, I']: [S] bool"""
    before, shard = old.events.cpu(), old.shard.cpu()
    again = (before[:, rows.items] != events).any(1)
    again |= (before[:, rows.gone_items] > 0).any(1)
    again[shard[rows.gone_users]] = True
    return again


def _shards_of(drop: Dataset, recommender: Answering, network: Network) -> Tensor:
    """Where the people are who have some of these events."""
    rows = recommender.catalog.users.rows(drop.catalog.users.ids)[drop.active]
    return network.shard.cpu()[rows[rows >= 0]]


def _equal(one: object, other: object) -> bool:
    first, second = cast(dict[str, Tensor], one), cast(dict[str, Tensor], other)
    return all(torch.equal(first[name].cpu(), tensor.cpu()) for name, tensor in second.items())


def _parts(recommender: Answering) -> tuple[SRU, Network]:
    if not isinstance(recommender.method, SRU):
        name = type(recommender.method).__name__
        raise BadRequest(
            f"{name} has no shards: one model has seen everybody.",
            "Fit SRU, with this method inside; or forget with --how exact.",
        )
    return recommender.method, cast(Network, recommender.network)
