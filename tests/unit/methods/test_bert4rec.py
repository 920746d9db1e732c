"""BERT4Rec against its equations, one sequence, one event and one head at a time."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Histories, Ragged, Requests
from tesserec.core.errors import BadSpec
from tesserec.methods.sequential.bert4rec import BERT4Rec, _followed
from tesserec.parts.batches import Cloze, Packed
from tesserec.parts.negatives import Uniform
from tesserec.parts.objectives import BCE
from tesserec.recommenders import EncoderRecommender
from toys.worlds import random_world

DATA = random_world(seed=5, users=14, items=25, events=150)
ITEMS = len(DATA.catalog.items)
METHOD = BERT4Rec(dim=6, heads=2, batches=Cloze(size=8, length=9, stride=3, share=0.4, last=0.2))


def random_network(method: BERT4Rec = METHOD) -> nn.Module:
    """Weights large enough for each to matter, in float64."""
    torch.manual_seed(3)
    network = method.network(DATA).double().eval()
    for weight in network.parameters():
        nn.init.normal_(weight, std=0.5)
    return network


def batches(method: BERT4Rec = METHOD):
    return list(method.batches(DATA)(torch.Generator().manual_seed(0)))


def normalised(row: Tensor, layer: nn.LayerNorm) -> Tensor:
    centred = row - row.mean()
    return centred / (centred.square().mean() + 1e-12).sqrt() * layer.weight + layer.bias


def gelu(value: Tensor) -> Tensor:
    return value * (1 + torch.erf(value / math.sqrt(2))) / 2


def slow_attention(rows: list[Tensor], attention: nn.Module, heads: int) -> list[Tensor]:
    """Each event looks at all events of its sequence, head by head."""
    dim = len(rows[0])
    size = dim // heads
    made = [attention.into.weight @ row + attention.into.bias for row in rows]
    seen = []
    for own in made:
        parts = []
        for head in range(heads):
            at = slice(head * size, (head + 1) * size)
            query = own[:dim][at]
            scores = [query @ one[dim : 2 * dim][at] / math.sqrt(size) for one in made]
            shares = torch.stack(scores).softmax(0)
            parts.append(sum(s * one[2 * dim :][at] for s, one in zip(shares, made, strict=True)))
        seen.append(attention.out.weight @ torch.cat(parts) + attention.out.bias)
    return seen


def slow_logits(network: nn.Module, items: list[int], heads: int = 2) -> Tensor:
    """How each item scores in each place of one sequence: [W, I]"""
    table = torch.cat([network.items.weight, network.mask])
    rows = [
        normalised(table[item] + network.places.weight[place], network.norm)
        for place, item in enumerate(items)
    ]
    for block in network.reader.blocks:
        seen = slow_attention(rows, block.attention, heads)
        rows = [normalised(r + s, block.before) for r, s in zip(rows, seen, strict=True)]
        after = [block.narrow(gelu(block.wide(row))) for row in rows]
        rows = [normalised(r + a, block.between) for r, a in zip(rows, after, strict=True)]
    linear, _, norm = network.head
    heads_out = [normalised(gelu(linear(row)), norm) for row in rows]
    return torch.stack([network.items.weight @ z + network.bias for z in heads_out])


def test_the_loss_is_the_cross_entropy_over_all_items_where_events_are_hidden():
    network = random_network()
    uneven = 0
    for batch in batches():
        uneven += sum(group.places is not None for group in batch.events.groups)
        rows = batch.events.items.split(batch.events.lengths.tolist())
        logits = torch.cat([slow_logits(network, row.tolist()) for row in rows])[batch.place]
        slow = functional.cross_entropy(logits, batch.positive, reduction="none")
        torch.testing.assert_close(network.loss(batch).each, slow)
    assert uneven  # some sequences stood beside longer ones


def test_gradients_are_those_of_torchs_cross_entropy():
    network = random_network()
    batch = batches()[0]
    rows = batch.events.items.split(batch.events.lengths.tolist())
    logits = torch.cat([slow_logits(network, row.tolist()) for row in rows])[batch.place]
    slow = functional.cross_entropy(logits, batch.positive)
    weights = dict(network.named_parameters())
    expected = torch.autograd.grad(slow, list(weights.values()))
    found = torch.autograd.grad(network.loss(batch).total(batch), list(weights.values()))
    for name, one, other in zip(weights, found, expected, strict=True):
        torch.testing.assert_close(one, other, msg=lambda text, name=name: f"{name}: {text}")
    assert all(one.abs().sum() > 0 for one in found)


def requests(histories: list[list[int]]) -> Requests:
    return Requests(torch.full((len(histories),), -1), Histories(Ragged.of(histories)))


HISTORIES = [[3], [1, 2, 3, 4], list(range(20)), [7, 7], [5, 4, 3, 2, 1]]


def test_an_answer_is_what_a_mask_after_the_last_events_would_be():
    network = random_network()
    model = EncoderRecommender(network, DATA.catalog)
    found = model.score(requests(HISTORIES), torch.arange(ITEMS).expand(len(HISTORIES), -1))
    for scores, history in zip(found, HISTORIES, strict=True):
        slow = slow_logits(network, [*history[-8:], ITEMS])[-1]
        torch.testing.assert_close(scores, slow)
    assert model.item_vectors.shape == (ITEMS, 7)


def test_a_gap_is_told_from_both_sides_of_its_own_sequence():
    network = random_network()
    batch = batches()[0]
    sequence = batch.events.sequence
    entered = network.entered(batch.events, network.input_vectors()).detach().requires_grad_()
    for example in range(0, len(batch), 5):
        place = batch.place[example : example + 1]
        state = network.reader.at(entered, batch.events, place)
        (gradient,) = torch.autograd.grad(state.square().sum() + state.sum(), entered)
        seen = gradient.abs().sum(1) > 0
        assert torch.equal(seen, sequence == sequence[place])


def test_an_answer_depends_on_the_last_events_and_on_none_before_them():
    network = random_network()
    inputs = network.input_vectors()
    asked = list(range(12))
    (before,) = network.encode(requests([asked]), inputs)
    for place in range(12):
        other = [*asked[:place], 24, *asked[place + 1 :]]
        (after,) = network.encode(requests([other]), inputs)
        assert torch.equal(before, after) == (place < 12 - 8)


def test_heads_that_cannot_share_the_dimensions_are_refused():
    with pytest.raises(BadSpec, match="7 dimensions"):
        BERT4Rec(dim=7, heads=2).network(DATA)


@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_states_of_some_events_are_those_among_all(blocks):
    network = random_network(METHOD.changed({"blocks": blocks}))
    for batch in batches():
        entered = network.entered(batch.events, network.input_vectors())
        whole = network.reader(entered, batch.events)
        torch.testing.assert_close(network.states(batch), whole[batch.place])


def test_a_sequence_is_read_alone_as_among_others():
    network = random_network()
    batch = batches()[0]
    together = network.loss(batch).each
    for example in range(len(batch)):
        alone = network.loss(batch[example : example + 1]).each
        torch.testing.assert_close(alone, together[example : example + 1])


def test_other_objectives_compare_with_drawn_items():
    """One negative: -log sigmoid of the positive's logit, and of minus the negative's."""
    cloze = Cloze(size=8, length=9, share=0.4, sampler=Uniform(), negatives=1)
    method = BERT4Rec(dim=6, objective=BCE(), batches=cloze)
    network = random_network(method)
    batch = batches(method)[0]
    rows = batch.events.items.split(batch.events.lengths.tolist())
    logits = torch.cat([slow_logits(network, row.tolist()) for row in rows])[batch.place]
    chosen = logits.gather(1, torch.cat([batch.positive[:, None], batch.negative.items], 1))
    slow = functional.softplus(-chosen[:, 0]) + functional.softplus(chosen[:, 1])
    torch.testing.assert_close(network.loss(batch).each, slow)


def test_items_may_be_fed_by_content():
    vectors = torch.randn(ITEMS, 4, generator=torch.Generator().manual_seed(0))
    data = DATA.with_vectors("text", vectors)
    method = METHOD.changed({"items": {"kind": "FedBy"}})
    network = method.network(data)
    batch = next(iter(method.batches(data)(torch.Generator().manual_seed(0))))
    loss = network.loss(batch).total(batch)
    loss.backward()
    assert network.items.project.weight.grad.abs().sum() > 0
    assert network.input_vectors().shape == (ITEMS + 1, 6)


def test_weights_begin_as_in_the_paper():
    torch.manual_seed(0)
    network = BERT4Rec().network(DATA)
    for name, weight in network.named_parameters():
        if name.endswith("bias"):
            assert not weight.any()
        elif weight.ndim > 1:  # cutting the tails off makes 0.02 to 0.0176
            assert float(weight.detach().std()) == pytest.approx(0.019, rel=0.15), name
    linear = network.reader.blocks[0].wide.weight
    assert linear.abs().max() <= 0.04


def test_values_are_not_dropped_between_the_two_layers_after_attention():
    """BERT drops what a layer adds, and attention; nothing inside."""
    network = BERT4Rec(dropout=0.5).network(DATA).train()
    assert {block.inside.share for block in network.reader.blocks} == {0.0}
    assert {block.drop.share for block in network.reader.blocks} == {0.5}


def test_a_mask_follows_every_history():
    packed = Packed(torch.tensor([4, 5, 6, 7, 8]), torch.tensor([3, 2]))
    asked = _followed(packed, by=9)
    assert asked.items.tolist() == [4, 5, 6, 9, 7, 8, 9]
    assert asked.lengths.tolist() == [4, 3]
