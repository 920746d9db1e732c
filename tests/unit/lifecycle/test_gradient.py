"""Forgetting by gradient: what is forgotten is lost, what is kept stays, and it says what it is."""

from typing import Any, cast

import pytest
import torch

import tesserec as tr
from tesserec.core import Answering, Dataset, Losses, Run
from tesserec.core.errors import BadRequest
from tesserec.data.transforms import without
from tesserec.lifecycle.forgetting import Gradient
from tesserec.lifecycle.forgetting.gradient import Away, Both, Mixed
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.sequential.sasrec import SASRec
from tesserec.methods.sequential.sru import SRU
from tesserec.training import Learner
from toys.networks import Epochs, Numbers, Walker
from toys.worlds import world

RUN = Run(seed=2)


def numbers(*values: float) -> Numbers:
    table = torch.tensor(values)
    return Numbers(table, torch.arange(len(table)), torch.ones(len(table)))


def test_the_loss_is_that_of_the_kept_less_a_share_of_the_bounded_other() -> None:
    """The walker stands at 1: half of 1 for a 2, half of 4 for a -1, half of 100 for an 11."""
    around = Away(Walker(1.0), strength=0.5, ceiling=3.0)
    batch = Mixed.of(numbers(2.0), numbers(-1.0, 11.0))
    losses = cast(Losses, around.loss(batch))
    torch.testing.assert_close(losses.total(batch), torch.tensor(0.5 - 0.5 * (2.0 + 3.0) / 2))
    losses.total(batch).backward()
    # Down to the 2 by its distance, and off the -1 by half of half of its; the 11 is past all.
    expected = (1.0 - 2.0) - 0.5 * 0.5 * (1.0 + 1.0)
    torch.testing.assert_close(around.inner.place.grad, torch.tensor(expected))


def test_steps_with_both_come_first_and_passes_begin_again() -> None:
    both = Both(Epochs([1, 2, 3], 2), Epochs([9], 1), steps=3, repair=2)
    batches = list(both(torch.Generator().manual_seed(0)))
    assert len(batches) == len(both) == 5
    assert [one.forgotten is not None for one in batches] == [True, True, True, False, False]
    assert [len(one.kept) for one in batches] == [2, 1, 2, 1, 2]


def chain() -> Dataset:
    """Everybody goes round one way; ann alone makes jumps."""
    events = [
        (f"u{user:02d}", f"i{(user + step) % 10}", 100 * step + user)
        for user in range(20)
        for step in range(6)
    ]
    jumps = [("ann", f"i{item}", 5000 + n) for n, item in enumerate((0, 5, 1, 7, 3, 9))]
    return world([*events, *jumps])


def sasrec() -> SASRec:
    return SASRec(**SASRec.tiny)


def surprise(model: Answering, data: Dataset) -> float:
    """The mean loss of some events, for a model in whose catalogue they are told."""
    method = cast(Learner, model.method)
    batches = list(method.recipe()[0](data)(torch.Generator().manual_seed(0)))
    with torch.no_grad():
        each = [cast(Any, model.network.eval()).loss(one).each for one in batches]
    return float(torch.cat(each).mean())


def test_what_somebody_did_is_lost_and_what_others_did_is_not() -> None:
    data = chain()
    keep, drop = without(data, users=["ann"])
    before = sasrec().fit(data, RUN)
    after = Gradient().forget(before, keep, drop, RUN)
    never = sasrec().fit(keep, RUN)
    mended = Gradient(steps=0, repair=100).forget(before, keep, drop, RUN)
    assert surprise(before, drop) < 1.5 < 3 < surprise(never, drop)
    assert surprise(after, drop) > 1 + surprise(mended, drop)
    assert surprise(after, keep) < surprise(before, keep)
    assert after.catalog.users.ids.to_list() == keep.catalog.users.ids.to_list()
    assert "approximate" in Gradient().limits(after)[0]


@pytest.mark.parametrize("method", [MF, LightGCN], ids=lambda kind: kind.__name__)
def test_tables_of_people_lose_the_row_and_others_keep_theirs(
    method: type[Learner], two_tastes: Dataset, tmp_path
) -> None:
    small = method(**method.tiny)
    before = small.fit(two_tastes, RUN)
    keep, drop = without(two_tastes, users=["u3"])
    still = Gradient(steps=1, repair=0, pace=1e-9).forget(before, keep, drop, RUN)
    for name, one in before.network.named_parameters():
        now = still.network.get_parameter(name)
        has_people = len(now) == len(one) - 1
        torch.testing.assert_close(now, torch.cat([one[:3], one[4:]]) if has_people else one)
    loaded = tr.load(tr.save(still, tmp_path / "model"))
    asked = tr.Requests.of(keep, users=["u0", "u7"])
    assert torch.equal(loaded.recommend(asked, 3).items, still.recommend(asked, 3).items)


def test_an_item_loses_its_row(two_tastes: Dataset) -> None:
    before = MF(**MF.tiny).fit(two_tastes, RUN)
    keep, drop = without(two_tastes, items=["i2"])
    after = Gradient().forget(before, keep, drop, RUN)
    assert after.catalog.items.ids.to_list() == keep.catalog.items.ids.to_list()
    asked = tr.Requests.of(keep, users=["u0"], seen="allow")
    assert int(after.recommend(asked, 20).items.max()) == 6


def test_who_taught_nothing_is_only_taken_out() -> None:
    data = world(
        [*((f"u{n}", f"i{(n + s) % 5}", s) for n in range(6) for s in range(3)), ("ann", "i1", 9)]
    )
    before = sasrec().changed({"schedule": {"epochs": 2}}).fit(data, RUN)
    keep, drop = without(data, users=["ann"])
    after = Gradient().forget(before, keep, drop, RUN)
    for name, one in before.network.named_parameters():
        assert torch.equal(after.network.get_parameter(name), one)


def test_what_has_no_loss_of_all_is_refused(two_tastes: Dataset) -> None:
    for method in (EASE(), SRU()):
        model = MF(**MF.tiny).fit(two_tastes, RUN).by(method)
        with pytest.raises(BadRequest, match="exact"):
            Gradient().refuse(model)
