"""What a Transformer remembers of sequences, and how it reads on from there."""

import pytest
import torch

from tesserec.parts.batches import Packed
from tesserec.parts.sequences import Memories, Transformer

LENGTHS = torch.tensor([7, 6, 3, 1])


def packed_of(lengths: torch.Tensor) -> Packed:
    return Packed(torch.zeros(int(lengths.sum()), dtype=torch.int64), lengths)


@pytest.mark.parametrize("norm", ["pre", "post", "original"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_the_ends_alone_are_those_of_all_states_and_are_remembered_alike(
    norm: str, causal: bool, blocks: int
) -> None:
    torch.manual_seed(0)
    reader = Transformer(8, blocks, 2, 8, 0.5, norm, causal=causal).eval()
    values, packed = torch.randn(17, 8), packed_of(LENGTHS)
    whole: Memories = []
    ends: Memories = []
    states = reader(values, packed, whole)
    alone = reader.ends(values, packed, ends)
    torch.testing.assert_close(alone, states[packed.ends - 1])
    thought = torch.randn(4, 8)
    torch.testing.assert_close(reader.further(thought, ends), reader.further(thought, whole))


@pytest.mark.parametrize("part", [2**18, 100])
def test_reading_on_is_reading_the_longer_sequence(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tesserec.parts.sequences.transformer.PART", part)
    torch.manual_seed(0)
    reader = Transformer(8, 2, 2, 8, 0.0).eval()
    values, more = torch.randn(17, 8), torch.randn(2, 4, 8)
    memories: Memories = []
    reader.ends(values, packed_of(LENGTHS), memories)
    found = [reader.further(one, memories) for one in more]
    parts = zip(values.split(LENGTHS.tolist()), more.unbind(1), strict=True)
    longer = torch.cat([torch.cat(both) for both in parts])
    packed = packed_of(LENGTHS + 2)
    states = reader(longer, packed)
    torch.testing.assert_close(found[0], states[packed.ends - 2])
    torch.testing.assert_close(found[1], states[packed.ends - 1])


def test_values_are_dropped_out_where_only_ends_are_asked_for() -> None:
    torch.manual_seed(0)
    reader = Transformer(8, 1, 2, 8, 0.5)
    memories: Memories = []
    reader.ends(torch.randn(17, 8), packed_of(LENGTHS), memories)
    first = memories[0][0].values[0]  # [H, W, Dh] of the first sequence
    gone = (first == 0).all(2)
    assert gone.any()
    assert not gone.all()
    reader.eval()
    memories = []
    reader.ends(torch.randn(17, 8), packed_of(LENGTHS), memories)
    assert not (memories[0][0].values[0] == 0).any()
