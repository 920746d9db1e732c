"""Fusions against loops over items and the modalities they have, in double precision."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tesserec.core.errors import BadSpec, NoContent
from tesserec.core.registry import every
from tesserec.parts.networks.fusion import (
    Attention,
    Concatenation,
    Fusing,
    Fusion,
    Gated,
    LowRank,
    Projection,
)

WIDTHS = {"text": 5, "audio": 2, "image": 3}
DIM = 4
FUSIONS = [Projection(), Concatenation(), Gated(), Attention(heads=2), LowRank(rank=3)]
names = pytest.mark.parametrize("fusion", FUSIONS, ids=lambda one: type(one).__name__)


def built(fusion: Fusion, seed: int = 0) -> Fusing:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return fusion.network(WIDTHS, DIM).double()


def drawn(items: int, seed: int = 0) -> dict[str, Tensor]:
    source = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(items, width, generator=source, dtype=torch.float64)
        for name, width in WIDTHS.items()
    }


EVERY_MASK = torch.tensor([[bool(number >> m & 1) for number in range(8)] for m in range(3)])


def slow(fusion: Fusion, network: Fusing, there: dict[int, Tensor]) -> Tensor:
    """One item, from the modalities it has: number of the modality -> its vector."""
    if not there:
        return torch.zeros(DIM, dtype=torch.float64)
    parts = dict(network.named_parameters())
    match fusion:
        case Projection():
            views = [
                parts[f"views.{m}.weight"] @ x + parts[f"views.{m}.bias"] for m, x in there.items()
            ]
            return sum(views) / len(views)
        case Concatenation():
            first = [0, *torch.tensor(network.widths).cumsum(0).tolist()]
            total = parts["view.bias"]
            for m, x in there.items():
                total = total + parts["view.weight"][:, first[m] : first[m + 1]] @ x
            return total
        case Gated():
            empty = [torch.zeros(width, dtype=torch.float64) for width in network.widths]
            whole = torch.cat([there.get(m, zeros) for m, zeros in enumerate(empty)])
            heights = {m: (parts[f"gates.{m}.weight"] @ whole).exp() for m in there}
            views = {m: (parts[f"views.{m}.weight"] @ x).tanh() for m, x in there.items()}
            return sum(heights[m] * views[m] for m in there) / sum(heights.values())
        case Attention():
            return slow_attention(fusion.heads, parts, there)
        case LowRank():
            total = torch.zeros(DIM, dtype=torch.float64)
            for r in range(fusion.rank):
                product = torch.ones(DIM, dtype=torch.float64)
                for m, x in there.items():
                    product = product * (torch.cat([x, torch.ones(1)]) @ parts[f"factors.{m}"][r])
                total = total + product
            return total
    raise AssertionError(fusion)


def slow_attention(heads: int, parts: dict[str, Tensor], there: dict[int, Tensor]) -> Tensor:
    tokens = [parts[f"tokens.{m}.weight"] @ x + parts[f"tokens.{m}.bias"] for m, x in there.items()]
    asked = [parts["asked.weight"] @ token + parts["asked.bias"] for token in tokens]
    out, size = [], DIM // heads
    for token, own in zip(tokens, asked, strict=True):
        mixed = []
        for head in range(heads):
            at = [
                slice(part * DIM + head * size, part * DIM + (head + 1) * size)
                for part in (0, 1, 2)
            ]
            likes = [(own[at[0]] @ one[at[1]] / math.sqrt(size)).exp() for one in asked]
            shares = [like / sum(likes) for like in likes]
            mixed.append(sum(share * one[at[2]] for share, one in zip(shares, asked, strict=True)))
        out.append(token + parts["joined.weight"] @ torch.cat(mixed) + parts["joined.bias"])
    return sum(out) / len(out)


@names
@given(seed=st.integers(0, 1000))
def test_a_fusion_is_what_its_formula_says_of_the_modalities_an_item_has(fusion, seed):
    network, vectors = built(fusion, seed), drawn(8, seed)
    found = network(vectors, EVERY_MASK)
    for item in range(8):
        there = {
            m: vectors[name][item] for m, name in enumerate(network.names) if EVERY_MASK[m, item]
        }
        torch.testing.assert_close(found[item], slow(fusion, network, there))


@names
@pytest.mark.parametrize("rubbish", [7.0, torch.nan, torch.inf])
def test_what_stands_in_the_place_of_a_missing_vector_changes_nothing(fusion, rubbish):
    network, clean = built(fusion), drawn(8)
    dirty = {
        name: torch.where(EVERY_MASK[m, :, None], clean[name], rubbish)
        for m, name in enumerate(network.names)
    }
    assert torch.equal(network(dirty, EVERY_MASK), network(clean, EVERY_MASK))
    for table in dirty.values():
        table.requires_grad_()
    network(dirty, EVERY_MASK).square().sum().backward()
    gradients = [one.grad for one in (*dirty.values(), *network.parameters())]
    assert all(gradient.isfinite().all() for gradient in gradients)
    for m, name in enumerate(network.names):
        assert not dirty[name].grad[~EVERY_MASK[m]].any()
        assert dirty[name].grad[EVERY_MASK[m]].any(1).all()


@names
def test_an_item_is_fused_alone(fusion):
    network, vectors = built(fusion), drawn(8)
    one = network({name: table[5:6] for name, table in vectors.items()}, EVERY_MASK[:, 5:6])
    torch.testing.assert_close(one[0], network(vectors, EVERY_MASK)[5])
    assert network(
        {name: table[:0] for name, table in vectors.items()}, EVERY_MASK[:, :0]
    ).shape == (0, DIM)


@names
def test_a_single_modality_is_enough(fusion):
    network = fusion.network({"text": 5}, DIM)
    found = network({"text": torch.randn(3, 5)}, torch.tensor([[True, False, True]]))
    assert found.shape == (3, DIM)
    assert found.any(1).tolist() == [True, False, True]


@names
def test_a_fusion_can_be_written_down_and_read_back(fusion):
    assert Fusion.from_dict(fusion.to_dict()) == fusion


def test_all_fusions_are_tested_here():
    assert {type(one) for one in FUSIONS} == set(every(Fusion))


def test_two_tied_gates_are_the_sigmoids_of_the_paper():
    network = Gated().network({"a": 3, "b": 2}, DIM)
    vectors = {"a": torch.randn(6, 3), "b": torch.randn(6, 2)}
    whole = torch.cat([vectors["a"], vectors["b"]], 1)
    z = torch.sigmoid(network.gates[0](whole) - network.gates[1](whole))
    views = [network.views[0](vectors["a"]).tanh(), network.views[1](vectors["b"]).tanh()]
    found = network(vectors, torch.ones(2, 6, dtype=torch.bool))
    torch.testing.assert_close(found, z * views[0] + (1 - z) * views[1])


def test_what_cannot_be_built_is_refused():
    with pytest.raises(BadSpec, match="heads"):
        Attention(heads=3).network(WIDTHS, DIM)
    with pytest.raises(NoContent):
        Projection().network({}, DIM)
