import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tesserec as tr
from tesserec.core import Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.parts.batches import Packed

LENGTHS = [9, 8, 4, 2, 1]
L, D = 5, 3


def ragged() -> tuple[Tensor, Packed]:
    values = torch.randn(sum(LENGTHS), D, generator=torch.Generator().manual_seed(1)).double()
    return values, Packed(torch.zeros(len(values), dtype=torch.long), torch.tensor(LENGTHS))


def reader(**fields: object) -> nn.Module:
    method = tr.Caser(**{"dim": D, "window": L, "heights": (2, 4), "filters": 2, **fields})
    with Run(seed=0).seeded("network"):
        network: nn.Module = method.network(toys.cycle()).reader.double()
        nn.init.ones_(network.dense.bias)  # so that few states are cut off at 0
    return network.eval()


def looked_at(picture: np.ndarray, network: nn.Module) -> np.ndarray:
    """Both kinds of filters over one picture [L, D], one place at a time."""
    found = []
    for filters in network.horizontal:
        weight, bias = filters.weight.detach().numpy(), filters.bias.detach().numpy()
        count, _, height = weight.shape
        for number in range(count):
            answers = []
            for top in range(L - height + 1):
                inside = picture[top : top + height]
                answers.append(max(0.0, bias[number] + (weight[number].T * inside).sum()))
            found.append(max(answers))
    vertical = network.vertical.detach().numpy()  # [L, n~]
    for channel in range(D):
        for number in range(vertical.shape[1]):
            found.append(sum(vertical[row, number] * picture[row, channel] for row in range(L)))
    weight, bias = network.dense.weight.detach().numpy(), network.dense.bias.detach().numpy()
    return np.maximum(weight @ np.array(found) + bias, 0)


@torch.no_grad()
def test_states_are_what_filters_find_in_the_last_events() -> None:
    values, packed = ragged()
    network = reader(vertical=2)
    found = network(values, packed).numpy()
    for first, end in zip(packed.starts.tolist(), packed.ends.tolist(), strict=True):
        for at in range(first, end):
            events = values[max(first, at - L + 1) : at + 1].numpy()
            picture = np.concatenate([np.zeros((L - len(events), D)), events])
            np.testing.assert_allclose(found[at], looked_at(picture, network), atol=1e-9)
    assert (found > 0).mean() > 0.5


@torch.no_grad()
def test_the_last_states_alone_are_the_same() -> None:
    values, packed = ragged()
    network = reader()
    last = network(values, packed)[packed.ends - 1]
    torch.testing.assert_close(network.ends(values, packed), last)


@torch.no_grad()
def test_what_lies_before_the_window_is_not_looked_at() -> None:
    values, packed = ragged()
    network = reader()
    changed = values.clone()
    changed[: LENGTHS[0] - L] *= -2
    last = LENGTHS[0] - 1
    assert torch.equal(network(changed, packed)[last], network(values, packed)[last])
    assert not torch.equal(network(changed, packed)[last - 1], network(values, packed)[last - 1])


@torch.no_grad()
def test_one_event_read_on_is_as_the_whole_read_again() -> None:
    values, packed = ragged()
    longer = packed.lengths > 2
    ends, lengths = packed.ends[longer], packed.lengths[longer] - 2
    begun = Packed(torch.zeros(int(lengths.sum()), dtype=torch.long), lengths)
    network, memories = reader(), []
    network(values[(packed.from_end > 1) & longer[packed.sequence]], begun, memories)
    whole = network(values, packed)
    for last in (ends - 2, ends - 1):
        torch.testing.assert_close(network.further(values[last], memories), whole[last])


@torch.no_grad()
@pytest.mark.parametrize("fields", [{"heights": ()}, {"vertical": 0}, {"heights": (1, 5)}])
def test_either_kind_of_filters_does_alone(fields: dict[str, object]) -> None:
    values, packed = ragged()
    assert reader(**fields)(values, packed).shape == values.shape


def test_filters_that_do_not_fit_and_none_at_all_are_refused() -> None:
    with pytest.raises(BadSpec, match="heights"):
        tr.Caser(window=3)
    with pytest.raises(BadSpec, match="no filters"):
        tr.Caser(heights=(), vertical=0)
