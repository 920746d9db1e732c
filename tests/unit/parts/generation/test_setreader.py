"""Relation-aware attention against loops, and that sets have no order."""

import math

import pytest
import torch
from torch import nn

from tesserec.parts.batches import Packed
from tesserec.parts.generation import PostDecoder, SetReader
from tesserec.parts.generation.postnorm import sinusoids
from tesserec.parts.generation.setreader import SetAttention

DIM, HEADS, WIDTH = 6, 2, 4


def packed(*rows: list[int]) -> Packed:
    items = torch.tensor([item for row in rows for item in row])
    return Packed(items, torch.tensor([len(row) for row in rows]))


SETS = packed([3, 1, 4, 0, 5], [2, 6, 5], [7, 1], [2])
USERS = torch.tensor([0, 2, -1, 1])


def attention(related: bool = True) -> SetAttention:
    torch.manual_seed(0)
    return SetAttention(DIM, HEADS, WIDTH, related).double()


def reader(looking: str = "relation") -> SetReader:
    torch.manual_seed(1)
    items, users = torch.randn(8, DIM), torch.randn(3, DIM)
    shape = 2, HEADS, WIDTH, 5, 0.2
    return SetReader(items, users, *shape, looking=looking, longest=32).double().eval()


def numbers(count: int) -> torch.Tensor:
    return torch.randn(count, DIM, generator=torch.Generator().manual_seed(count)).double()


def scalar(layer: SetAttention, which: int, person: torch.Tensor) -> torch.Tensor:
    """s_q, s_k or s_v of one person: 64 -> 32 -> ReLU -> 1, without biases."""
    half = DIM // 2
    hidden = layer.relation.hidden.weight[which * half : (which + 1) * half] @ person
    return layer.relation.last[which] @ hidden.clamp(min=0)


def slow(layer: SetAttention, values: torch.Tensor, person: torch.Tensor) -> torch.Tensor:
    """One set, item by item and head by head."""
    whole = HEADS * WIDTH
    content = [layer.into.weight[part * whole : (part + 1) * whole] for part in range(3)]
    related = None
    if layer.relation is not None:
        maps = [layer.relation.into.weight[part * WIDTH : (part + 1) * WIDTH] for part in range(3)]
        related = [
            [scalar(layer, part, person) * (maps[part] @ one) for one in values]
            for part in range(3)
        ]
    found = []
    for at, one in enumerate(values):
        heads = []
        for head in range(HEADS):
            rows = slice(head * WIDTH, (head + 1) * WIDTH)
            query, keys, others = content[0][rows] @ one, content[1][rows], content[2][rows]
            scores, seen = [], []
            for other, its in enumerate(values):
                score, value = query @ (keys @ its), others @ its
                if related is not None:
                    score = score + related[0][at] @ related[1][other]
                    value = value + related[2][other]
                scores.append(score / math.sqrt(WIDTH))
                seen.append(value)
            weights = torch.stack(scores).softmax(0)
            heads.append(sum(w * value for w, value in zip(weights, seen, strict=True)))
        found.append(layer.out.weight @ torch.cat(heads))
    return torch.stack(found)


@pytest.mark.parametrize("related", [True, False])
def test_attention_is_that_of_the_loops(related: bool) -> None:
    layer, values, people = attention(related), numbers(11), numbers(4)
    found = layer(values, SETS, people)
    parts = values.split(SETS.lengths.tolist())
    expected = [slow(layer, part, person) for part, person in zip(parts, people, strict=True)]
    torch.testing.assert_close(found, torch.cat(expected))


def test_without_its_scalars_it_is_plain_attention_over_sets() -> None:
    related, plain = attention(True), attention(False)
    plain.load_state_dict(
        {name: one for name, one in related.state_dict().items() if "relation" not in name}
    )
    values, people = numbers(11), numbers(4)
    assert not torch.allclose(related(values, SETS, people), plain(values, SETS, people))
    nn.init.zeros_(related.relation.last)
    assert torch.equal(related(values, SETS, people), plain(values, SETS, people))


def shuffled() -> tuple[Packed, torch.Tensor]:
    """The same sets in another order, and where each item came from."""
    order, start = [], 0
    for length in SETS.lengths.tolist():
        mixed = torch.randperm(length, generator=torch.Generator().manual_seed(length))
        order.append(start + mixed)
        start += length
    places = torch.cat(order)
    return Packed(SETS.items[places], SETS.lengths), places


@pytest.mark.parametrize("looking", ["relation", "plain"])
def test_another_order_of_the_source_gives_the_same_in_that_order(looking: str) -> None:
    network, (other, places) = reader(looking), shuffled()
    table = torch.zeros(0)
    read, _ = network(SETS, USERS, table)
    again, _ = network(other, USERS, table)
    torch.testing.assert_close(again, read[places], rtol=0, atol=1e-14)
    torch.manual_seed(2)
    decoder = PostDecoder(DIM, 2, HEADS, WIDTH, 5, 0.0, 3).double().eval()
    written = torch.randn(4, 3, DIM).double()
    one, same = decoder(written, read, SETS), decoder(written, again, other)
    torch.testing.assert_close(one, same, rtol=0, atol=1e-14)


def test_with_places_the_order_counts() -> None:
    network, (other, places) = reader("sinusoidal"), shuffled()
    read, again = (network(sets, USERS, torch.zeros(0))[0] for sets in (SETS, other))
    assert not torch.allclose(again, read[places])


def test_people_are_told_apart_and_a_stranger_is_their_mean() -> None:
    network, table = reader(), torch.zeros(0)
    two = packed([1, 2], [1, 2])
    read, _ = network(two, torch.tensor([0, 1]), table)
    assert not torch.allclose(read[:2], read[2:])
    with torch.no_grad():
        network.users[0] = network.users[:3].mean(0).clone()
        network.users[3] = network.users[0]
    read, _ = network(two, torch.tensor([0, -1]), table)
    torch.testing.assert_close(read[:2], read[2:])


def test_an_empty_set_is_one_vector_that_is_learned() -> None:
    network = reader()
    read, _ = network(packed([4, 2], [-1]), torch.tensor([0, 0]), torch.zeros(0))
    read[-1, 0].backward()
    assert network.nothing.grad.abs().sum() > 0
    assert read.isfinite().all()


def test_places_are_sines_and_cosines_of_growing_waves() -> None:
    table = sinusoids(5, 7)
    for place in range(5):
        for number in range(7):
            angle = place / 10_000 ** ((number - number % 2) / 7)
            expected = math.cos(angle) if number % 2 else math.sin(angle)
            assert float(table[place, number]) == pytest.approx(expected, abs=1e-6)
