"""RQDINO's equations against loops, its views, and that it learns without collapse."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tesserec.core import Dataset, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.parts.batches import RowBatch
from tesserec.parts.semantic_ids.distilling import Distilling, entropy, told_apart
from tesserec.parts.semantic_ids.rqdino import RQDINO
from tesserec.parts.semantic_ids.views import cut, recoloured
from tesserec.training import Adam
from toys.worlds import world

SIDE, ITEMS, STEPS = 8, 48, 40


def drawn(**more: object) -> RQDINO:
    return RQDINO(**{**RQDINO.tiny, **more})


def gallery() -> Dataset:
    """Stripes across, stripes upright, red ones and blue ones: four kinds, with noise."""
    draw = torch.Generator().manual_seed(0)
    rows = torch.arange(SIDE) // 2 % 2
    pixels = 0.3 * torch.rand(ITEMS, 3, SIDE, SIDE, generator=draw)
    for item in range(ITEMS):
        stripes = rows[:, None] if item % 2 else rows[None, :]
        pixels[item, 2 * (item // 2 % 2)] += 0.7 * stripes
    events = [(0, item, item) for item in range(ITEMS)]
    return world(events, items=range(ITEMS), vectors={"pixels": pixels.flatten(1)})


def network_of(method: RQDINO, data: Dataset) -> Distilling:
    torch.manual_seed(0)
    codebook = method.codebook(data.catalog.items)
    pictures = codebook.read(data.catalog.items)
    return Distilling(method, codebook, pictures, torch.arange(ITEMS), STEPS)


def a_batch(step: int) -> RowBatch:
    rows = torch.arange(6)
    return RowBatch(rows, torch.ones(6), step)


# Views


def test_a_view_of_one_colour_is_that_colour_at_any_size() -> None:
    flat = torch.rand(5, 3, 1, 1).expand(5, 3, SIDE, SIDE)
    torch.testing.assert_close(cut(flat, (0.1, 1.0), 4), flat[..., :4, :4])


def test_a_view_shows_a_part_of_its_own_picture() -> None:
    """Each picture has one colour of its own, which falls from left to right and to the ground."""
    torch.manual_seed(0)
    slope = torch.linspace(0, 1, SIDE)
    pictures = torch.zeros(30, 3, SIDE, SIDE)
    own = torch.arange(30) % 3
    pictures[torch.arange(30), own] = (slope[:, None] + slope[None, :]) / 2
    views = cut(pictures, (0.2, 0.4), 4)
    for view, colour in zip(views, own.tolist(), strict=True):
        others = [c for c in range(3) if c != colour]
        assert view[colour].max() > 0
        assert view[others].max() == 0
        across = view[colour].diff(dim=1)
        assert (across >= -1e-6).all() or (across <= 1e-6).all()  # as it is, or in a mirror
        assert (view[colour].diff(dim=0) >= -1e-6).all()


def test_other_colours_stay_colours() -> None:
    torch.manual_seed(0)
    views = recoloured(torch.rand(50, 3, 4, 4))
    assert views.min() >= 0
    assert views.max() <= 1
    grey = (views.amax(1) - views.amin(1)).amax((1, 2)) < 1e-6
    assert 0 < grey.sum() < 25


# Losses


def test_each_view_is_compared_with_every_other_one_of_the_teachers() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(2, 3, 5).softmax(2)
    guesses = torch.randn(4, 3, 5).log_softmax(2)
    for example in range(3):
        costs = [
            -sum(float(wanted[t, example, k] * guesses[v, example, k]) for k in range(5))
            for t in range(2)
            for v in range(4)
            if t != v
        ]
        assert len(costs) == 6
        found = told_apart(wanted, guesses)[example]
        assert float(found) == pytest.approx(sum(costs) / 6, rel=1e-5)


def test_codes_pass_the_gradient_on_and_cost_what_they_miss() -> None:
    network = network_of(drawn(quantised_after=0.0), gallery())
    tables: Tensor = network.codebook.tables
    features = torch.randn(5, 4, requires_grad=True)
    heard, errors = network.coded(features, step=0)
    for row, feature in enumerate(features.detach()):
        rest, total, cost = feature, torch.zeros(4), 0.0
        for table in tables.detach():
            code = min(range(4), key=lambda k: float((rest - table[k]).square().sum()))
            cost += 1.25 * float((rest - table[code]).square().sum())
            total, rest = total + table[code], rest - table[code]
        torch.testing.assert_close(heard[row].detach(), total)
        assert float(errors[row].detach()) == pytest.approx(cost, rel=1e-4)
    heard.sum().backward()
    torch.testing.assert_close(features.grad, torch.ones(5, 4))


def test_the_teacher_has_no_codes_and_is_centred() -> None:
    network = network_of(drawn(teacher_temperature=(0.05, 0.05)), gallery())
    network.centre.copy_(torch.linspace(-1, 1, 8))
    views = torch.rand(4, 3, SIDE, SIDE)
    told = network.teacher_head(network.teacher.features(views))
    expected = ((told - network.centre) / 0.05).softmax(1)
    torch.testing.assert_close(network.wanted(views, 0).flatten(0, 1), expected)


def test_the_teacher_follows_at_its_pace() -> None:
    network = network_of(drawn(momentum=0.9), gallery())
    optimizer = Adam().over(network.parameters(), 0.01)
    network.loss(a_batch(3)).each.mean().backward()
    optimizer.step()
    old, new = network.teacher.out.weight.clone(), network.codebook.out.weight
    told = network.told.mean(0)
    network.stepped(optimizer, 3)
    stays = 1 - 0.1 * (1 + math.cos(math.pi * 3 / STEPS)) / 2
    torch.testing.assert_close(network.teacher.out.weight, stays * old + (1 - stays) * new)
    torch.testing.assert_close(network.centre, 0.1 * told)
    assert all(one.grad is None for one in network.teacher.parameters())
    assert network.momentum(STEPS) == 1.0


def test_temperatures_climb_and_stay() -> None:
    network = network_of(drawn(teacher_temperature=(0.04, 0.07)), gallery())
    first, middle, last = (network.teacher_temperature(step) for step in (0, 6, 39))
    assert (first, last) == (0.04, pytest.approx(0.07))
    assert middle == pytest.approx(0.055)


def test_codes_begin_as_k_means_of_what_the_student_sees_then() -> None:
    network = network_of(drawn(quantised_after=0.25), gallery())
    before = network.codebook.tables.detach().clone()
    optimizer = Adam().over(network.parameters(), 0.01)
    for step in range(network.first):
        _, errors = network.coded(torch.randn(3, 4), step)
        assert not errors.any()
        network.loss(a_batch(step))
        network.stepped(optimizer, step)
    after = network.codebook.tables.detach()
    assert not torch.equal(before, after)
    features = network.codebook.features(network.codebook.pictures(network.pictures))
    side = network.codebook.quantised(features)[0][:, 0]
    for code in side.unique().tolist():
        mine = features[side == code].mean(0)
        torch.testing.assert_close(after[0, code], mine, atol=1e-4, rtol=1e-4)
    assert network.coded(features, network.first)[1].any()


def test_codes_long_without_use_move_to_what_is_there() -> None:
    network = network_of(drawn(quantised_after=0.0, restart=2), gallery())
    with torch.no_grad():
        network.codebook.tables[1, 3] = 1000.0  # nobody is near
    optimizer = Adam().over(network.parameters(), 0.01)
    for step in range(2):
        network.loss(a_batch(step))
        network.stepped(optimizer, step)
    moved = network.codebook.tables[1, 3]
    assert moved.abs().max() < 100
    assert (network.seen[1][:, 1] - moved).abs().sum(1).min() < 1e-6


def test_entropy_is_that_of_shares() -> None:
    assert float(entropy(torch.tensor([2.0, 2.0]))) == pytest.approx(math.log(2))
    assert float(entropy(torch.tensor([1.0, 0.0, 0.0]))) == 0


# All of it


def test_it_tells_kinds_of_pictures_apart_and_says_how_it_goes(tmp_path: Path) -> None:
    method = drawn(channels=(16, 32), codes=8, answers=16, schedule={"epochs": 12, "rate": 0.003})
    found = method.fit(gallery(), Run(seed=1, folder=tmp_path))
    lines = (tmp_path / "codebook" / "log.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    assert 0.2 < last["entropy of their mean"] <= math.log(16)
    assert last["codes in use"] > 0.2
    kinds = torch.arange(ITEMS) % 4
    right = 0
    for code in found.codes.table.unique(dim=0):
        mine = kinds[(found.codes.table == code).all(1)]
        right += int(torch.bincount(mine).max())
    assert found.codes.distinct < ITEMS * 2 / 3
    assert right / ITEMS > 0.6  # by chance, with as many codes, about 0.45


def test_what_is_no_square_of_pixels_is_refused() -> None:
    data = world([(0, 0, 0)], items=[0], vectors={"pixels": torch.rand(1, 50)})
    with pytest.raises(NoContent, match="50 numbers"):
        drawn().fit(data, Run())
    with pytest.raises(BadSpec, match="from more of a picture to less"):
        drawn(small=(0.5, 0.1))
