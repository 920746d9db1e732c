"""Two layers of mean aggregation against loops over nodes and their neighbours."""

import torch
from torch.nn import functional

from tesserec.core import Dataset
from tesserec.parts.graphs import Alone, Sage, bipartite
from toys.worlds import random_world, world

DATA = random_world(seed=3, users=7, items=9, events=25)
NODES = 16


def sage() -> Sage:
    torch.manual_seed(1)
    return Sage((5, 6, 4), (0.5, 0.2)).eval()


def start() -> torch.Tensor:
    return torch.randn(NODES, 5, generator=torch.Generator().manual_seed(2))


def neighbours(data: Dataset) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in range(NODES)]
    for user, item in data.interactions.frame.select("user", "item").rows():
        found[user].add(7 + item)
        found[7 + item].add(user)
    return found


def slow_layer(layer, vectors: torch.Tensor, near: list[set[int]]) -> torch.Tensor:
    rows = []
    for node, others in enumerate(near):
        row = layer.own.weight @ vectors[node] + layer.own.bias
        if others:
            mean = torch.stack([vectors[other] for other in sorted(others)]).mean(0)
            row = row + layer.near.weight @ mean
        rows.append(row)
    return torch.stack(rows)


def slow(network: Sage, vectors: torch.Tensor) -> torch.Tensor:
    near = neighbours(DATA)
    middle = functional.leaky_relu(slow_layer(network.first, vectors, near))
    return slow_layer(network.last, middle, near)


def test_each_node_is_mixed_with_the_mean_of_its_neighbours() -> None:
    network, graph = sage(), bipartite(DATA, (1.0, 0.0))
    whole = network(graph, start())
    torch.testing.assert_close(whole, slow(network, start()))
    some = torch.tensor([9, 0, 15])
    torch.testing.assert_close(network(graph, start(), some), whole[some])


def test_gradients_of_few_rows_are_those_of_the_loops() -> None:
    network, graph = sage(), bipartite(DATA, (1.0, 0.0))
    some = torch.tensor([9, 0, 15])
    one, other = start().requires_grad_(), start().requires_grad_()
    upstream = torch.randn(3, 4, generator=torch.Generator().manual_seed(4))
    network(graph, one, some).backward(upstream)
    fast = {name: weight.grad.clone() for name, weight in network.named_parameters()}
    network.zero_grad()
    slow(network, other)[some].backward(upstream)
    torch.testing.assert_close(one.grad, other.grad)
    for name, weight in network.named_parameters():
        torch.testing.assert_close(fast[name], weight.grad)


def test_a_node_without_edges_is_what_it_is_alone() -> None:
    network = sage()
    graph = bipartite(world([(0, 0), (0, 1), (1, 1)], items=range(4)), (1.0, 0.0))
    vectors = start()[: len(graph)]
    same = torch.nn.Linear(5, 5, bias=False)
    torch.nn.init.eye_(same.weight)
    reached, alone = network(graph, vectors), Alone((), False, same, network, False)(vectors)
    torch.testing.assert_close(reached[4:], alone[4:])  # items 2 and 3
    assert not torch.isclose(reached[:4], alone[:4]).any()
