import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.data.build import from_tables
from tesserec.data.describe import describe
from toys.worlds import world

NOW = 2_000_000_000


def test_counts_density_and_span_of_a_world_one_can_see():
    data = world([("ann", "a", 0), ("ann", "b", 3600), ("bob", "a", 86400), ("bob", "a", 90000)])
    found = describe(data, NOW)
    assert (found.users, found.items, found.events, found.clock) == (2, 2, 4, "seconds")
    assert found.density == 3 / 4
    assert (found.first, found.last) == ("1970-01-01 00:00:00", "1970-01-02 01:00:00")
    assert found.per_user == {
        "least": 2,
        "quarter": 2,
        "median": 2,
        "three quarters": 2,
        "most": 2,
        "mean": 2,
    }
    assert found.per_item["least"] == 1
    assert found.per_item["most"] == 3


def test_the_long_tail_counts_the_most_chosen_items():
    events = [(f"u{n}", "hit") for n in range(90)]
    events += [(f"u{n}", f"i{n % 10}") for n in range(10)]
    found = describe(world(events, items=["hit", *(f"i{n}" for n in range(19))]), NOW)
    assert found.items == 20
    assert found.tail["top 1 % of items"] == 0.9
    assert found.tail["top 10 % of items"] == 0.91
    assert found.tail["top 20 % of items"] == 0.93
    assert found.cold["items without events"] == 9 / 20


def test_gini_is_the_mean_difference_of_two_items():
    counts = [1, 2, 3, 10, 0]
    events = [(f"u{n}", item) for item, count in enumerate(counts) for n in range(count)]
    found = describe(world(events, items=range(5)), NOW)
    slow = np.abs(np.subtract.outer(counts, counts)).sum() / (2 * len(counts) * sum(counts))
    assert found.tail["gini"] == pytest.approx(slow)


def test_gini_of_equally_popular_items_is_zero():
    assert describe(world([("u", 1), ("u", 2)]), NOW).tail["gini"] == 0


def test_what_the_test_part_holds_and_train_does_not_is_cold():
    parts = ["train", "train", "test", "test", "test", "test"]
    events = [("a", 1), ("b", 2), ("a", 2), ("a", 3), ("c", 1), ("c", 3)]
    found = describe(world(events, split=parts), NOW)
    assert found.parts == {"train": 2, "test": 4}
    assert list(found.parts) == ["train", "test"]
    assert found.cold["test users unseen in train"] == 1 / 2
    assert found.cold["test events with an unseen user"] == 2 / 4
    assert found.cold["test items unseen in train"] == 1 / 3
    assert found.cold["test events with an unseen item"] == 2 / 4


def test_what_is_missing_is_counted_by_column_and_by_vectors():
    items = pl.DataFrame(
        {
            "id": [1, 2, 3, 4],
            "title": ["x", None, " ", "y"],
            "tags": [["a"], [], None, ["b"]],
            "price": [1.0, float("nan"), None, 2.0],
        }
    )
    vectors = {"image": torch.tensor([[0.0, 0], [1, 0], [0, 0], [0, 1]])}
    events = pl.DataFrame({"user": [1], "item": [1]})
    found = describe(from_tables(events, items, vectors=vectors), NOW)
    assert found.missing == {
        "items.title": 0.5,
        "items.tags": 0.5,
        "items.price": 0.5,
        "items.image vectors": 0.5,
    }
    assert found.vectors == {"image": 2}


def test_pictures_are_counted_in_the_folder(tmp_path):
    data = world([("u", 1), ("u", 2)])
    (tmp_path / "media").mkdir()
    frame = pl.DataFrame({"item": [1, 77, 78], "bytes": [b"x"] * 3})  # two are of other items
    frame.write_parquet(tmp_path / "media" / "image.parquet")
    data = replace(data, folder=tmp_path)
    assert describe(data, NOW).missing == {"items.image media": 0.5}


def test_files_called_after_items_are_counted_too(tmp_path):
    data = replace(world([("u", 1), ("u", 2), ("u", 3), ("u", 4)]), folder=tmp_path)
    (tmp_path / "media" / "audio").mkdir(parents=True)
    for name in ("1.wav", "3.wav", "77.wav"):
        (tmp_path / "media" / "audio" / name).write_bytes(b"x")
    assert describe(data, NOW).missing == {"items.audio media": 0.5}


def test_kinds_are_counted():
    found = describe(world([("u", 1), ("u", 2), ("u", 1)], kind=["view", "view", "buy"]), NOW)
    assert found.kinds == {"buy": 1, "view": 2}


OFTEN = [(f"u{n % 3}", n % 4, 1_500_000_000 + 3601 * n) for n in range(12)]


def warnings(data) -> str:
    return "\n".join(describe(data, NOW).warnings)


def test_a_good_world_has_no_warnings():
    assert describe(world(OFTEN), NOW).warnings == ()


def test_exact_copies_are_counted():
    assert "Exact copies of other events: 2" in warnings(world([*OFTEN, OFTEN[0], OFTEN[0]]))


def test_events_in_the_future_are_counted():
    assert "Events in the future: 1" in warnings(world([*OFTEN, ("u0", 1, NOW + 1)]))


def test_one_time_for_all_makes_a_split_by_time_impossible():
    same = world([(f"u{n % 2}", n, 1_500_000_000) for n in range(4)])
    assert "same time: a split by time is impossible" in warnings(same)


def test_one_time_for_most_makes_a_split_by_time_impossible():
    most = [*OFTEN, *((f"u{n % 2}", 10 + n, 1_600_000_000) for n in range(20))]
    assert "20 of 32 events share one time" in warnings(world(most))


def test_whole_days_and_people_of_one_moment_are_told():
    days = [(f"u{n % 4}", n, 1_500_000_000 + 86400 * (n % 4)) for n in range(8)]
    assert "Times are whole days" in warnings(world(days))
    assert "everything at one moment: 4 of 4" in warnings(world(days))


def test_times_before_1973_are_perhaps_no_seconds():
    assert "before 1973" in warnings(world([("u", 1, 1), ("u", 2, 2)]))


def test_people_with_one_event_are_counted():
    assert "Users with one event: 1 (25 %)" in warnings(world([*OFTEN, ("new", 1, 1_500_000_001)]))


def test_a_user_with_a_large_share_of_all_events_is_named():
    events = [(f"u{n % 200}", n % 7, 1_500_000_000 + 3601 * n) for n in range(400)]
    events += [("robot", n, 1_600_000_000 + n * 61) for n in range(100)]
    assert "User 'robot' has 20 % of all events" in warnings(world(events))


def test_suspicious_ids_are_named():
    odd = [("null", 1, 1_500_000_001), ("Ann", 2, 1_500_000_003), (" ann", 3, 1_500_000_907)]
    said = warnings(world([*OFTEN, *odd]))
    assert "Among the user ids there is 'null'" in said
    assert "differ from another only in case or blanks: 1, as ' ann' and 'Ann'" in said


def test_a_dataset_without_events_says_so_and_nothing_else():
    data = from_tables(pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64}), items_of(3))
    found = describe(data, NOW)
    assert found.warnings == ("There are no events: nothing can be learned but from content.",)
    assert (found.density, found.per_user, found.tail) == (0, {}, {})
    assert found.lines()[0] == "data: 0 users, 3 items, 0 events (density 0 %)"


def items_of(count: int) -> pl.DataFrame:
    return pl.DataFrame({"id": range(count)})


def test_the_description_is_json_and_its_lines_hold_every_part():
    found = describe(tr.sample(), NOW)
    assert json.loads(json.dumps(found.to_dict())) == found.to_dict()
    text = "\n".join(found.lines())
    for part in ("4,334 users", "from 2010-12-01 08:26:00", "train 317,095", "gini", "warning:"):
        assert part in text
