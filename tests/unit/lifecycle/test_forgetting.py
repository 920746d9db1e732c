"""Forgetting is as if it had never been; a receipt says what was looked at, and no name."""

import os
from pathlib import Path

import pytest
import torch

from tesserec.core import Dataset, Run
from tesserec.core.errors import BadRequest
from tesserec.data.transforms import without
from tesserec.lifecycle.forgetting import Check, Receipt, Retrained
from tesserec.lifecycle.forgetting.receipt import digest_of
from tesserec.lifecycle.forgetting.verifying import (
    anew,
    changed,
    files_checked,
    is_known,
    told_apart,
)
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.collaborative.popular import Popular
from tesserec.recommenders import LookupRecommender
from toys.worlds import world


def overfitted() -> MF:
    return MF().changed(
        {"dim": 8, "batches": {"size": 8}, "schedule": {"epochs": 60, "rate": 0.05}}
    )


def test_a_retrained_model_is_the_one_that_never_saw_them(two_tastes: Dataset) -> None:
    method, run = overfitted(), Run(seed=3)
    keep, drop = without(two_tastes, users=["u3"])
    made = Retrained().forget(method.fit(two_tastes, run), keep, drop, run)
    never = method.fit(keep, run)
    for name, tensor in never.network.state_dict().items():
        assert torch.equal(made.network.state_dict()[name], tensor)
    assert not is_known(made, "user", "u3")
    assert is_known(made, "item", "i3")


def test_what_no_method_made_cannot_be_made_again(two_tastes: Dataset) -> None:
    network = overfitted().network(two_tastes)
    nameless = LookupRecommender(network, two_tastes.catalog)
    with pytest.raises(BadRequest, match="method"):
        Retrained().forget(nameless, two_tastes, two_tastes, Run())


def test_who_is_remembered_is_told_apart_and_who_is_forgotten_is_not() -> None:
    """Everybody likes one half, and ann alone the other: only what she did can tell of her."""
    events = [(f"u{user}", f"i{item}") for user in range(6) for item in range(4)]
    data = world([*events, *(("ann", f"i{item}") for item in range(4, 8))])
    chosen = [f"i{item}" for item in range(4, 8)]
    before = overfitted().fit(data, Run(seed=1))
    after = overfitted().fit(without(data, users=["ann"])[0], Run(seed=1))
    assert told_apart(before, "ann", chosen) == 1.0
    assert told_apart(after, "ann", chosen) == 0.0


def test_nothing_is_told_apart_where_nothing_or_everything_was_chosen(two_tastes: Dataset) -> None:
    model = overfitted().fit(two_tastes, Run())
    assert told_apart(model, "u1", []) is None
    assert told_apart(model, "u1", [f"i{n}" for n in range(8)]) is None


def test_tables_that_changed_are_counted(two_tastes: Dataset) -> None:
    model = Popular().fit(two_tastes, Run())
    assert changed(model, model)["changed"] == 0
    less = Popular().fit(without(two_tastes, users=["u1"])[0], Run())
    assert changed(model, less)["changed"] >= 1


def test_an_id_in_any_file_is_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "old.log").write_text("user ann-lee did this")
    (tmp_path / "other").write_text("nothing")
    found = files_checked(tmp_path, "ann-lee")
    assert found is not None
    assert not found.holds
    assert "deep/old.log" in found.what
    clean = files_checked(tmp_path, "bob-lee")
    assert clean is not None
    assert clean.holds
    assert files_checked(tmp_path, "ann") is None


def test_a_file_that_was_taken_over_is_noticed(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
        (folder / "weights").write_text("same text")
    assert anew(old, new).holds
    os.link(old / "weights", new / "checkpoint")
    assert not anew(old, new).holds


def test_a_receipt_holds_no_name_and_says_what_failed(tmp_path: Path) -> None:
    checks = (Check("the data know no such user", True), Check("the files hold no id", False))
    receipt = Receipt(
        "user",
        digest_of("ann-lee"),
        "fitted again",
        "2026-01-01",
        {"events": 3},
        checks,
        {"tensors": 4, "changed": 2},
        {"before": 0.9, "after": 0.5},
    )
    assert not receipt.holds
    assert "NOT SO: the files hold no id" in receipt.text()
    assert receipt.save(tmp_path).name == "1.json"
    assert receipt.save(tmp_path).name == "2.json"
    for path in (tmp_path / "forgotten").iterdir():
        assert "ann-lee" not in path.read_text()
