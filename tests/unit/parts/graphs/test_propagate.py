"""Propagation against a dense adjacency in double precision, values and gradients."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Dataset
from tesserec.parts.graphs import bipartite, propagate, reach
from tesserec.parts.graphs.propagate import _by_torch
from toys.worlds import random_world, world, worlds

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")

POWERS = [(0.5, 0.5), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.3, 0.9)]
WEIGHTS = [tuple(0.1 * (hop + 1) + 0.05 for hop in range(hops + 1)) for hops in range(5)]
DIM = 3


def dense(data: Dataset, powers: tuple[float, float]) -> torch.Tensor:
    """left^-a R right^-b over users and items, each distinct pair once."""
    users, nodes = len(data.catalog.users), len(data.catalog.users) + len(data.catalog.items)
    adjacency = torch.zeros(nodes, nodes, dtype=torch.float64)
    for user, item in data.interactions.frame.select("user", "item").rows():
        adjacency[user, users + item] = adjacency[users + item, user] = 1
    degree = adjacency.sum(1)
    left, right = (torch.where(degree > 0, degree.clamp(min=1) ** -p, 0.0) for p in powers)
    return left[:, None] * adjacency * right[None, :]


def slow_sum(adjacency: torch.Tensor, start: torch.Tensor, weights) -> torch.Tensor:
    total, hop = weights[0] * start, start
    for weight in weights[1:]:
        hop = adjacency @ hop
        total = total + weight * hop
    return total


def check(data: Dataset, powers, weights, rows: torch.Tensor | None, way=propagate) -> None:
    graph, adjacency = bipartite(data, powers), dense(data, powers)
    source = torch.Generator().manual_seed(0)
    start = torch.randn(len(graph), DIM, generator=source, requires_grad=True)
    exact = start.detach().double().requires_grad_()
    found = way(graph, start, weights, rows)
    expected = slow_sum(adjacency, exact, weights)
    expected = expected if rows is None else expected[rows]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    upstream = torch.randn(found.shape, generator=source)
    found.backward(upstream)
    expected.backward(upstream.double())
    torch.testing.assert_close(start.grad.double(), exact.grad, rtol=1e-5, atol=1e-5)


def rows_of(data: Dataset) -> list[torch.Tensor | None]:
    """All rows, a few in any order, a single one, none."""
    nodes = len(data.catalog.users) + len(data.catalog.items)
    shuffled = torch.randperm(nodes, generator=torch.Generator().manual_seed(1))
    return [None, shuffled, shuffled[: nodes // 2], shuffled[:1], shuffled[:0]]


lonely = [(0, 0), (0, 1), (1, 1), (3, 4), (3, 4)]  # item 2 and 3 met nobody; one pair twice


@pytest.mark.parametrize("way", [propagate, _by_torch])
@pytest.mark.parametrize("powers", POWERS)
@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda weights: f"{len(weights) - 1} hops")
def test_propagation_and_its_gradient_equal_the_dense_sum(weights, powers, way):
    data = world(lonely, items=range(5))
    for rows in rows_of(data):
        check(data, powers, weights, rows, way)


@pytest.mark.parametrize("powers", [(0.5, 0.5), (0.3, 0.9)])
@pytest.mark.parametrize("weights", WEIGHTS[1:], ids=lambda weights: f"{len(weights) - 1} hops")
def test_in_several_threads_too(weights, powers, threads):
    data = random_world(users=40, items=60, events=400)
    for rows in rows_of(data):
        check(data, powers, weights, rows)


@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda weights: f"{len(weights) - 1} hops")
@pytest.mark.parametrize(
    "data", [world([(0, 0)]), world([(0, 0)]).without_events()], ids=["one edge", "no edge"]
)
def test_one_user_and_one_item(data, weights):
    for rows in rows_of(data):
        check(data, (0.5, 0.5), weights, rows)


@given(worlds(), st.sampled_from(POWERS), st.sampled_from(WEIGHTS), st.data())
def test_any_world_any_rows(data, powers, weights, draw):
    nodes = len(data.catalog.users) + len(data.catalog.items)
    some = st.lists(st.integers(0, nodes - 1), unique=True, max_size=nodes)
    rows = draw.draw(st.none() | some)
    check(data, powers, weights, None if rows is None else torch.tensor(rows, dtype=torch.int64))


@pytest.mark.parametrize("way", ["kernel", "torch"])
@pytest.mark.parametrize("weights", WEIGHTS, ids=lambda weights: f"{len(weights) - 1} hops")
def test_reach_gives_the_sum_and_the_start_at_the_same_rows_with_both_gradients(weights, way):
    data = random_world(users=40, items=60, events=300)
    graph, adjacency = bipartite(data), dense(data, (0.5, 0.5))
    dtype = torch.float32 if way == "kernel" else torch.float64  # the kernel is for float32
    for rows in rows_of(data)[:-1]:
        source = torch.Generator().manual_seed(0)
        start = torch.randn(100, DIM, generator=source, requires_grad=True)
        used = start.to(dtype) if way == "torch" else start
        exact = start.detach().double().requires_grad_()
        if way == "torch":
            graph = graph.double()
        reached, own = reach(graph, used, weights, rows)
        picked = slice(None) if rows is None else rows
        torch.testing.assert_close(own.double(), exact[picked])
        upstreams = [torch.randn(reached.shape, generator=source) for _ in range(2)]
        loss = (reached * upstreams[0]).sum() + (own * upstreams[1]).sum()
        expected = slow_sum(adjacency, exact, weights)[picked]
        slow = (expected * upstreams[0].double()).sum() + (exact[picked] * upstreams[1]).sum()
        loss.backward()
        slow.backward()
        torch.testing.assert_close(loss.double(), slow, rtol=1e-5, atol=1e-4)
        torch.testing.assert_close(start.grad.double(), exact.grad, rtol=1e-5, atol=1e-5)


def test_nodes_without_neighbours_keep_only_what_they_began_with():
    data = world(lonely, items=range(5))
    start = torch.ones(len(data.catalog.users) + 5, DIM)
    out = propagate(bipartite(data), start, (0.25, 1.0, 1.0))
    alone = [len(data.catalog.users) + item for item in (2, 3)]
    assert out[alone].tolist() == [[0.25] * DIM] * 2
    assert out.isfinite().all()


def test_under_autocast_the_sum_stays_exact():
    data = random_world()
    graph, start = bipartite(data), torch.randn(50, DIM)
    with torch.autocast("cpu", torch.bfloat16):
        inside = propagate(graph, start, (0.5, 0.5))
    assert torch.equal(inside, propagate(graph, start, (0.5, 0.5)))


def test_a_graph_is_never_saved_and_knows_its_neighbours_once():
    data = world(lonely, items=range(5))
    graph = bipartite(data)
    assert graph.state_dict() == {}
    users = len(data.catalog.users)
    neighbours = [
        graph.neighbours[first:last].tolist()
        for first, last in itertools.pairwise(graph.starts.tolist())
    ]
    assert neighbours[0] == [users, users + 1]
    assert neighbours[users + 4] == [2]  # user 3 is row 2, met twice, one edge
    assert all(buffer.layout == torch.strided for buffer in graph.buffers())
    torch.testing.assert_close(graph.sparse().to_dense().double(), dense(data, (0.5, 0.5)))
    means = bipartite(data, (1.0, 0.0))  # a mean over neighbours; turned round, shared out
    assert means.sparse().to_dense()[0].sum() == 1.0
    torch.testing.assert_close(
        means.sparse(transposed=True).to_dense(), means.sparse().to_dense().T
    )
