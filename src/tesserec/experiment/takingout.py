"""The data of a run without a user, an item, or one event; and what went."""

from dataclasses import dataclass, replace
from typing import Any, cast

import polars as pl
import torch
from torch import Tensor

from tesserec.core import Answering, Dataset, Run
from tesserec.core.errors import BadData, BadRequest, UnknownId
from tesserec.core.files import read_json, replacing
from tesserec.data import format
from tesserec.data.importing import is_dataset, located
from tesserec.data.reading import read
from tesserec.data.transforms import without
from tesserec.experiment.preparing import prepare
from tesserec.experiment.study import Study
from tesserec.lifecycle.forgetting import CED, RED, Extra
from tesserec.lifecycle.forgetting.extra import taken_out
from tesserec.lifecycle.forgetting.receipt import What
from tesserec.lifecycle.forgetting.verifying import is_known
from tesserec.recommenders.product import ProductRecommender

NOTHING = RED(count=0)


@dataclass(frozen=True)
class Asked:
    """Who or what is to be forgotten: a user, an item, or that the one chose the other."""

    user: str | None = None
    item: str | None = None
    extra: Extra = NOTHING  # which events of the session go with a single one

    @property
    def what(self) -> What:
        if self.user is not None and self.item is not None:
            return "event"
        return "user" if self.item is None else "item"

    @property
    def id(self) -> str:
        """What a digest is made of."""
        return " ".join(one for one in (self.user, self.item) if one is not None)


@dataclass(frozen=True)
class Gone:
    """The events that were taken out of the data; None where that was done before."""

    events: Dataset | None
    learned: Dataset | None  # of these, what the model learned from
    rest: Tensor | None = None  # what is left of the session of a single event, rows of the data


def take_out(study: Study, before: Answering, asked: Asked, reads_dropped: bool) -> Gone:
    """Write the data without them; nothing where that was done before."""
    gone = _event_out if asked.what == "event" else _all_out
    found = gone(study, before, asked)
    if found.events is None and reads_dropped:
        raise BadRequest(
            f"{study.data} holds nothing of this {asked.what} any more: a call was cut off.",
            "Go on from there with --how exact.",
        )
    return found


def _all_out(study: Study, before: Answering, asked: Asked) -> Gone:
    """A user or an item, and all events."""
    what, id, data = asked.what, asked.id, read(study.data)
    known = data.catalog.users if what == "user" else data.catalog.items
    if int(known.rows([id])[0]) >= 0:
        train = prepare(study, content=False).split.train  # refuses data that have changed since
        names = {f"{what}s": [id]}
        keep, drop = without(data, **names)
        _rewrite(study.data, keep, asked)
        return Gone(drop, without(train, **names)[1])
    if not is_known(before, what, id):
        raise UnknownId(f"Neither {study.data} nor the run knows a {what} {id!r}.")
    return Gone(None, None)


def _event_out(study: Study, before: Answering, asked: Asked) -> Gone:
    """That somebody chose an item, however often, and what goes with it."""
    data = read(study.data)
    user, item = data.catalog.users.row(asked.user), data.catalog.items.row(asked.item)
    session = data.histories[torch.tensor([user])].items.compact()
    place = torch.nonzero(session.values == item)[:, 0]
    if not len(place):
        if data.fingerprint == study.fingerprint:
            raise UnknownId(f"In {study.data} {asked.user!r} did not choose {asked.item!r}.")
        return Gone(None, None)
    train = prepare(study, content=False).split.train
    vectors = _vectors(before, data, asked.extra)
    generator = Run(seed=study.seeds[0]).generator("extra")
    last, rows = place[-1:], torch.tensor([user])
    keep, _ = taken_out(data, rows, last, asked.extra, vectors, generator)
    chose = (pl.col("user") == user) & (pl.col("item") == item)
    keep = replace(keep, interactions=keep.interactions.keep(~chose))
    drop, learned = _missing(data, keep), _missing(train, keep)
    _rewrite(study.data, keep, asked)
    return Gone(drop, learned, keep.histories.items.row(user))


def _missing(data: Dataset, keep: Dataset) -> Dataset:
    """The events that are not kept."""
    beside = [name for name in ("user", "item", "time") if name in data.interactions.frame.columns]
    frame = data.interactions.frame.join(
        keep.interactions.frame, on=beside, how="anti", maintain_order="left"
    )
    return replace(data, interactions=replace(data.interactions, frame=frame))


def _vectors(model: Answering, data: Dataset, extra: Extra) -> Tensor:
    """What items are compared by, in the rows of the data: [I, D]"""
    count = len(data.catalog.items)
    if not isinstance(extra, CED):
        return torch.zeros(count, 1)
    if not isinstance(model, ProductRecommender):
        raise BadRequest(
            f"CED compares vectors of items, and {type(model.method).__name__} has none.",
            "Take --also NED or RED.",
        )
    table = model.item_vectors.detach().cpu().float()
    rows = cast(Answering, model).catalog.items.rows(data.catalog.items.ids)
    return torch.where((rows >= 0)[:, None], table[rows.clamp(min=0)], 0.0)


def ids_of(drop: Dataset) -> list[str]:
    """The ids of the items in some events."""
    rows = drop.interactions.frame["item"].unique().sort()
    return drop.catalog.items.ids.gather(rows).cast(pl.String).to_list()


def _rewrite(source: str, keep: Dataset, asked: Asked) -> None:
    """Write a data folder anew; what it says about its origin stays."""
    place = located(source)
    if source == "sample" or not is_dataset(place):
        raise BadData(
            f"{source} is no data folder of ours, and is left as it is.",
            f"Take the {asked.what} out of it yourself, and run this again; or fit on what "
            "`tesserec data import` makes of it.",
        )
    facts = read_json(place / "dataset.json")
    own = ("version", "fingerprint", "items", "users", "events", "kinds", "vectors")
    more: dict[str, Any] = {
        name: fact
        for name, fact in facts.items()
        if name not in (*own, "name", "clock", "relations", "others")
    }
    format.write(keep, place, more)
    for media in sorted((place / "media").glob("*.parquet")) if asked.what == "item" else ():
        frame = pl.read_parquet(media)
        with replacing(media) as aside:
            frame.filter(pl.col("item").cast(pl.String) != asked.item).write_parquet(aside)
