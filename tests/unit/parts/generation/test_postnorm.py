"""The decoder token by token says what it says of whole ids, and what it says is the formula's."""

import torch
from torch.nn import functional

from tesserec.parts.batches import Packed
from tesserec.parts.generation import PostDecoder

DIM = 6
READ = Packed(torch.zeros(7, dtype=torch.int64), torch.tensor([4, 2, 1]))


def decoder() -> PostDecoder:
    torch.manual_seed(0)
    return PostDecoder(DIM, 2, 2, 4, 5, 0.3, 3).double().eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(3, 3, DIM).double(), torch.randn(7, DIM).double()


def looked(part, asked: torch.Tensor, keys: torch.Tensor, causal: bool) -> torch.Tensor:
    """Attention of one sequence, head by head: [L, D], [T, D] -> [L, D]"""
    query, both = part.queries(asked), part.keys(keys)
    key, value = both.chunk(2, 1)
    heads = []
    for rows in (slice(0, 4), slice(4, 8)):
        products = query[:, rows] @ key[:, rows].T
        if causal:
            products = products.masked_fill(torch.ones_like(products).triu(1).bool(), -torch.inf)
        heads.append(products.softmax(1) @ value[:, rows])
    return part.out(torch.cat(heads, 1))


def slow(network: PostDecoder, written: torch.Tensor, read: torch.Tensor) -> torch.Tensor:
    values = written + network.places[: len(written)]
    for layer in network.layers:
        values = layer.before(values + looked(layer.own, values, values, causal=True))
        values = layer.between(values + looked(layer.other, values, read, causal=False))
        inner = layer.inner.narrow(functional.relu(layer.inner.wide(values)))
        values = layer.behind(values + inner)
    return values


def test_states_are_those_of_the_formula() -> None:
    network, (written, read) = decoder(), inputs()
    found = network(written, read, READ)
    for row, own in enumerate(read.split([4, 2, 1])):
        torch.testing.assert_close(found[row], slow(network, written[row], own))


def test_one_token_at_a_time_gives_the_same_states() -> None:
    network, (written, read) = decoder(), inputs()
    whole = network(written, read, READ)
    state = network.begin(read, READ)
    for level in range(3):
        latest = network.latest(written[:, level][:, None], state)
        torch.testing.assert_close(latest[:, 0], whole[:, level])


def test_layers_are_normalised_by_what_is_learned() -> None:
    """The authors make new norms at every step, whose scale and shift never learn."""
    names = [name for name, _ in decoder().named_parameters()]
    for layer in range(2):
        for norm in ("before", "between", "behind"):
            assert f"layers.{layer}.{norm}.weight" in names
            assert f"layers.{layer}.{norm}.bias" in names
