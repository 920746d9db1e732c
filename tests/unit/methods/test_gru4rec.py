import numpy as np
import pytest
import torch
from torch import Tensor

import tesserec as tr
from tesserec.core import Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.methods.sequential.gru4rec import Recurrent
from tesserec.parts.batches import Packed

LENGTHS = [7, 7, 6, 3, 1]


def ragged(lengths: list[int] = LENGTHS, dim: int = 4) -> tuple[Tensor, Packed]:
    values = torch.randn(sum(lengths), dim, generator=torch.Generator().manual_seed(1))
    return values, Packed(torch.zeros(sum(lengths), dtype=torch.long), torch.tensor(lengths))


def reader(layers: int = 2, dim: int = 4) -> Recurrent:
    torch.manual_seed(0)
    return Recurrent(dim, layers, 0.5).eval()


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def cell(event: np.ndarray, state: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """One step, gate by gate; torch keeps reset, update and candidate one below the other."""
    of_event, of_state = weights[0] @ event + weights[2], weights[1] @ state + weights[3]
    (r, z, n), (state_r, state_z, state_n) = np.split(of_event, 3), np.split(of_state, 3)
    reset, update = sigmoid(r + state_r), sigmoid(z + state_z)
    candidate = np.tanh(n + reset * state_n)
    return (1 - update) * candidate + update * state


def test_states_are_those_of_cells_one_event_at_a_time() -> None:
    values, packed = ragged()
    network = reader(layers=2)
    with torch.no_grad():
        found = network(values, packed).numpy()
    for first, end in zip(packed.starts.tolist(), packed.ends.tolist(), strict=True):
        events = values[first:end].numpy()
        for layer in network.layers:
            weights = [weight.detach().numpy() for weight in layer.parameters()]
            state, states = np.zeros(4), []
            for event in events:
                state = cell(event, state, weights)
                states.append(state)
            events = np.stack(states)
        np.testing.assert_allclose(found[first:end], events, atol=1e-5)


@torch.no_grad()
def test_one_event_read_on_is_as_the_whole_read_again() -> None:
    values, packed = ragged()
    longer = packed.lengths > 1
    last = packed.ends[longer] - 1
    earlier = packed.from_end > 0
    begun = Packed(packed.items[earlier], packed.lengths[longer] - 1)
    network, memories, kept = reader(), [], []
    network(values[earlier], begun, memories)
    further = network.further(values[last], memories)
    torch.testing.assert_close(further, network(values, packed, kept)[last])
    for one, whole in zip(memories, kept, strict=True):
        torch.testing.assert_close(one, whole[longer])


def test_where_vectors_say_nothing_the_bias_of_items_ranks() -> None:
    data = toys.checkerboard(users=10, items=6)
    method = tr.GRU4Rec(dim=2)
    network = method.network(data)
    with torch.no_grad():
        network.items.weight.zero_()
        network.bias.copy_(torch.arange(6.0))
    model = method.answer(network, data.catalog)
    asked = tr.Requests.of(data.catalog, histories=[[data.catalog.items.ids[0]]], seen="allow")
    found = model.recommend(asked, 6)
    assert found.items.tolist() == [[5, 4, 3, 2, 1, 0]]
    assert found.scores.tolist() == [[5.0, 4.0, 3.0, 2.0, 1.0, 0.0]]


def test_a_bias_is_refused_where_only_directions_are_compared() -> None:
    method = tr.GRU4Rec(objective=tr.GRU4Rec().objective.changed({"cosine": True}))
    with pytest.raises(BadSpec, match="bias"):
        method.network(toys.cycle())


def test_the_loss_with_a_bias_is_the_cross_entropy_of_all_scores() -> None:
    data = toys.cycle()
    method = tr.GRU4Rec(dim=3, dropout=0.0, hidden_dropout=0.0)
    with Run(seed=0).seeded("network"):
        network = method.network(data)
    with torch.no_grad():
        network.bias.normal_()
    batch = next(iter(method.batches(data)(torch.Generator().manual_seed(0))))
    states = network.states(batch)
    scores = states @ network.input_vectors().T + network.bias
    expected = torch.nn.functional.cross_entropy(scores, batch.positive, reduction="none")
    torch.testing.assert_close(network.loss(batch).each, expected)
