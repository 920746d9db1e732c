"""The monitor's figures against slow references; its verdicts on worlds whose answer is known."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon

from tesserec.core.errors import DamagedFile
from tesserec.evaluation.metrics import Answers
from tesserec.evaluation.metrics import gini as gini_of_answers
from tesserec.lifecycle.monitor import TRAINED, Known, Live, Trained, look
from tesserec.lifecycle.monitor.drift import (
    by_chance,
    divergence,
    gini,
    popularity_bins,
    popularity_shift,
    stability,
    stability_by_chance,
)
from tesserec.lifecycle.monitor.live import EVENTS, SHOWN, clicked, daily, foreseen
from tesserec.lifecycle.monitor.report import begins
from tesserec.lifecycle.monitor.signals import Limit, fallen, share
from toys.worlds import world

DAY = 86_400
NOW = 1_700_000_000
ITEMS = [f"i{n}" for n in range(60)]
USERS = [f"u{n}" for n in range(300)]
SHARES = 1 / np.arange(1, 61)
SHARES = SHARES / SHARES.sum()


def events(
    count: int, days: tuple[float, float], seed: int, shares: Any = SHARES, users: Any = USERS
) -> pl.DataFrame:
    """Events drawn by these shares, evenly over some days before now, oldest first."""
    draw = np.random.default_rng(seed)
    time = NOW - (DAY * draw.uniform(*days, count)).astype(np.int64)
    columns = {
        "user": draw.choice(users, count),
        "item": draw.choice(ITEMS, count, p=shares),
        "time": time,
    }
    return pl.DataFrame(columns, schema=EVENTS).sort("time")


def answers(users: list[str | None], items: list[list[str]], times: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"user": users, "items": items, "time": times}, schema=SHOWN)


def trained(count: int = 20_000) -> Trained:
    """Learned from two hundred days, the newest event eleven days ago."""
    data = world(events(count, (11, 211), seed=1).rows(), items=ITEMS)
    return Trained.of(data, moment=NOW - 10 * DAY)


KNOWN = Known(pl.Series(ITEMS), pl.Series(USERS))
NOTHING = (pl.DataFrame(schema=EVENTS), pl.DataFrame(schema=SHOWN))


def seen(happened: pl.DataFrame, shown: pl.DataFrame | None = None, **more: Any) -> dict[str, Any]:
    """The signals of a report by name."""
    learned = more.pop("learned", trained())
    since = begins(learned, NOW)
    live = Live.between(happened, NOTHING[1] if shown is None else shown, since, NOW)
    report = look("v", more.pop("known", KNOWN), learned, live, **more)
    return {one.name: one for one in report.signals}


# Equations


def test_the_stability_index_is_the_sum_over_bins() -> None:
    before, now = np.array([10, 0, 30]), np.array([5, 2, 1])
    slow = 0.0
    for bin in range(3):
        p = (before[bin] + 0.5) / (40 + 1.5)
        q = (now[bin] + 0.5) / (8 + 1.5)
        slow += (q - p) * math.log(q / p)
    assert stability(before, now) == pytest.approx(slow)
    assert stability(1 + before, 7 + 7 * before) < 0.01


def test_without_drift_one_index_in_twenty_is_above_what_chance_allows() -> None:
    draw = np.random.default_rng(3)
    above = 0
    for _ in range(1000):
        before, now = draw.multinomial(5000, [0.1] * 10), draw.multinomial(2000, [0.1] * 10)
        above += stability(before, now) > stability_by_chance(10, 5000, 2000)
    assert 0.03 < above / 1000 < 0.07


def test_the_divergence_is_scipys_distance_squared() -> None:
    draw = np.random.default_rng(0)
    before, now = draw.integers(0, 9, 40), draw.integers(0, 4, 40)
    expected = jensenshannon(before, now, base=2)
    assert math.sqrt(divergence(before, now)) == pytest.approx(expected)
    assert divergence(np.array([1, 0]), np.array([0, 9])) == pytest.approx(1)
    assert divergence(before, before) == pytest.approx(0)


def test_what_chance_makes_is_what_two_samples_of_one_world_have() -> None:
    draw = np.random.default_rng(5)
    found = []
    for _ in range(20):
        before, now = draw.multinomial(3000, SHARES), draw.multinomial(400, SHARES)
        shift, apart = by_chance(before, now)
        found.append((popularity_shift(before, now) - shift, divergence(before, now) - apart))
    means, spread = np.mean(found, 0), np.std(found, 0) / math.sqrt(20)
    assert (abs(means) < 3 * spread).all()
    assert divergence(before, now) > 3 * abs(means[1])  # which is not so before chance is taken off


def test_each_popularity_bin_holds_about_as_many_events() -> None:
    counts = np.random.default_rng(2).permutation(np.arange(1, 400))
    bins = popularity_bins(counts)
    held = np.bincount(bins, counts) / counts.sum()
    assert len(held) == 10
    assert abs(held - 0.1).max() < 0.005
    by_bin = [counts[bins == one] for one in range(10)]
    assert all(a.min() >= b.max() for a, b in pairwise(by_bin))
    assert set(popularity_bins(np.array([1, 97, 1, 1]))) == {0, 1}


def test_gini_is_that_of_reports() -> None:
    shown = np.random.default_rng(0).integers(0, 12, (30, 4))
    report = Answers(shown, shown > 100, np.ones(30, np.int64))
    counts = np.bincount(shown.ravel(), minlength=15)
    assert gini(counts) == pytest.approx(gini_of_answers(report, 4, 15))
    assert gini(np.zeros(3, np.int64)) == 0


def test_clicks_and_foresight_are_what_loops_count() -> None:
    draw = np.random.default_rng(7)
    happened = events(400, (0, 3), 8, users=USERS[:20])
    users = [None if one % 9 == 0 else f"u{one % 20}" for one in range(200)]
    lists = [draw.choice(ITEMS, 12, replace=False).tolist() for _ in users]
    times = (NOW - 3 * DAY * draw.uniform(size=200)).tolist()
    live = Live.between(happened, answers(users, lists, times), NOW - 4 * DAY, NOW)
    window, k = 0.5 * DAY, 5
    said = [
        any(
            user == one and item in items and shown - 1 < time <= shown + window
            for one, item, time in happened.rows()
        )
        for user, items, shown in zip(users, lists, times, strict=True)
        if user is not None
    ]
    found = clicked(live, window)
    assert found["is_hit"].to_list() == said
    assert 10 < sum(said) < len(said)
    slow = []
    for user, item, time in happened.rows():
        before = [
            (math.floor(shown), items)
            for one, items, shown in zip(users, lists, times, strict=True)
            if one == user and math.floor(shown) <= time <= math.floor(shown) + window
        ]
        if before:
            slow.append(item in max(before)[1][:k])
    asked = foreseen(live, k, window)
    assert asked["is_hit"].to_list() == slow
    assert 0 < sum(slow) < len(slow) < 400
    for day, tries, hits in daily(found, NOW).rows():
        times = [one for one in found.rows() if -((NOW - one[0]) // DAY) == day]
        assert (tries, hits) == (len(times), sum(hit for _, hit in times))


def test_activity_counts_the_days_of_people() -> None:
    rows = [("a", "i", DAY + n) for n in range(5)] + [("a", "j", 3 * DAY), ("b", "j", DAY)]
    learned = Trained.of(world(rows))
    assert learned.activity == (2, 0, 1, 0, 0, 0)
    assert learned.events == 7
    assert (learned.first, learned.newest) == (DAY, 3 * DAY)
    assert learned.per_day == pytest.approx(3.5)


def test_what_was_learned_later_is_added_and_all_is_read_back(tmp_path: Path) -> None:
    one, two = events(300, (20, 40), 1), events(80, (3, 12), 2)
    first, second = (Trained.of(world(part.rows()), moment=9.0) for part in (one, two))
    both = first.plus(second)
    assert dict(both.items.rows()) == Counter([*one["item"], *two["item"]])
    assert (both.first, both.newest) == (first.first, second.newest)
    assert sum(both.activity) == sum(first.activity) + sum(second.activity)
    both.save(tmp_path)
    both.save(tmp_path)
    again = Trained.read(tmp_path)
    assert again is not None
    assert again.items.equals(both.items)
    names = ("moment", "first", "newest", "activity", "usual_shift", "usual_distance")
    assert [getattr(again, name) for name in names] == [getattr(both, name) for name in names]
    assert Trained.read(tmp_path / "elsewhere") is None
    (tmp_path / TRAINED / "items.parquet").write_bytes(b"")
    with pytest.raises(DamagedFile):
        Trained.read(tmp_path)


# Verdicts


def test_events_of_the_same_world_are_no_drift() -> None:
    for seed in range(5):
        found = seen(events(1000, (0, 10), 100 + seed))
        names = ("event_rate", "new_items", "new_people", "popularity_index", "activity_index")
        assert {name: found[name].verdict for name in names} == dict.fromkeys(names, "fine")
        assert found["popularity_distance"].verdict == "fine"
        assert found["popularity_distance"].value < 0.1
        assert found["event_rate"].value == pytest.approx(1, abs=0.1)


def test_planted_drift_is_told() -> None:
    found = seen(events(1000, (0, 10), 4, shares=SHARES[::-1]))
    assert found["popularity_index"].verdict == "act"
    assert found["popularity_distance"].verdict == "act"
    assert "tesserec update" in found["popularity_index"].do
    assert found["new_items"].verdict == "fine"
    one = np.roll(SHARES, 1)  # each item as popular as the next one was
    assert seen(events(3000, (0, 10), 4, shares=one))["popularity_distance"].verdict != "fine"


def test_what_moved_as_far_in_training_is_to_be_watched_at_most() -> None:
    early, late = events(9000, (31, 211), 1), events(1000, (11, 30), 2, shares=SHARES[::-1])
    learned = Trained.of(world([*early.rows(), *late.rows()], items=ITEMS), moment=NOW - 10 * DAY)
    assert learned.usual_shift > 0.25
    moved = np.roll(SHARES, 20)
    calm = replace(learned, usual_shift=0.0, usual_distance=0.0)
    for name in ("popularity_index", "popularity_distance"):
        told = [
            seen(events(1000, (0, 10), 4, shares=moved), learned=one)[name]
            for one in (learned, calm)
        ]
        assert [one.verdict for one in told] == ["watch", "act"]
        assert told[0].value == told[1].value <= told[0].training


def test_new_items_and_people_are_counted_and_only_crowds_are_named() -> None:
    known = Known(pl.Series(ITEMS[2:]), pl.Series(USERS[:100]))
    happened = events(1000, (0, 10), 4)
    alone = pl.DataFrame([("u0", "private", NOW - 5)] * 50, schema=EVENTS, orient="row")
    found = seen(pl.concat([happened, alone]), known=known)
    count = sum(item in ("i0", "i1", "private") for item in [*happened["item"], *alone["item"]])
    assert found["new_items"].value == pytest.approx(count / 1050)
    assert found["new_items"].low < count / 1050 < found["new_items"].high
    assert found["new_items"].verdict == "act"
    assert "i0, i1" in found["new_items"].says
    assert "private" not in found["new_items"].says
    assert found["new_people"].verdict == "act"


def test_people_who_do_far_more_in_a_day_are_told() -> None:
    found = seen(events(1000, (0, 10), 4, users=USERS[:30]))
    assert found["activity_index"].verdict == "act"


@pytest.mark.parametrize(("count", "verdict"), [(1500, "fine"), (5000, "watch"), (50, "act")])
def test_more_or_fewer_events_a_day_are_told(count: int, verdict: str) -> None:
    assert seen(events(count, (0, 10), 4))["event_rate"].verdict == verdict


def test_few_events_get_no_verdict_and_none_neither() -> None:
    for happened in (NOTHING[0], events(20, (0, 1), 4)):
        found = seen(happened)
        timeless = ("age", "newest_event")
        assert {one.verdict for name, one in found.items() if name not in timeless} == {"too few"}
        assert (found["age"].verdict, found["age"].value) == ("fine", 10)
        assert found["newest_event"].value == pytest.approx(11, abs=0.1)
        assert all(one.says for one in found.values())


def test_a_run_that_noted_nothing_still_gets_what_needs_nothing() -> None:
    found = seen(events(1000, (0, 10), 4), learned=None, written=NOW - 100 * DAY)
    assert found["age"].verdict == "act"
    assert found["new_items"].verdict == "fine"
    unknown = {name for name, one in found.items() if one.verdict == "unknown"}
    assert unknown == {
        "newest_event",
        "event_rate",
        "popularity_index",
        "popularity_distance",
        "activity_index",
    }


def test_data_without_times_and_a_catalogue_of_other_items_get_what_can_be_said() -> None:
    learned = Trained.of(world([(user, item) for user in "abc" for item in "xyz"]), moment=NOW)
    assert (learned.newest, learned.per_day, learned.usual_shift) == (None, None, None)
    found = seen(events(500, (0, 10), 4), learned=learned)
    assert found["popularity_index"].verdict == "unknown"
    assert found["event_rate"].verdict == "unknown"
    assert found["new_items"].verdict == "fine"
    nothing = Trained.of(world([]), moment=NOW)
    assert nothing.events == 0
    assert seen(events(500, (0, 10), 4), learned=nothing)["coverage"].verdict == "too few"


def test_events_the_model_learned_from_and_events_of_the_future_are_not_looked_at() -> None:
    old, future = events(500, (12, 100), 3), events(70, (-9, -1), 3)
    found = seen(pl.concat([old, events(200, (0, 10), 4), future]))
    assert found["new_items"].counted == 200


def shown_to(users: list[str], each: int, items: Any, days: float = 10) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    asked = [user for user in users for _ in range(each)]
    times = (NOW - DAY * days * draw.uniform(size=len(asked))).tolist()
    return answers(list(asked), [items(draw) for _ in asked], times)


def test_answers_that_show_a_few_items_only_are_told() -> None:
    few = shown_to(USERS, 1, lambda draw: draw.permutation(ITEMS[:10]).tolist())
    found = seen(events(200, (0, 10), 4), few)
    assert found["coverage"].value == pytest.approx(1 / 6)
    assert found["coverage"].verdict == "act"
    assert found["concentration"].verdict == "watch"
    lots = shown_to(USERS, 1, lambda draw: draw.choice(ITEMS, 5, p=SHARES).tolist())
    fine = seen(events(200, (0, 10), 4), lots)
    assert {fine[name].verdict for name in ("coverage", "concentration")} == {"fine"}
    assert fine["strangers"].verdict == "fine"
    strange = lots.with_columns(user=pl.lit(None, pl.String))
    assert seen(events(200, (0, 10), 4), strange)["strangers"].verdict == "act"


def test_a_click_rate_that_falls_is_told_and_one_that_stays_is_fine() -> None:
    lots = shown_to(USERS, 2, lambda draw: draw.choice(ITEMS, 5, replace=False).tolist())
    clicks = [
        (user, items[0], int(time) + 60)
        for place, (user, items, time) in enumerate(lots.rows())
        if place % 4 == 0
    ]
    frame = pl.DataFrame(clicks, schema=EVENTS, orient="row")
    steady = seen(frame, lots)
    assert steady["clicks"].verdict == "fine"
    assert steady["clicks"].value == pytest.approx(0.25, abs=0.02)
    assert steady["foreseen"].value > 0.9
    falls = seen(frame.filter(pl.col("time") < NOW - 5 * DAY), lots)
    assert falls["clicks"].verdict == "act"
    assert "first half" in falls["clicks"].says


def test_a_share_is_judged_by_the_near_end_of_its_interval() -> None:
    limit = Limit(0.1, 0.3)
    told = {
        (hits, tries): share("s", "S", hits, tries, limit, "{share}", "do it").verdict
        for hits, tries in ((5, 99), (12, 100), (110, 1000), (13, 100), (400, 1000))
    }
    assert told == {
        (5, 99): "too few",
        (12, 100): "fine",
        (110, 1000): "fine",
        (13, 100): "fine",
        (400, 1000): "act",
    }
    assert share("s", "S", 160, 1000, limit, "", "do it").do == "do it"
    assert fallen("f", "F", (50, 250), (49, 250), "", "do").verdict == "fine"
    assert fallen("f", "F", (50, 250), (30, 250), "", "do").verdict == "watch"
    assert fallen("f", "F", (50, 250), (30, 199), "", "do").verdict == "too few"
