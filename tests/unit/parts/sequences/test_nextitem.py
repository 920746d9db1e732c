import pytest
import torch
from torch.nn import functional

import tesserec as tr
from tesserec.core import Run
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.parts.batches import Packed, Prefixes, SequenceBatch, Sequences
from tesserec.parts.negatives import ByPopularity, Everything, InBatch, Shared, Uniform

DATA = Published(valid=0).split(toys.cycle()).train
FULL = {"objective": {"kind": "Softmax", "temperature": 1.0, "cosine": False}}


def network(batches: Sequences | None = None, **fields) -> torch.nn.Module:
    method = tr.SASRec(dim=8, dropout=0.0, batches=batches or Sequences(length=4)).changed(fields)
    with Run(seed=3).seeded("network"):
        made = method.network(DATA)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return made.eval()


def first(batches: Sequences) -> SequenceBatch:
    return next(iter(batches(DATA)(torch.Generator().manual_seed(0))))


def test_the_full_softmax_tells_each_target_from_all_items():
    batches = Sequences(size=7, length=4, sampler=Everything())
    made, batch = network(batches, **FULL), first(batches)
    states = made.states(batch)
    expected = functional.cross_entropy(
        states @ made.item_vectors().T, batch.positive, reduction="none"
    )
    torch.testing.assert_close(made.loss(batch).each, expected)


@pytest.mark.parametrize("objective", [tr.BCE(), tr.GBCE(), tr.BPR()], ids=repr)
def test_a_negative_is_compared_with_the_state_of_its_own_target(objective):
    batches = Sequences(size=7, length=4, negatives=3)
    made, batch = network(batches, objective=objective.to_dict()), first(batches)
    states, items = made.states(batch), made.item_vectors()
    scores = made.scores(batch)
    for e in range(len(batch)):
        torch.testing.assert_close(scores.positive[e], states[e] @ items[batch.positive[e]])
        expected = items[batch.negative.items[e]] @ states[e]
        torch.testing.assert_close(scores.negative[e], expected)
    torch.testing.assert_close(made.loss(batch).each, objective(scores))


@pytest.mark.parametrize("sampler", [Shared(), ByPopularity(), InBatch(), Uniform()], ids=repr)
def test_every_sampler_gives_finite_losses_and_gradients(sampler):
    batches = Sequences(size=7, length=4, negatives=5, sampler=sampler)
    made, batch = network(batches, **FULL), first(batches)
    made.loss(batch).each.mean().backward()
    assert all(one.grad is None or one.grad.isfinite().all() for one in made.parameters())
    assert made.items.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("positions", ["start", "none"])
def test_a_prefix_has_the_loss_that_its_target_has_in_the_whole_row(positions):
    """With places counted from the end it has not: there each target moves all that came before."""
    whole = Sequences(size=100, length=50, sampler=Everything())
    parts = Prefixes(size=1000, length=50, sampler=Everything())
    made = network(whole, positions=positions, **FULL)
    of_rows, of_prefixes = first(whole), first(parts)
    one = dict(zip(of_rows.row.tolist(), made.loss(of_rows).each.tolist(), strict=True))
    other = dict(zip(of_prefixes.row.tolist(), made.loss(of_prefixes).each.tolist(), strict=True))
    assert other == pytest.approx(one, rel=1e-4)


def test_places_are_counted_from_where_they_are_said_to_be():
    histories = [[1, 2, 3], [4, 5]]
    requests = tr.Requests.of(DATA.catalog, histories=histories)
    for counted, rows in (("start", [0, 1, 2, 0, 1]), ("end", [2, 1, 0, 1, 0])):
        made = network(positions=counted)
        packed = first_packed(requests)
        inputs = made.input_vectors()
        found = made.entered(packed, inputs)
        expected = inputs[packed.items] * 8**0.5 + made.places.weight[rows]
        torch.testing.assert_close(found, expected)


def first_packed(requests: tr.Requests) -> Packed:
    return Packed.of(requests.history, 4)[0]


def test_cosines_are_compared_in_training_and_in_answers():
    batches = Sequences(size=7, length=4, sampler=Everything())
    made = network(batches, objective={"kind": "Softmax", "temperature": 0.1, "cosine": True})
    batch = first(batches)
    states = functional.normalize(made.states(batch), dim=1)
    items = made.item_vectors()
    torch.testing.assert_close(items.norm(dim=1), torch.ones(20))
    expected = functional.cross_entropy(states @ items.T / 0.1, batch.positive, reduction="none")
    torch.testing.assert_close(made.loss(batch).each, expected)
    requests = tr.Requests.of(DATA.catalog, histories=[[1, 2]])
    query = made.encode(requests, made.input_vectors())
    assert query.norm().item() == pytest.approx(1, rel=1e-5)
