"""Sessions, repeats and kinds of events on real data, from the import to the report."""

import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Histories, Split
from tesserec.data import format
from tesserec.data.importing import import_data

ROOT = Path(os.environ.get("TESSEREC_DATA", "nowhere"))


def imported(name: str, folder: Path) -> Dataset:
    """A data set below TESSEREC_DATA as import writes it and anybody reads it."""
    if not (ROOT / name).is_dir():
        pytest.skip(f"needs {name} in the folder that TESSEREC_DATA names")
    import_data(ROOT / name, folder / name)
    return format.read(folder / name)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return imported("diginetica-gcegnn", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return imported("retailrocket-mbht", tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def purchases(visits: Dataset) -> Split:
    """The last event of each visitor, which is the bought target, after everything before it."""
    return tr.Published(requests="last", seen="allow", sessions=True).split(visits)


def test_the_published_pairs_of_diginetica_are_asked(clicks: Dataset) -> None:
    splitter = tr.Published(requests="event", seen="allow", shortest=1, sessions=True)
    split = splitter.split(clicks)
    assert len(split.test) == 60_858  # as its README says
    assert split.test.left_out == {"requests with nothing before them": 15_963}  # the sessions
    requests, frame = split.test.requests, clicks.interactions.frame
    sessions = frame.filter(split="test").group_by("user").agg(pl.col("item").sort_by("time"))
    pairs = {
        (user, *items[: place + 1])
        for user, items in sessions.rows()
        for place in range(1, len(items))
    }
    histories, truth = requests.history.items.lists(), split.test.truth.lists()
    asked = zip(requests.user.tolist(), histories, truth, strict=True)
    assert {(user, *history, *right) for user, history, right in asked} == pairs
    assert tr.evaluate(tr.Popular().fit(split.train, tr.Run()), split.test).requests == 60_858


def test_the_last_tenth_of_the_training_sessions_validates(clicks: Dataset) -> None:
    splitter = tr.Published(requests="event", seen="allow", shortest=1, sessions=True)
    split = splitter.split(clicks)
    assert split.valid is not None
    learned = split.train.interactions.users.unique()
    held, asked = split.valid.requests.user.unique(), split.test.requests.user.unique()
    assert len(learned) + len(held) == 186_670
    assert len(held) == 18_667
    assert learned.max() < held.min() <= held.max() < asked.min()  # numbered as they came


def test_kinds_survive_the_import(visits: Dataset) -> None:
    raw = pl.read_parquet(ROOT / "retailrocket-mbht" / "interactions.parquet")
    assert visits.interactions.kinds == ["buy", "cart", "view"]
    frame = visits.interactions.frame.with_columns(
        user=visits.catalog.users.ids.gather(visits.interactions.frame["user"]).cast(pl.String),
        kind=pl.col("kind").cast(pl.String),
    )
    by = ["user", "time"]
    there = frame.sort(by).select("user", "time", "kind", "is_target")
    given = raw.select(
        pl.col("user_id").cast(pl.String).alias("user"),
        pl.col("position").cast(pl.Int64).alias("time"),
        pl.col("event").alias("kind"),
        "is_target",
    )
    assert there.equals(given.sort(by))


def test_kinds_lie_beside_items_in_training_and_in_questions(
    visits: Dataset, purchases: Split
) -> None:
    codes = visits.interactions.frame["kind"].to_physical().cast(pl.Int64)
    frame = visits.interactions.frame.with_columns(code=codes)
    whole = {
        user: list(zip(items, kinds, strict=True))
        for user, items, kinds in frame.group_by("user")
        .agg(pl.col("item").sort_by("time"), pl.col("code").sort_by("time"))
        .rows()
    }
    learned, requests = purchases.train.interactions.users.unique(), purchases.test.requests
    assert told(purchases.train.histories[learned]) == [whole[one] for one in learned.tolist()]
    assert told(requests.history) == [whole[one][:-1] for one in requests.user.tolist()]


def told(histories: Histories) -> list[list[tuple[int, int]]]:
    """Item and kind of each event."""
    assert histories.kind is not None
    kinds = replace(histories.items, values=histories.kind)
    pairs = zip(histories.items.lists(), kinds.lists(), strict=True)
    return [list(zip(*pair, strict=True)) for pair in pairs]


def test_the_bought_target_is_asked_after_everything_before_it(
    visits: Dataset, purchases: Split
) -> None:
    frame = visits.interactions.frame
    targets = frame.filter(pl.col("is_target") & (pl.col("split") == "test")).sort("user")
    assert len(purchases.test) == targets.height == 2000
    assert purchases.test.truth.values.tolist() == targets["item"].to_list()
    assert set(targets["kind"].cast(pl.String)) == {"buy"}
    assert len(purchases.test.requests.history.items.pairs()[0]) == 8413
    learned = purchases.train.interactions.users.unique()
    assert not torch.isin(purchases.test.requests.user, learned).any()


def test_nearly_all_targets_are_repeats_and_the_last_cart_finds_most(purchases: Split) -> None:
    """99.3 % of the targets are in their history, as the README says: nobody can repeat more."""
    metrics = ["recall@1", "recall@5", "recall@10", "recall@50", "ndcg@10"]
    reports = {
        name: tr.evaluate(method.fit(purchases.train, tr.Run()), purchases.test, metrics)
        for name, method in {
            "popular": tr.Popular(),
            "last": tr.Repeat(),
            "cart": tr.Repeat(weights=(("cart", 2.0), ("buy", 0.5))),
        }.items()
    }
    found = {
        name: {metric: value.value for metric, value in report.metrics.items()}
        for name, report in reports.items()
    }
    assert found["popular"]["recall@10"] < 0.05
    assert found["last"]["recall@50"] == pytest.approx(0.993)
    assert found["last"]["recall@1"] > 0.8
    assert found["cart"]["recall@1"] > found["last"]["recall@1"] + 0.05
    assert all(report.alarm is None for report in reports.values())  # a repeat is no leak
    assert "asked for the last event of each user, seen items: allow" in str(reports["last"])
