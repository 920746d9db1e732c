from dataclasses import replace
from itertools import product
from typing import Any

import polars as pl
import pytest
import torch
from torch import Tensor

import tesserec as tr
from tesserec.core import Run
from tesserec.core.errors import BadData, BadSpec, NoContent
from tesserec.data import toys
from tesserec.data.build import from_tables
from tesserec.data.splits import Published
from tesserec.parts.batches import RowBatch
from tesserec.parts.semantic_ids.groups import Bounds, cheapest, grouped
from tesserec.parts.semantic_ids.letter import LETTER, Regularised, another
from tesserec.parts.semantic_ids.rqvae import Quantising


def small(**fields: Any) -> LETTER:
    wanted = {"levels": 2, "codes": 9, "hidden": (7,), "dim": 4, "groups": 3, **fields}
    return LETTER(collaborative="behaviour", **wanted)


def network_of(method: LETTER, items: int = 30) -> Regularised:
    """A network; of the last ten items no behaviour is known."""
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(items, 6, generator=generator)
    behaviour = torch.randn(items, 4, generator=generator)
    behaviour[-10:] = 0
    events = {"user": [0] * items, "item": list(range(items))}
    both = {"text": table, "behaviour": behaviour}
    frame = pl.DataFrame({"id": list(range(items))})
    data = from_tables(pl.DataFrame(events), frame, vectors=both, name="shop")
    method = method.changed({"vectors": "text"})
    with Run(seed=5).seeded("codebook"):
        codebook = method.codebook(data.catalog.items)
    codebook.tables.data.normal_(0, 0.5, generator=generator)
    return method.network(codebook, table, data, Run())


def batch_of(rows: Tensor, step: int = 0) -> RowBatch:
    return RowBatch(rows, torch.ones(len(rows)), step)


def test_agreement_with_behaviour_is_a_softmax_over_the_batch() -> None:
    network = network_of(small())
    rows = torch.tensor([4, 25, 0, 19, 28, 7])  # of 25 and 28 nothing is known
    told = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = network.aligned(told, rows)
    known = [row for row in rows.tolist() if row < 20]
    for place, row in enumerate(rows.tolist()):
        if row not in known:
            assert found[place] == 0
            continue
        chances = [torch.exp(told[place] @ network.behaviour[other]) for other in known]
        own = chances[known.index(row)] / sum(chances)
        torch.testing.assert_close(found[place], -own.log())


def test_a_batch_of_which_nothing_is_known_has_no_agreement_and_no_bad_gradient() -> None:
    network = network_of(small())
    told = torch.randn(3, 4, requires_grad=True)
    network.aligned(told, torch.tensor([25, 26, 27])).sum().backward()
    assert told.grad is not None
    assert (told.grad == 0).all()


def test_the_spread_is_a_softmax_over_the_other_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(small())
    network.group[1] = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2])
    wanted = {0: 2, 1: 0, 2: 1, 3: 6, 4: 3, 5: 4, 6: 5, 7: 8, 8: 7}

    def drawn(code: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        others = torch.tensor([wanted[int(one)] for one in code])
        return others, torch.ones(len(code), dtype=torch.bool)

    monkeypatch.setattr("tesserec.parts.semantic_ids.letter.another", drawn)
    levels = network.codebook.quantised(network.codebook.encoder(network.vectors))
    found, table = network.spread(1, levels), network.codebook.tables[1]
    for item, code in enumerate(levels.codes[:, 1].tolist()):
        chances = {k: torch.exp(table[code] @ table[k]) for k in range(9) if k != code}
        own = chances[wanted[code]] / sum(chances.values())
        torch.testing.assert_close(found[item], -own.log())


def test_what_a_code_is_drawn_to_is_another_of_its_group_each_as_often() -> None:
    group = torch.tensor([1, 0, 1, 1, 0, 2, 1])
    code = torch.arange(7).repeat_interleave(6000)
    torch.manual_seed(0)
    other, there = another(code, group)
    assert torch.equal(there, code != 5)  # 5 is alone
    drawn = torch.zeros(7, 7).index_put_((code, other), torch.ones(len(code)), accumulate=True)
    for one in range(7):
        others = [k for k in range(7) if k != one and group[k] == group[one]]
        if others:
            share = torch.zeros(7)
            share[others] = 6000 / len(others)
            assert (drawn[one] - share).abs().max() < 250  # five standard deviations
    assert torch.equal(other[code == 5], code[code == 5])


def test_a_code_alone_in_its_group_has_no_spread_and_no_bad_gradient() -> None:
    network = network_of(small())
    network.group[0] = torch.arange(9)
    levels = network.codebook.quantised(network.codebook.encoder(network.vectors))
    found = network.spread(0, levels)
    assert (found == 0).all()
    found.sum().backward()
    grad = network.codebook.tables.grad
    assert grad is not None
    assert (grad == 0).all()


def test_the_loss_is_that_of_rqvae_and_both_regularisers() -> None:
    network, rows = network_of(small(alignment=0.3, diversity=0.7)), torch.arange(30)
    torch.manual_seed(0)
    found = network.loss(batch_of(rows)).each
    plain = Quantising.loss(network_of(small(alignment=0.0, diversity=0.0)), batch_of(rows)).each
    levels = network.codebook.quantised(network.codebook.encoder(network.vectors))
    torch.manual_seed(0)
    spread = network.spread(0, levels) + network.spread(1, levels)
    aligned = network.aligned(levels.chosen.sum(1), rows)
    torch.testing.assert_close(found, plain + 0.3 * aligned + 0.25 * 0.7 * spread)


def test_agreement_teaches_the_encoder_and_spread_the_codes() -> None:
    network, rows = network_of(small()), torch.arange(20)
    parameters = [network.codebook.encoder[0].weight, network.codebook.tables]
    latents = network.codebook.encoder(network.vectors[rows])
    levels = network.codebook.quantised(latents)
    told = latents + (levels.chosen.sum(1) - latents).detach()
    aligned = network.aligned(told, rows).sum()
    encoder, codes = torch.autograd.grad(aligned, parameters, allow_unused=True, retain_graph=True)
    assert encoder.abs().sum() > 0
    assert codes is None
    spread = network.spread(0, levels).sum()
    encoder, codes = torch.autograd.grad(spread, parameters, allow_unused=True)
    assert encoder is None
    assert codes[0].abs().sum() > 0


def test_codes_are_grouped_again_once_an_epoch() -> None:
    network = network_of(small(batches={"size": 10}))
    optimizer = torch.optim.SGD(network.parameters(), 0.0)
    network.group.fill_(7)
    for step, regrouped in enumerate([False, False, True]):
        network.loss(batch_of(torch.arange(10), step))
        network.stepped(optimizer, step)
        assert bool((network.group < 3).all()) == regrouped
        assert bool((network.group == 7).all()) != regrouped


def test_the_cheapest_groups_within_bounds_are_those_of_trying_all() -> None:
    generator = torch.Generator().manual_seed(0)
    bounds = Bounds(groups=3, least=1, most=3)
    for _ in range(20):
        cost = torch.rand(6, 3, generator=generator)
        found = cheapest(cost, bounds)
        counts = torch.bincount(found, minlength=3)
        assert counts.min() >= 1
        assert counts.max() <= 3
        allowed = [
            sum(float(cost[i, g]) for i, g in enumerate(one))
            for one in product(range(3), repeat=6)
            if all(1 <= one.count(g) <= 3 for g in range(3))
        ]
        total = float(cost[torch.arange(6), found].sum())
        assert total == pytest.approx(min(allowed))


def test_groups_of_a_codebook_are_within_the_published_bounds() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(256, 8, generator=generator)
    points[:200] *= 0.01  # most lie together
    bounds = Bounds.published(256, 10)
    assert (bounds.least, bounds.most) == (10, 60)
    group, centres = grouped(points, points[::26][:10], bounds)
    counts = torch.bincount(group, minlength=10)
    assert counts.min() >= 10
    assert counts.max() <= 60
    for number in range(10):
        torch.testing.assert_close(centres[number], points[group == number].mean(0))


@pytest.mark.parametrize(("points", "groups"), [(1, 10), (2, 2), (3, 2), (4, 10), (700, 3)])
def test_bounds_can_always_be_kept(points: int, groups: int) -> None:
    bounds = Bounds.published(points, groups)
    assert bounds.groups * bounds.least <= points <= bounds.groups * bounds.most
    assert bounds.least >= min(points, 2)


def test_a_teacher_is_fitted_to_the_training_data_and_its_item_vectors_are_taken() -> None:
    world = Published(valid=0).split(toys.taste_told_by_text()).train
    method = LETTER(**LETTER.tiny)
    told = method.behaviour(world, Run(seed=1))
    model: Any = method.teacher.fit(world, Run(seed=1).stage("teacher"))
    assert torch.equal(told.vectors, model.item_vectors)
    assert told.known.tolist() == [True] * 24 + [False] * 6


def test_agreement_brings_behaviour_into_the_codes() -> None:
    """Vectors in which taste is the faintest of five numbers, and behaviour that tells it."""
    world = toys.checkerboard()
    taste = torch.arange(30) % 2
    table = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    sign = 2.0 * taste - 1
    table[:, 4] = 0.4 * sign
    data = world.with_vectors("text", table)
    data = data.with_vectors("liked", 3 * sign[:, None].expand(-1, 4).contiguous())
    tiny = {**LETTER.tiny, "vectors": "text", "collaborative": "liked", "levels": 1, "codes": 2}
    method = LETTER(**tiny, alignment=1.0).changed({"schedule": {"epochs": 200}})
    codes = method.fit(data, Run(seed=0)).codes.table[:, 0]
    without = method.changed({"alignment": 0.0}).fit(data, Run(seed=0)).codes.table[:, 0]

    def agreement(codes: Tensor) -> float:
        share = float((codes == taste).float().mean())
        return max(share, 1 - share)

    assert agreement(codes) > 0.9
    assert agreement(without) < 0.8


def test_wrong_vectors_of_behaviour_are_refused() -> None:
    world = toys.taste_told_by_text()
    with pytest.raises(NoContent, match="called 'liked', and there are text"):
        LETTER(collaborative="liked").behaviour(world, Run())
    with pytest.raises(BadData, match=r"latents of 32 dimensions .* of 4.* dim = 4"):
        LETTER(collaborative="text").behaviour(world, Run())
    with pytest.raises(BadSpec, match="EASE learns none"):
        LETTER(teacher=tr.EASE()).behaviour(world, Run())


def test_behaviour_of_masked_items_is_not_known() -> None:
    world = toys.taste_told_by_text()
    mask = torch.arange(30) < 11
    items = replace(world.catalog.items, masks={"text": mask})
    data = replace(world, catalog=replace(world.catalog, items=items))
    told = LETTER(collaborative="text", dim=4).behaviour(data, Run())
    assert torch.equal(told.known, mask)
