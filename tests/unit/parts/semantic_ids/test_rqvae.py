from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from tesserec.core import Dataset, Run
from tesserec.core.registry import find
from tesserec.data import toys
from tesserec.data.build import from_tables
from tesserec.data.splits import Published
from tesserec.parts.batches import RowBatch, Rows
from tesserec.parts.semantic_ids import FreeLeaves
from tesserec.parts.semantic_ids.renewal import ByAverage, ByGradient, uses
from tesserec.parts.semantic_ids.rqvae import RQVAE, Quantising
from tesserec.parts.semantic_ids.statistics import statistics
from tesserec.training import Schedule


def shop(table: Tensor) -> Dataset:
    """Items with these vectors, each chosen once."""
    events = {"user": [0] * len(table), "item": list(range(len(table)))}
    items = pl.DataFrame({"id": list(range(len(table)))})
    return from_tables(pl.DataFrame(events), items, vectors={"text": table}, name="shop")


def small(**fields: Any) -> RQVAE:
    wanted = {"levels": 3, "codes": 5, "hidden": (7,), "dim": 4, **fields}
    return RQVAE(**wanted)


def network_of(method: RQVAE, items: int = 40, width: int = 6) -> Quantising:
    """A network whose latents and codes are far enough apart to use many codes."""
    generator = torch.Generator().manual_seed(3)
    table = torch.randn(items, width, generator=generator)
    data = shop(table)
    with Run(seed=5).seeded("codebook"):
        codebook = method.codebook(data.catalog.items)
    codebook.tables.data.normal_(0, 0.5, generator=generator)
    return method.network(codebook, table, data, Run())


def batch_of(rows: Tensor, step: int = 0) -> RowBatch:
    return RowBatch(rows, torch.ones(len(rows)), step)


def gradients(network: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    named = dict(network.named_parameters())
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return {
        name: torch.zeros_like(one) if grad is None else grad
        for (name, one), grad in zip(named.items(), found, strict=True)
    }


def by_hand(network: Quantising, rows: Tensor) -> Tensor:
    """The published loss item by item and level by level; autograd does the rest."""
    method, codebook = network.method, network.codebook
    mean = torch.mean if method.means else torch.sum
    losses = []
    for row in rows.tolist():
        vector = network.vectors[row]
        if method.unit:
            vector = vector / vector.norm()
        latent = rest = codebook.encoder(vector)
        quantised, total = torch.zeros_like(latent), torch.zeros(())
        for table in codebook.tables:
            chosen = table[
                min(range(len(table)), key=lambda k: float((rest - table[k]).detach().norm()))
            ]
            total = total + mean((rest.detach() - chosen) ** 2)
            total = total + method.commitment * mean((rest - chosen.detach()) ** 2)
            rest, quantised = rest - chosen, quantised + chosen
        seen = codebook.decoder(latent + (quantised - latent).detach())
        losses.append(mean((seen - vector) ** 2) + method.quantisation * total)
    return torch.stack(losses)


@pytest.mark.parametrize(
    "fields",
    [{}, {"means": True, "quantisation": 0.25}, {"unit": True, "commitment": 0.7}],
    ids=["sums", "means", "unit"],
)
def test_the_loss_and_its_gradients_are_the_published_ones(fields: dict[str, Any]) -> None:
    network = network_of(small(**fields))
    rows = torch.arange(3, 20)
    each, wanted = network.loss(batch_of(rows)).each, by_hand(network, rows)
    torch.testing.assert_close(each, wanted)
    found, right = gradients(network, each.sum()), gradients(network, wanted.sum())
    for name, one in right.items():
        torch.testing.assert_close(found[name], one, msg=name)


def test_reconstruction_teaches_encoder_and_decoder_and_no_code() -> None:
    network = network_of(small(quantisation=0.0))
    found = gradients(network, network.loss(batch_of(torch.arange(40))).each.sum())
    assert found["codebook.encoder.0.weight"].abs().sum() > 0
    assert found["codebook.decoder.0.weight"].abs().sum() > 0
    assert found["codebook.tables"].abs().sum() == 0


def test_a_row_costs_and_teaches_the_same_in_a_batch_of_any_length() -> None:
    """Batches of odd length are filled up with rows that must not count."""
    network = network_of(small(hidden=(160,)), items=90, width=140)
    rows = torch.arange(90)  # 96 when they are filled
    together = network.loss(batch_of(rows)).each
    apart = [network.loss(batch_of(few)).each for few in rows.split(30)]
    assert together.shape == (90,)
    torch.testing.assert_close(together, torch.cat(apart))
    found = gradients(network, together.sum())
    wanted = gradients(network, torch.cat(apart).sum())
    for name, one in wanted.items():
        torch.testing.assert_close(found[name], one, msg=name, rtol=1e-4, atol=1e-5)


def test_nothing_asks_for_a_gradient_of_the_vectors() -> None:
    network = network_of(small())
    assert not network.vectors.requires_grad
    assert "vectors" not in network.state_dict()


def nested(outer: int, inner: int, each: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clouds around the same `inner` points around `outer` points far apart; and both numbers."""
    generator = torch.Generator().manual_seed(0)
    coarse = 8 * torch.randn(outer, 12, generator=generator)
    fine = torch.randn(inner, 12, generator=generator)
    points = (coarse[:, None] + fine)[:, :, None].expand(-1, -1, each, -1).reshape(-1, 12)
    points = points + 0.01 * torch.randn(len(points), 12, generator=generator)
    number = torch.arange(outer * inner).repeat_interleave(each)
    return points, number // inner, number


def partition(codes: Tensor) -> set[tuple[int, ...]]:
    """Which items are together, whatever their codes are called."""
    _, number = codes.unique(dim=0, return_inverse=True)
    return {tuple((number == one).nonzero()[:, 0].tolist()) for one in number.unique()}


def test_nested_clouds_become_levels() -> None:
    points, coarse, fine = nested(outer=4, inner=4, each=20)
    method = RQVAE(
        levels=2,
        codes=4,
        hidden=(),  # a layer without ReLU: what is a sum of two parts stays one
        dim=8,
        renewal=ByAverage(decay=0.9),  # a gradient would take thousands of steps to follow
        batches=Rows(size=64),
        schedule=Schedule(epochs=60, rate=1e-3, patience=None),
    )
    codes = method.fit(shop(points), Run(seed=0)).codes.table
    assert partition(codes[:, :1]) == partition(coarse[:, None])
    assert partition(codes) == partition(fine[:, None])


def test_what_is_decoded_is_near_what_was_encoded() -> None:
    points, _, _ = nested(outer=4, inner=4, each=20)
    method = RQVAE(
        levels=2,
        codes=8,
        hidden=(32,),
        dim=8,
        batches=Rows(size=64),
        schedule=Schedule(epochs=60, rate=3e-3, patience=None),
    )
    found = method.fit(shop(points), Run(seed=0))
    told = found.codebook.decode(found.codes.table)
    assert told.shape == points.shape
    left = (told - points).square().sum() / (points - points.mean(0)).square().sum()
    assert float(left) < 0.05
    new = points[:5] + 0.01  # never seen
    assert torch.equal(found.codebook.encode(new), found.codes.table[:5])


def stepping(network: Quantising, rate: float = 0.0) -> Callable[[Tensor], None]:
    """Steps as training takes them."""
    optimizer = torch.optim.Adam(network.parameters(), rate)
    taken = [0]

    def step(rows: Tensor) -> None:
        network.loss(batch_of(rows, taken[0])).each.mean().backward()
        optimizer.step()
        network.stepped(optimizer, taken[0])
        optimizer.zero_grad()
        taken[0] += 1

    cast(Any, step).optimizer = optimizer
    return step


@pytest.mark.parametrize("renewal", [ByGradient(), ByAverage()], ids=["gradient", "average"])
def test_codes_without_use_move_to_what_a_batch_left(renewal: Any) -> None:
    network = network_of(small(restart=3, renewal=renewal))
    tables, rows = network.codebook.tables, torch.arange(40)
    far = torch.full((3, 4), 1000.0)  # nobody will ever be near
    with torch.no_grad():
        tables[1, 2:] = far
    network.follower.moved(torch.tensor([1, 1, 1]), torch.tensor([2, 3, 4]), far)
    step = stepping(network)
    step(rows)
    step(rows)
    torch.testing.assert_close(tables[1, 2:].detach(), far)
    step(rows)  # the third without use
    assert network.seen is not None
    rests = network.seen.rests[:, 1]
    for code in tables[1, 2:]:
        assert (rests == code).all(1).any()
    assert len(tables[1, 2:].unique(dim=0)) == 3  # each to an item of its own
    step(rows)
    used = uses(network.seen.codes, 3, 5)
    assert (used[1, 2:] > 0).all()
    assert (network.idle[1, 2:] == 0).all()


def test_a_code_that_is_used_now_and_then_stays() -> None:
    network = network_of(small(restart=2, levels=1, codes=2))
    tables = network.codebook.tables
    latents = network.codebook.encoder(network.vectors).detach()
    with torch.no_grad():
        tables[0, 0], tables[0, 1] = latents[0], latents[1]
    before, step = tables.detach().clone(), stepping(network)
    for row in (0, 1, 0, 1, 0, 1):
        step(torch.tensor([row]))
    assert torch.equal(tables.detach(), before)


def test_a_code_that_moved_keeps_nothing_of_what_drove_the_old_one() -> None:
    network = network_of(small(restart=2))
    tables, rows = network.codebook.tables, torch.arange(40)
    step = stepping(network, 1e-3)
    step(rows)
    moments = cast(Any, step).optimizer.state[tables]["exp_avg"]
    moments[0, 3] = 9.0
    network.idle[0, 3] = 5
    with torch.no_grad():
        tables[0, 3] = 1000.0
    step(rows)
    assert float(tables[0, 3].detach().abs().max()) < 100
    assert (moments[0, 3] == 0).all()


def test_without_restart_nothing_moves() -> None:
    network = network_of(small(restart=None))
    with torch.no_grad():
        network.codebook.tables[1, 2:] = 1000.0
    step = stepping(network)
    for _ in range(5):
        step(torch.arange(40))
    assert (network.codebook.tables[1, 2:] == 1000).all()


def test_averages_are_those_of_a_loop() -> None:
    network = network_of(small(renewal=ByAverage(decay=0.8), restart=None))
    tables = network.codebook.tables
    counts, sums = torch.ones(3, 5), tables.detach().clone()
    step = stepping(network)
    for rows in torch.arange(40).split(13):
        step(rows)
        assert network.seen is not None
        seen = network.seen
        for level in range(3):
            for code in range(5):
                chosen = [
                    seen.rests[e, level] for e in range(len(rows)) if seen.codes[e, level] == code
                ]
                counts[level, code] = 0.8 * counts[level, code] + 0.2 * len(chosen)
                total = sum(chosen, torch.zeros(4))
                sums[level, code] = 0.8 * sums[level, code] + 0.2 * total
                wanted = sums[level, code] / counts[level, code]
                torch.testing.assert_close(tables[level, code].detach(), wanted)


def test_averaged_codes_have_no_gradient_and_no_loss_of_their_own() -> None:
    network = network_of(small(renewal=ByAverage()))
    rows = torch.arange(40)
    each = network.loss(batch_of(rows)).each
    assert not network.codebook.tables.requires_grad
    learned = network_of(small())
    levels = learned.codebook.quantised(learned.codebook.encoder(learned.vectors))
    own = (levels.chosen - levels.rests).square().sum((1, 2))
    torch.testing.assert_close(each, learned.loss(batch_of(rows)).each - own)


def test_an_average_of_nothing_stays_where_it_was() -> None:
    network = network_of(small(renewal=ByAverage(decay=0.1), restart=None))
    with torch.no_grad():
        network.codebook.tables[1, 2:] = 1000.0
        cast(Any, network.follower).sums[1, 2:] = 1000.0
    step = stepping(network)
    for _ in range(60):  # its count is far below what a float can hold
        step(torch.arange(40))
    torch.testing.assert_close(network.codebook.tables[1, 2:], torch.full((3, 4), 1000.0))


def test_codes_begin_as_k_means_of_residuals() -> None:
    points, _, _ = nested(outer=4, inner=4, each=20)
    method = RQVAE(levels=2, codes=16, hidden=(32,), dim=8, schedule=Schedule(epochs=1, rate=1e-9))
    begun = method.fit(shop(points), Run(seed=0)).codes.table
    small = method.changed({"initial": "none"}).fit(shop(points), Run(seed=0)).codes.table
    assert len(begun[:, 0].unique()) == 16
    assert len(small[:, 0].unique()) < 16


def test_with_half_the_digits_the_nearest_code_is_still_found() -> None:
    network = network_of(small(codes=40), items=200)
    with torch.autocast("cpu", torch.bfloat16):
        each = network.loss(batch_of(torch.arange(200))).each
    assert each.dtype == torch.float32
    assert network.seen is not None
    for level, table in enumerate(network.codebook.tables.detach().double()):
        away = torch.cdist(network.seen.rests[:, level].double(), table)
        assert torch.equal(network.seen.codes[:, level], away.argmin(1))


@pytest.mark.parametrize("kind", ["RQVAE", "LETTER"])
def test_a_killed_run_goes_on_to_the_same_codes(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = {**find(kind).tiny, "schedule": {"epochs": 4, "rate": 0.01}}
    method = find(kind)(**tiny, renewal=ByAverage(), restart=3)
    data = toys.taste_told_by_text()
    wanted = method.fit(data, Run(seed=1)).codes.table
    run, stepped = Run(seed=1, folder=tmp_path, checkpoint_minutes=0.0), Quantising.stepped

    def killed(self: Quantising, optimizer: torch.optim.Optimizer, step: int) -> None:
        if step == 9:
            raise KeyboardInterrupt
        stepped(self, optimizer, step)

    with monkeypatch.context() as during:
        during.setattr(Quantising, "stepped", killed)
        with pytest.raises(KeyboardInterrupt):
            method.fit(data, run)
    steps: list[int] = []

    def counted(self: Quantising, optimizer: torch.optim.Optimizer, step: int) -> None:
        steps.append(step)
        stepped(self, optimizer, step)

    monkeypatch.setattr(Quantising, "stepped", counted)
    assert torch.equal(
        method.fit(data, replace(run, resume=True, checkpoint_minutes=10.0)).codes.table, wanted
    )
    assert steps[0] == 9  # the step that was cut short, and none before it


def test_a_validation_part_changes_nothing() -> None:
    split = Published().split(toys.taste_told_by_text())
    method = RQVAE(**RQVAE.tiny)
    codes = method.fit(split.train, Run(seed=1)).codes.table
    other = method.fit(split.train, Run(seed=1, valid=split.valid)).codes.table
    assert torch.equal(codes, other)


def lengthy(**fields: Any) -> tuple[RQVAE, Dataset]:
    """A quantizer of directions, and vectors of lengths that say nothing."""
    table = 10 * torch.randn(80, 6, generator=torch.Generator().manual_seed(0))
    return small(codes=8, unit=True, schedule=Schedule(epochs=60, rate=0.01), **fields), shop(table)


def test_codes_of_unit_vectors_are_held_against_unit_vectors() -> None:
    method, data = lengthy()
    found = method.fit(data, Run())
    told = statistics(found, method.unique(found, data.popularity))
    wanted = nn.functional.normalize(found.vectors, dim=1)
    left = (found.codebook.decode(found.codes.table) - wanted).square()
    spread = (wanted - wanted.mean(0)).square()
    assert told.error == pytest.approx(float(left.mean()), rel=1e-5)
    assert told.unexplained == pytest.approx(float(left.sum() / spread.sum()), rel=1e-5)
    assert told.unexplained < 0.6


def test_items_move_to_the_same_leaves_whatever_the_length_of_their_vectors() -> None:
    method, data = lengthy(collisions=FreeLeaves())
    found = method.fit(data, Run())
    assert found.codes.distinct < 80
    unit = replace(found, vectors=nn.functional.normalize(found.vectors, dim=1))
    ids, wanted = (method.unique(one, data.popularity) for one in (found, unit))
    assert torch.equal(ids.table, wanted.table)
    items = replace(data.catalog.items, vectors={"text": unit.vectors})
    new, same = (method.more(found.codebook, ids, one) for one in (data.catalog.items, items))
    assert torch.equal(new.table, same.table)
