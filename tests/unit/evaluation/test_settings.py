"""Marks of settings: what must come out for chance, for one who knows, and for content."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

import tesserec as tr
from tesserec.core import Requests, Split
from tesserec.core.errors import BadRequest
from tesserec.data import toys
from tesserec.evaluation import Report, Value, evaluate_settings, find_leaks, side_by_side
from tesserec.recommenders import ScoreRecommender

METRICS = ["recall@10", "ndcg@10", "cold@10", "reach@10"]


@dataclass
class Chance(nn.Module):
    """Other scores at every request."""

    items: int

    def __post_init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def score_all(self, requests: Requests) -> Tensor:
        return torch.rand(len(requests), self.items, generator=self.generator)


class Oracle(nn.Module):
    """Knows what each user chooses at each moment."""

    def __init__(self, data: tr.Dataset) -> None:
        super().__init__()
        self.items = len(data.catalog.items)
        rows = data.interactions.frame.select("user", "time", "item").rows()
        self.chosen = {(user, time): item for user, time, item in rows}

    def score_all(self, requests: Requests) -> Tensor:
        asked = zip(requests.user.tolist(), requests.time.tolist(), strict=True)
        scores = torch.zeros(len(requests), self.items)
        scores[torch.arange(len(requests)), [self.chosen[pair] for pair in asked]] = 1
        return scores


def cold(**sizes: int) -> tuple[tr.Dataset, Split]:
    data = toys.newcomers(**sizes)
    return data, tr.ColdStart(published=True).split(data)


def test_chance_finds_as_many_as_there_are_places_in_each_setting():
    data, split = cold(users=300, items=100, late=60)
    chance = ScoreRecommender(Chance(len(data.catalog.items)), data.catalog)
    found = evaluate_settings(chance, split, ["recall@10"])
    for name, holdout in split.settings.items():
        requests = holdout.requests
        new = requests.allowed
        seen = requests.history.items
        if new is None:
            ranked = len(data.catalog.items) - seen.lengths
        else:
            rows, items = seen.pairs()
            ranked = new.sum() - torch.bincount(rows[new[items]], minlength=len(seen))
        expected = (10 / ranked).mean()
        error = float((expected * (1 - expected) / len(holdout)).sqrt())
        reached = found[name].metrics["recall@10"].value
        assert reached == pytest.approx(float(expected), abs=4 * error), name


def test_who_knows_the_target_finds_it_in_each_setting():
    data, split = cold()
    oracle = ScoreRecommender(Oracle(data), data.catalog)
    found = evaluate_settings(oracle, split, ["recall@1", "ndcg@1", "reach@1"])
    assert list(found) == list(split.settings)
    for report in found.values():
        assert {one.value for one in report.metrics.values()} == {1.0}


def test_content_finds_new_items_and_neighbours_by_events_do_not():
    _, split = cold()
    content, events = (
        evaluate_settings(method.fit(split.train, tr.Run()), split, METRICS)
        for method in (tr.ContentKNN(), tr.ItemKNN())
    )
    assert content["item_cold"].metrics["recall@10"].value == 1
    assert content["item_cold"].metrics["reach@10"].value == 1
    assert content["warm"].metrics["cold@10"].value > 0.3
    assert events["item_cold"].metrics["recall@10"].value == 0
    assert events["item_cold"].metrics["reach@10"].value == 0
    assert events["warm"].metrics["cold@10"].value == 0
    assert events["warm"].metrics["recall@10"].value == 1
    assert events["user_cold"].metrics["recall@10"].value == 1


def test_content_knows_no_difference_between_known_and_new_items():
    """The same content gives the same scores, whether an item was learned from or not."""
    data, split = cold()
    everything, learned = (tr.ContentKNN().fit(one, tr.Run()) for one in (data, split.train))
    requests = split.settings["item_cold"].requests
    items = torch.arange(len(data.catalog.items)).expand(len(requests), -1)
    assert torch.equal(learned.score(requests, items), everything.score(requests, items))


def test_among_new_items_who_scores_all_alike_is_at_chance():
    """Everybody chooses the first new items of their rows here, so that rows would tell."""
    data, split = cold(users=300, items=100, late=60)
    first = int(split.settings["among_cold"].requests.allowed.nonzero()[0])
    among = split.settings["among_cold"]
    favourites = among.truth.values < first + 20
    some = {"among_cold": among[favourites.nonzero()[:, 0]]}
    split = replace(split, settings={**split.settings, **some})

    class Blank(nn.Module):
        def score_all(self, requests: Requests) -> Tensor:
            return torch.zeros(len(requests), len(data.catalog.items))

    blank = ScoreRecommender(Blank(), data.catalog)
    found = evaluate_settings(blank, split, ["recall@10", "recall@60"])["among_cold"].metrics
    assert found["recall@10"].low < 10 / 60 < found["recall@10"].high
    assert found["recall@60"].value == 1


def test_an_item_is_reached_if_anybody_is_shown_it_in_whatever_setting():
    data, split = cold()
    table = torch.zeros(40, 30)
    table[int(split.settings["user_cold"].requests.user[0]), 29] = 1  # shown to one newcomer alone

    class Shown(nn.Module):
        def score_all(self, requests: Requests) -> Tensor:
            return table[requests.user]

    found = evaluate_settings(ScoreRecommender(Shown(), data.catalog), split, ["reach@1"])
    assert found["item_cold"].metrics["reach@1"].value == 1 / 8
    assert found["item_cold"].facts["targets"] == 8


def test_a_split_that_learns_from_what_is_to_be_new_is_found_out():
    data, split = cold()
    leaky = replace(split, train=data)
    leaks = " ".join(find_leaks(leaky))
    assert "item_cold: items that are to be new have training events" in leaks
    assert "user_cold: people who are to be new have training events" in leaks


def report_of(name: str, values: list[float], seeds: tuple[float, float] = (0.0, 0.0)) -> Report:
    """A report whose interval over seeds says something else than its requests."""
    each = pl.DataFrame({"request": range(len(values)), "user": 0, "recall@10": values})
    mean = float(np.mean(values))
    metrics = {"recall@10": Value(mean, *seeds), "reach@10": Value(0.5)}
    source: dict[str, str] = {}
    facts = {"targets": 3}
    counted = (len(values), {}, metrics, {}, 1, 0.0, "digest", each)
    return Report(name, {}, source, "event", "exclude", *counted, facts=facts)


def test_methods_whose_intervals_overlap_are_not_ranked():
    close = [{"warm": report_of(n, [v, 1 - v] * 50)} for n, v in (("A", 0.9), ("B", 0.8))]
    far = {"warm": report_of("C", [0.1, 0.2] * 50)}
    (setting,) = side_by_side([*close, far])
    assert setting.alike("recall@10") == {"A", "B"}
    assert setting.told("recall@10").startswith("warm: the intervals of A, B overlap in recall@10")
    (alone,) = side_by_side([close[0], far])
    assert alone.told("recall@10").startswith("warm: A is best, recall@10 0.5000 [")
    assert (setting.requests, setting.targets) == (100, 3)
    assert "without an interval" in setting.told("reach@10")


def test_intervals_are_over_requests_and_not_over_seeds():
    (setting,) = side_by_side([{"warm": report_of("A", [0.0, 1.0] * 50, seeds=(0.5, 0.5))}])
    value = setting.found.values["A"]["recall@10"]
    assert value.low < 0.45
    assert value.high > 0.55


def test_nothing_found_in_a_few_requests_is_not_known_to_be_nothing():
    (setting,) = side_by_side(
        [
            {"item_cold": report_of("A", [0.0] * 20)},
            {"item_cold": report_of("B", [1.0] + [0.0] * 19)},
        ]
    )
    values = setting.found.values
    assert values["A"]["recall@10"].high == pytest.approx(1 - 0.025 ** (1 / 20))
    assert setting.alike("recall@10") == {"A", "B"}


def test_methods_that_were_asked_otherwise_are_not_compared():
    with pytest.raises(BadRequest, match="same settings"):
        side_by_side([{"warm": report_of("A", [1.0, 0.0])}, {"test": report_of("B", [1.0, 0.0])}])
