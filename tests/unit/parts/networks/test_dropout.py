import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.parts.networks.dropout import modality_dropout


def drawn(modalities: int, items: int, seed: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return torch.rand(modalities, items, generator=source) < 0.6


@given(st.integers(1, 4), st.integers(0, 20), st.floats(0, 1), st.integers(0, 99))
def test_nobody_gains_a_modality_and_nobody_loses_the_last(modalities, items, share, seed):
    masks = drawn(modalities, items, seed)
    before = masks.clone()
    kept = modality_dropout(masks, share)
    assert not (kept & ~masks).any()
    assert torch.equal(kept.any(0), masks.any(0))
    assert torch.equal(masks, before)


def test_when_all_is_dropped_each_is_as_likely_to_stay():
    masks = torch.tensor([[True], [True], [False], [True]]).expand(4, 30_000)
    kept = modality_dropout(masks, 1.0, generator=torch.Generator().manual_seed(0))
    assert (kept.sum(0) == 1).all()
    shares = kept.float().mean(1)
    assert shares.tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3], abs=0.02)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_each_goes_by_its_share_but_for_the_last(share):
    """Of two, both go by chance in share^2 of the cases, and one of them stays then."""
    masks = torch.ones(2, 30_000, dtype=torch.bool)
    kept = modality_dropout(masks, share, generator=torch.Generator().manual_seed(0))
    gone = 1 - kept.float().mean(1)
    assert gone.tolist() == pytest.approx([share - share**2 / 2] * 2, abs=0.02)


def test_nothing_is_dropped_outside_of_training_or_without_a_share():
    masks = drawn(3, 50, 0)
    assert torch.equal(modality_dropout(masks, 0.9, training=False), masks)
    assert torch.equal(modality_dropout(masks, 0.0), masks)


def test_equal_generators_drop_the_same():
    masks = torch.ones(3, 100, dtype=torch.bool)
    one, other = (
        modality_dropout(masks, 0.5, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    assert torch.equal(one, other)
    assert not torch.equal(one, masks)
