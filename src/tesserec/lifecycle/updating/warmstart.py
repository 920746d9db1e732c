"""WarmStart: go on from the weights there are, on what is new and on a share of what is old."""

from dataclasses import replace
from typing import Annotated

import polars as pl
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Interactions, Run
from tesserec.core.errors import BadRequest
from tesserec.lifecycle.updating.continuing import together
from tesserec.lifecycle.updating.outlines import outlined
from tesserec.lifecycle.updating.updater import Updater
from tesserec.parts.semantic_ids import Codebook
from tesserec.training import Learner
from tesserec.training.learner import Around
from tesserec.training.train import train


class WarmStart(Updater):
    """A few epochs from where a model is; what is computed is computed again from all.

    So is a method that does not go on by one loss, such as one of several models.

    The network is built anew from all events, so that graphs and counts are those of now. What was
    learned is put into it, row by row for people and items; new ones begin as in a new fit.
    """

    epochs: Annotated[int, Field(ge=1)] = 3
    # Old events that are learned again, so that they are not forgotten: all of people who have new
    # ones, as what is new is told from what came before it, and of this share of the others.
    replay: Annotated[float, Field(ge=0, le=1)] = 0.2
    pace: Annotated[float, Field(gt=0)] = 1.0  # times the method's learning rate

    def update(self, recommender: Answering, old: Dataset, new: Dataset, run: Run) -> Answering:
        method, whole = recommender.method, together(old, new)
        if method is None:
            raise BadRequest("This recommender does not know its method.", "Take what `fit` made.")
        if not isinstance(method, Learner) or not method.goes_on:
            return method.fit(whole, run)
        method.check_data(whole)
        with run.seeded("network"):
            network = method.network(whole)
        carry_over(recommender, network, method, whole.catalog)
        batches, schedule = method.recipe()
        rate = schedule.rate * self.pace
        schedule = schedule.changed({"epochs": self.epochs, "rate": rate})
        trained = train(
            network,
            batches(together(self.replayed(old, new, run), new)),
            schedule,
            replace(run, valid=None),
            key=method.key(whole.fingerprint, str(run.seed), run.name),
            title=f"update {type(method).__name__}",
        )
        return method.answer(trained, whole.catalog).by(method)

    def replayed(self, old: Dataset, new: Dataset, run: Run) -> Dataset:
        """The old events that are learned again."""
        drawn = torch.rand(len(old.catalog.users), generator=run.generator("replay"))
        chosen = new.active | (drawn < self.replay)
        mask = pl.Series(chosen[old.interactions.users].numpy())
        return replace(old, interactions=old.interactions.keep(mask))


@torch.no_grad()
def carry_over(
    recommender: Answering, network: nn.Module, method: Learner, catalog: Catalog
) -> None:
    """Put what a recommender learned into a network that was built for more people and items.

    Kept are parameters, codebooks, and what strategies remember where it has the same shape; other
    buffers come from the data, and stay as the network has them.
    """
    kept = learned_names(network)
    before = recommender.network.state_dict()
    places = places_of(method, recommender.catalog)
    for name, tensor in network.state_dict().items():
        one = before.get(name)
        if name not in kept or one is None:
            continue
        one = one.detach().to(tensor.device, tensor.dtype)
        if one.shape == tensor.shape:
            tensor.copy_(one)
        elif name in places:
            dim, users, items = places[name]
            rows = _rows(one.shape[dim], users, items, recommender.catalog, catalog)
            tensor.index_copy_(dim, rows.to(tensor.device), one)


def learned_names(network: nn.Module) -> set[str]:
    """The names of everything in a network that was learned and not counted."""
    names = {name for name, _ in network.named_parameters()}
    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        if isinstance(module, Codebook):
            names |= {prefix + name for name in module.state_dict()}
        elif isinstance(module, Around):
            names |= {prefix + name for name, _ in module.named_buffers(recurse=False)}
    return names


def places_of(method: Learner, catalog: Catalog) -> dict[str, tuple[int, bool, bool]]:
    """Which dimension of each tensor has a row for every user, every item, or for both.

    Told by what becomes shorter when there is one less of them.
    """
    whole = _shapes(method, outlined(catalog))
    fewer_users = _shapes(method, outlined(catalog, fewer_users=1))
    fewer_items = _shapes(method, outlined(catalog, fewer_items=1))
    places = {}
    for name, shape in whole.items():
        for dim, size in enumerate(shape):
            users = fewer_users[name][dim] < size
            items = fewer_items[name][dim] < size
            if users or items:
                places[name] = dim, users, items
    return places


def _rows(count: int, users: bool, items: bool, old: Catalog, new: Catalog) -> Tensor:
    """Where old rows are now: users come first, then items, then whatever else: [count]"""
    ranges, start, after = [], 0, 0
    for there, before, now in (
        (users, len(old.users), len(new.users)),
        (items, len(old.items), len(new.items)),
    ):
        if there:
            ranges.append(torch.arange(after, after + before))
            start, after = start + before, after + now
    ranges.append(torch.arange(after, after + count - start))
    return torch.cat(ranges)


def _shapes(method: Learner, catalog: Catalog) -> dict[str, tuple[int, ...]]:
    nobody = pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64})
    with torch.device("meta"):
        network = method.network(Dataset(catalog, Interactions(nobody)))
    return {name: tuple(one.shape) for name, one in network.state_dict().items()}
