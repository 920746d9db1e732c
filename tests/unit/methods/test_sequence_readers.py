"""What every reader of sequences keeps to: no sequence sees another, and no event a later one."""

import pytest
import torch
from torch import Tensor, nn

import tesserec as tr
from tesserec.core import Run
from tesserec.data import toys
from tesserec.parts.batches import Packed

READERS = [tr.SASRec(dim=8), tr.GRU4Rec(dim=8, layers=2), tr.NextItNet(dim=8), tr.Caser(dim=8)]
LENGTHS = [9, 8, 8, 5, 2, 1, 1]


@pytest.fixture(params=READERS, ids=lambda method: type(method).__name__)
def reader(request: pytest.FixtureRequest) -> nn.Module:
    with Run(seed=0).seeded("network"):
        network: nn.Module = request.param.network(toys.cycle()).reader.double()
    return network.eval()


def ragged(lengths: list[int]) -> tuple[Tensor, Packed]:
    values = torch.randn(sum(lengths), 8, generator=torch.Generator().manual_seed(1)).double()
    return values, Packed(torch.zeros(sum(lengths), dtype=torch.long), torch.tensor(lengths))


@torch.no_grad()
def test_a_sequence_alone_is_read_as_among_longer_ones(reader: nn.Module) -> None:
    values, packed = ragged(LENGTHS)
    among = reader(values, packed)
    for first, end in zip(packed.starts.tolist(), packed.ends.tolist(), strict=True):
        _, alone = ragged([end - first])
        torch.testing.assert_close(reader(values[first:end], alone), among[first:end])


@torch.no_grad()
def test_what_comes_later_changes_no_state_and_what_came_before_does(reader: nn.Module) -> None:
    values, packed = ragged(LENGTHS)
    before = reader(values, packed)
    changed = values.clone()
    changed[4] *= -2  # of the first sequence, which has nine
    after = reader(changed, packed)
    moved = (after != before).any(1)
    assert torch.equal(after[:4], before[:4])
    assert moved[4:9].all()
    torch.testing.assert_close(after[9:], before[9:], rtol=0, atol=0)
