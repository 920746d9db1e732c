import pytest
import torch

from tesserec.core.errors import BadSpec
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.parts.batches import Pairs
from tesserec.parts.negatives import Everything, InBatch, Shared, Uniform
from tesserec.parts.objectives import BPR, PSL, Softmax
from toys.worlds import random_world

DATA = random_world(seed=4, users=40, items=50, events=300)


@pytest.mark.parametrize("objective", [BPR(), PSL(), Softmax()], ids=repr)
@pytest.mark.parametrize("sampler", [Uniform(), Shared(), InBatch(), Everything()], ids=repr)
@pytest.mark.parametrize("size", [4, 1000])  # few nodes are renumbered, most are not
def test_without_hops_lightgcn_is_matrix_factorisation(objective, sampler, size):
    fields = {
        "dim": 5,
        "decay": 0.3,
        "objective": objective,
        "batches": Pairs(size=size, negatives=3, sampler=sampler),
    }
    graph = LightGCN(layers=0, **fields).network(DATA)
    plain = MF(**fields).network(DATA)
    with torch.no_grad():
        graph.start.copy_(torch.cat([plain.users, plain.items]))
    batch = next(iter(fields["batches"](DATA)(torch.Generator().manual_seed(0))))
    losses = [network.loss(batch) for network in (graph, plain)]
    torch.testing.assert_close(losses[0].each, losses[1].each)
    torch.testing.assert_close(losses[0].extra["decay"], losses[1].extra["decay"])
    for one in losses:
        one.total(batch).backward()
    gradients = torch.cat([plain.users.grad, plain.items.grad])
    torch.testing.assert_close(graph.start.grad, gradients)
    for one, other in zip(graph.vectors(), plain.vectors(), strict=True):
        torch.testing.assert_close(one, other)
    scores = [network.scores(batch) for network in (graph, plain)]
    torch.testing.assert_close(scores[0].negative, scores[1].negative)


def slow_vectors(start: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """Edge by edge: who one is next to, over the root of both their numbers of neighbours."""
    pairs = sorted(set(DATA.interactions.frame.select("user", "item").rows()))
    degree = torch.zeros(90, dtype=torch.float64)
    for user, item in pairs:
        degree[user] += 1
        degree[40 + item] += 1
    hop, total = start, weights[0] * start
    for weight in weights[1:]:
        after = torch.zeros_like(hop)
        for user, item in pairs:
            edge = 1 / (degree[user] * degree[40 + item]).sqrt()
            after[user] += edge * hop[40 + item]
            after[40 + item] += edge * hop[user]
        hop = after
        total = total + weight * hop
    return total


@pytest.mark.parametrize("hop_weights", [None, (0.0, 0.0, 1.0), (0.5, 0.25, 0.25)])
def test_vectors_are_the_weighted_sum_of_hops(hop_weights):
    network = LightGCN(dim=3, layers=2, hop_weights=hop_weights).network(DATA)
    users, items = network.vectors()
    expected = slow_vectors(network.start.detach().double(), list(hop_weights or [1 / 3] * 3))
    found = torch.cat([users, items]).detach().double()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_batch_scores_what_the_vectors_say():
    network = LightGCN(dim=3, layers=2).network(DATA)
    users, items = network.vectors()
    batches = Pairs(size=5, negatives=2)(DATA)
    for batch in batches(torch.Generator().manual_seed(1)):
        scores = network.scores(batch)
        positive = (users[batch.user] * items[batch.positive]).sum(1)
        torch.testing.assert_close(scores.positive, positive)
        negative = (users[batch.user][:, None] * items[batch.negative.items]).sum(2)
        torch.testing.assert_close(scores.negative, negative)
        torch.testing.assert_close(
            network.loss(batch).each,
            -(positive[:, None] - negative).sigmoid().log().mean(1),
        )


def test_fields_that_make_no_network_are_refused():
    with pytest.raises(BadSpec, match="3 layers need 4 hop_weights, and there are 2"):
        LightGCN(layers=3, hop_weights=(0.5, 0.5))
    with pytest.raises(BadSpec, match=r"LightGCN\.layers"):
        LightGCN(layers=-1)
    for kind in (LightGCN, MF):
        with pytest.raises(BadSpec, match="dim"):
            kind(dim=0)
