"""What every method does with events that came after it was fitted."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Method, Run
from tesserec.core.errors import CannotAnswer
from tesserec.core.registry import every
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.data.transforms import without
from tesserec.evaluation import mark
from tesserec.lifecycle.updating import WarmStart, continued
from tesserec.lifecycle.updating.warmstart import carry_over
from tesserec.training import Learner

METHODS = [method for method in every(Method) if method.__module__.startswith("tesserec.methods")]
ONCE = {"MMGRec"}  # reads what a graph of all events said


def world_of(kind: type[Method]) -> Dataset:
    if "repeats" in kind.needs:
        return toys.repeats()
    if "order" in kind.needs:
        table = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
        return toys.cycle().with_vectors("text", table)
    return toys.taste_told_by_text() if "vectors" in kind.needs else toys.checkerboard()


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_people_who_come_later_are_learned_from_and_nobody_is_forgotten(
    kind: type[Method], tmp_path: Path
) -> None:
    """The first quarter of people come later; they are to be answered as those from before are."""
    seen = "allow" if "repeats" in kind.needs else "exclude"
    split = Published(seen=seen, valid=0).split(world_of(kind))
    people = split.train.catalog.users.ids
    few = people[: len(people) // 4]
    old, new = without(split.train, users=few.to_list())
    new = tr.from_tables(
        new.interactions.frame.with_columns(
            user=people.gather(new.interactions.frame["user"]),
            item=split.train.catalog.items.ids.gather(new.interactions.frame["item"]),
        ).drop("split", strict=False)
    )
    model = kind(**kind.tiny).fit(old, Run(seed=1))
    if kind.__name__ in ONCE:
        with pytest.raises(CannotAnswer) as told:
            continued(model, old, new)
        assert told.value.cure
        return
    before, after = continued(model, old, new)
    assert before.catalog.users.ids[: len(people) - len(few)].equals(model.catalog.users.ids)
    assert before.catalog.items.ids.equals(model.catalog.items.ids)
    assert len(before.interactions) + len(after.interactions) == len(split.train.interactions)
    updater = WarmStart(epochs=15, replay=0.5)
    grown = updater.update(model, before, after, Run(seed=2))
    loaded = tr.load(tr.save(grown, tmp_path / "model"))
    assert loaded.method == model.method
    asked = in_rows_of(loaded.catalog.users.ids, people, split.test.requests)
    found = loaded.recommend(asked, 5)
    assert torch.equal(found.items, grown.recommend(asked, 5).items)
    right = mark(grown, tr.Holdout(asked, split.test.truth), ["recall@3"])["recall@3"]
    fresh = mark(kind(**kind.tiny).fit(split.train, Run(seed=1)), split.test, ["recall@3"])
    assert right >= min(0.85, fresh["recall@3"] - 0.05)


def in_rows_of(ids: pl.Series, were: pl.Series, asked: tr.Requests) -> tr.Requests:
    """Requests of the split in the rows of an updated model; items kept theirs."""
    rows = {one: row for row, one in enumerate(ids.to_list())}
    now = torch.tensor([rows[one] for one in were.to_list()])
    return replace(asked, user=now[asked.user])


LEARNERS = [kind for kind in METHODS if issubclass(kind, Learner) and kind.__name__ not in ONCE]


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_without_a_step_what_was_learned_is_there_row_by_row(kind: type[Learner]) -> None:
    split = Published(seen="exclude", valid=0).split(world_of(kind))
    method = kind(**kind.tiny)
    method = method.changed(
        {"method": {"schedule": {"epochs": 1}}}
        if "method" in kind.model_fields
        else {"schedule": {"epochs": 1}}
    )
    model = method.fit(split.train, Run(seed=1))
    frame = split.train.interactions.frame.head(3).drop("split", strict=False)
    new = tr.from_tables(
        frame.with_columns(
            user=pl.Series([10**6 + n for n in range(3)]),
            item=split.train.catalog.items.ids.gather(frame["item"]),
        )
    )
    before, _ = continued(model, split.train, new)
    with Run(seed=9).seeded("network"):
        network = method.network(before)
    carry_over(model, network, method, before.catalog)
    users, items = len(model.catalog.users), len(model.catalog.items)
    for name, one in model.network.named_parameters():
        now = network.get_parameter(name)
        if now.shape == one.shape:
            assert torch.equal(now, one)
        elif len(one) == users + items:
            assert torch.equal(now[:users], one[:users])
            assert torch.equal(now[users + 3 :], one[users:])
        else:
            assert torch.equal(now[: len(one)], one)
