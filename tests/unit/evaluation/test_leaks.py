"""What a report says of numbers that cannot be."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tesserec as tr
from tesserec.core import Histories, Holdout, Ragged, Run, Split
from tesserec.data.splits import LeaveLast, Published
from tesserec.evaluation import evaluate, find_leaks
from tesserec.evaluation.leaks import held_by
from tesserec.experiment.table import over_seeds
from tesserec.recommenders import ScoreRecommender
from toys.recommenders import Written
from toys.worlds import random_world, world

IMPOSSIBLE = "too good to be true"


def large(**protocol: object) -> Split:
    """Fifty people, and 1,200 items of which they chose a few at random."""
    data = random_world(seed=1, users=50, items=1200, events=400, moments=10_000)
    return LeaveLast(**protocol).split(data)


def oracle(holdout: Holdout, split: Split, share: float) -> ScoreRecommender:
    """Knows what is right for a share of the requests, and nothing of the others."""
    users, items = len(split.train.catalog.users), len(split.train.catalog.items)
    table = torch.zeros(users, items)
    rows, right = holdout.truth.pairs()
    told = rows < round(share * len(holdout))
    table[holdout.requests.user[rows[told]], right[told]] = 1
    return ScoreRecommender(Written(table), split.train.catalog)


@pytest.mark.parametrize(("share", "alarmed"), [(1.0, True), (0.95, True), (0.85, False)])
def test_nearly_everything_found_in_a_large_catalogue_is_an_alarm(share, alarmed):
    split = large()
    report = evaluate(oracle(split.test, split, share), split.test)
    assert (report.alarm is not None) == alarmed
    assert (IMPOSSIBLE in str(report)) == alarmed
    assert not alarmed or "over 1,200 items" in str(report)


def test_the_alarm_needs_no_metric_that_shows_it():
    split = large()
    report = evaluate(oracle(split.test, split, 1.0), split.test, ["ndcg@5"])
    assert "hit@5 = 1.000" in str(report)


def test_an_honest_model_is_believed():
    split = large()
    for method in (tr.ItemKNN(), tr.Popular()):
        report = evaluate(method.fit(split.train, Run()), split.test)
        assert report.alarm is None
        assert "warning" not in str(report)


def test_a_small_catalogue_or_few_requests_prove_nothing():
    small = LeaveLast().split(random_world(users=50, items=900, events=400, moments=10_000))
    assert evaluate(oracle(small.test, small, 1.0), small.test).alarm is None
    split = large()
    few = split.test[slice(0, 10)]
    assert evaluate(oracle(few, split, 1.0), few).alarm is None


def test_among_a_few_candidates_much_may_be_found():
    split = large()
    right = split.test.truth.padded()
    candidates = torch.cat([right, (right + torch.arange(1, 100)) % 1200], dim=1)
    among = replace(split.test, requests=replace(split.test.requests, candidates=candidates))
    report = evaluate(oracle(among, split, 1.0), among)
    assert report.alarm is None
    assert "at most 100 candidates ranked" in str(report)
    assert "whole catalogue ranked" in str(evaluate(oracle(split.test, split, 0.5), split.test))


def test_who_comes_back_to_old_items_is_foretold_without_a_leak():
    """Thirty people take turns between two items of 1,000: always the one before the last."""
    events = [(user, 30 * (step % 2) + user, step) for user in range(30) for step in range(6)]
    data = world(events, items=range(1000))
    split = LeaveLast(seen="allow", requests="event").split(data)
    report = evaluate(tr.Repeat().fit(split.train, Run()), split.test)
    assert report.metrics["hit@10"].value == 1
    assert report.alarm is None
    fresh = world([*events, *((user, 500 + user, 6) for user in range(30))], items=range(1000))
    split = LeaveLast(seen="allow", requests="event").split(fresh)
    assert IMPOSSIBLE in str(evaluate(oracle(split.test, split, 1.0), split.test))


def test_histories_that_hold_what_is_asked_are_an_alarm_whatever_is_found():
    drawn = random_world(seed=1, users=50, items=1200, events=400, moments=10_000)
    part = pl.when(pl.col("time") > 8000).then(pl.lit("test")).otherwise(pl.lit("train"))
    data = tr.from_tables(drawn.interactions.frame.with_columns(split=part))
    split = Published(valid=0.0, requests="last", seen="allow").split(data)
    assert evaluate(tr.Popular().fit(split.train, Run()), split.test).alarm is None
    requests = split.test.requests
    history = requests.history
    longer = Ragged(history.items.values, history.items.starts, history.items.ends + 1)
    leaking = replace(requests, history=replace(history, items=longer))
    holdout = replace(split.test, requests=leaking)
    report = evaluate(tr.Popular().fit(split.train, Run()), holdout)
    assert f"{len(holdout)} histories hold events not before their request" in str(report)
    assert find_leaks(replace(split, test=holdout))
    assert find_leaks(split) == []


def test_one_seed_that_was_too_good_is_told_of_the_mean_of_all():
    split = large()
    honest = evaluate(oracle(split.test, split, 0.1), split.test)
    leaking = evaluate(oracle(split.test, split, 1.0), split.test)
    for reports in ([honest, leaking], [leaking, honest]):
        assert over_seeds(reports).alarm == leaking.alarm
    assert over_seeds([honest, honest]).alarm is None


rows = st.lists(st.lists(st.integers(0, 6), max_size=6), min_size=3, max_size=3)


@given(rows, rows)
def test_what_a_history_holds_is_what_a_slow_search_finds(histories, asked):
    shown = Histories(Ragged.of(histories)).items
    expected = [
        one in history for history, row in zip(histories, asked, strict=True) for one in row
    ]
    assert held_by(shown, Ragged.of(asked)).tolist() == expected


def test_prefixes_of_one_history_hold_what_came_before():
    values = torch.tensor([4, 2, 7, -1])
    starts = torch.zeros(4, dtype=torch.int64)
    prefixes = Ragged(values, starts, torch.arange(4))
    asked = Ragged.packed(torch.tensor([4, 4, 7, 7]), torch.ones(4, dtype=torch.int64))
    assert held_by(prefixes, asked).tolist() == [False, True, False, True]
