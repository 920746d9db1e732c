"""The graph between items against a dense adjacency in double precision."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.parts.graphs import cosine_neighbours, item_graph, nearest, propagate
from toys.worlds import random_world

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")


def dense(near: torch.Tensor, similarity: torch.Tensor | None) -> torch.Tensor:
    """D^-1/2 A D^-1/2, an edge wherever one is among the other's neighbours: [I, I]"""
    adjacency = torch.zeros(len(near), len(near), dtype=torch.float64)
    for row, others in enumerate(near.tolist()):
        for place, other in enumerate(others):
            weight = 1.0 if similarity is None else float(similarity[row, place])
            if other >= 0 and weight > 0:
                adjacency[row, other] = adjacency[other, row] = weight
    degree = adjacency.sum(1)
    scale = torch.where(degree > 0, degree, 1.0) ** -0.5
    return scale[:, None] * adjacency * scale[None, :]


@given(st.integers(0, 99), st.integers(1, 5), st.booleans())
def test_it_is_the_symmetrically_normalised_adjacency(seed, count, weighted):
    vectors = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed))
    near, similarity = nearest(vectors, count, torch.arange(12) != 4)
    used = similarity if weighted else None
    found = item_graph(near, used).sparse().to_dense()
    torch.testing.assert_close(found.double(), dense(near, used), rtol=1e-5, atol=1e-6)
    assert not found[4].any()


def test_neighbours_by_co_occurrence_make_a_graph_in_the_same_way():
    near, similarity = cosine_neighbours(random_world(), 3, 0.0)
    graph = item_graph(near, similarity)
    start = torch.randn(len(graph), 4, generator=torch.Generator().manual_seed(0))
    expected = 0.5 * start.double() + dense(near, similarity) @ start.double()
    torch.testing.assert_close(propagate(graph, start, (0.5, 1.0)).double(), expected)


def test_by_hand():
    near = torch.tensor([[1], [0], [1], [-1]])  # 0 and 1 chose each other, 2 chose 1, 3 nobody
    found = item_graph(near).sparse().to_dense()
    half = 0.5**0.5
    expected = [[0, half, 0, 0], [half, 0, half, 0], [0, half, 0, 0], [0, 0, 0, 0]]
    torch.testing.assert_close(found, torch.tensor(expected))


def test_where_vectors_are_shapes_alone_and_events_are_gone_a_graph_has_no_edges():
    """As when a saved network is built again: graphs are not saved."""
    with torch.device("meta"):
        near, similarity = nearest(torch.empty(6, 3), 2)
        by_content = item_graph(near, similarity)
        by_events = item_graph(*cosine_neighbours(random_world().without_events(), 2, 0.0))
    assert (len(by_content), len(by_events)) == (6, 30)
    assert not len(by_content.neighbours)
    assert not len(by_events.neighbours)
