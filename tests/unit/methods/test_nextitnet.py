import numpy as np
import torch
from torch import Tensor, nn

import tesserec as tr
from tesserec.core import Run
from tesserec.data import toys
from tesserec.parts.batches import Packed

LENGTHS = [14, 13, 9, 3, 1]


def ragged(dim: int = 3) -> tuple[Tensor, Packed]:
    values = torch.randn(sum(LENGTHS), dim, generator=torch.Generator().manual_seed(1)).double()
    return values, Packed(torch.zeros(len(values), dtype=torch.long), torch.tensor(LENGTHS))


def reader(**fields: object) -> nn.Module:
    method = tr.NextItNet(dim=3, **fields)
    with Run(seed=0).seeded("network"):
        network: nn.Module = method.network(toys.cycle()).reader.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(len(parameter)))
    return network.eval()


def convolved(events: np.ndarray, layer: nn.Module, dilation: int) -> np.ndarray:
    """Sums over three places and all channels, one event and one channel at a time."""
    weight = layer.mix.weight.detach().numpy().reshape(3, 3, 3)  # [out, tap, in], latest tap first
    bias = layer.mix.bias.detach().numpy()
    scale, shift = (one.detach().numpy() for one in (layer.norm.weight, layer.norm.bias))
    rows = []
    for at in range(len(events)):
        sums = bias.copy()
        for tap in range(3):
            before = at - tap * dilation
            if before >= 0:
                for out in range(3):
                    sums[out] += weight[out, tap] @ events[before]
        normal = (sums - sums.mean()) / np.sqrt(sums.var() + layer.norm.eps)
        rows.append(np.maximum(normal * scale + shift, 0))
    return np.stack(rows)


@torch.no_grad()
def test_states_are_sums_over_dilated_places_of_the_sequence() -> None:
    values, packed = ragged()
    network = reader(dilations=(1, 2))
    found = network(values, packed).numpy()
    for first, end in zip(packed.starts.tolist(), packed.ends.tolist(), strict=True):
        events = values[first:end].numpy()
        for block, dilation in zip(network.blocks, (1, 2), strict=True):
            one, two = block.layers
            made = convolved(convolved(events, one, dilation), two, 2 * dilation)
            events = events + made
        np.testing.assert_allclose(found[first:end], events, atol=1e-9)


@torch.no_grad()
def test_a_block_reaches_as_far_as_its_dilations_say() -> None:
    """Kernel 3: two dilations back by the first convolution, and as far again by the second."""
    for fields, reach in (
        ({"dilations": (1,)}, 2 + 4),
        ({"dilations": (1,), "doubled": False}, 2 + 2),
        ({"dilations": (2,)}, 4 + 8),
    ):
        network = reader(**fields)
        values, packed = ragged()
        last = int(packed.ends[0]) - 1
        here = network(values, packed)[last]
        changed = []
        for back in range(LENGTHS[0]):
            other = values.clone()
            other[last - back] *= -2
            if not torch.equal(network(other, packed)[last], here):
                changed.append(back)
        assert max(changed) == reach


@torch.no_grad()
def test_without_residuals_what_was_read_does_not_pass_by() -> None:
    values, packed = ragged()
    both = [reader(dilations=(1,), residual=residual)(values, packed) for residual in (True, False)]
    torch.testing.assert_close(both[0] - both[1], values)


@torch.no_grad()
def test_one_event_read_on_is_as_the_whole_read_again() -> None:
    values, packed = ragged()
    longer = packed.lengths > 2
    ends = packed.ends[longer]
    begun = Packed(
        packed.items[: int((packed.lengths[longer] - 2).sum())], packed.lengths[longer] - 2
    )
    network, memories = reader(dilations=(1, 2)), []
    network(values[(packed.from_end > 1) & longer[packed.sequence]], begun, memories)
    whole = network(values, packed)
    for last in (ends - 2, ends - 1):
        torch.testing.assert_close(network.further(values[last], memories), whole[last])
