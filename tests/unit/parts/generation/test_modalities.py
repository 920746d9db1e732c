"""Several codes of each item, read with two kinds of distance, against loops."""

import pytest
import torch
from torch import Tensor

from tesserec.core import Codes
from tesserec.parts.batches import Packed, SequenceBatch
from tesserec.parts.generation import (
    CodeReader,
    Decoder,
    Encoder,
    Generator,
    ItemsAndCodes,
    ModalityReader,
    Relative,
)
from tesserec.parts.generation.modalities import some_of, token_rows

DIM, HEADS, ITEMS = 12, 3, 9
SHAPE = DIM, 2, HEADS, 8, 20, 0.0
LENGTHS = torch.tensor([6, 5, 2, 1])


def codes_of(*sizes: int) -> Codes:
    """Unique codes: the first levels at random, the last counts the items."""
    table = torch.stack([torch.randint(size, (ITEMS,)) for size in sizes], 1)
    table[:, -1] = torch.arange(ITEMS)
    return Codes(table, sizes)


def some_items() -> Packed:
    drawn = torch.randint(ITEMS, (int(LENGTHS.sum()),), generator=torch.Generator().manual_seed(1))
    return Packed(drawn, LENGTHS)


def reader_of(
    codes: list[Codes], written: int, present: Tensor | None = None, masking: float = 0.0
) -> ModalityReader:
    levels = sum(one.levels for one in codes)
    there = torch.ones(ITEMS, len(codes), dtype=torch.bool) if present is None else present
    encoder = Encoder(*SHAPE, ItemsAndCodes(HEADS, DIM, levels))
    return ModalityReader(codes, written, there, encoder, DIM, masking)


def nobody(packed: Packed) -> Tensor:
    return torch.full((len(packed),), -1)


def test_the_bias_is_that_of_the_items_plus_that_of_their_codes() -> None:
    torch.manual_seed(0)
    bias, positions = ItemsAndCodes(heads=2, dim=4, codes=3), torch.arange(12)
    found = bias(positions[6:8], positions)
    assert found.shape == (2, 2, 12)
    for row, one in enumerate((6, 7)):
        for other in range(12):
            far = torch.tensor([[other // 3 - one // 3]])
            item = bias.items.weight[bias.items.buckets(far)[0, 0]]
            code = bias.weight.view(3, 3, 2)[one % 3, other % 3]
            torch.testing.assert_close(found[:, row, other], item + code)


def test_attention_adds_the_bias_before_the_softmax() -> None:
    """One sequence of two items, whose attention is written out in loops."""
    torch.manual_seed(1)
    encoder = Encoder(DIM, 1, HEADS, 8, 20, 0.0, ItemsAndCodes(HEADS, DIM, 2)).eval()
    values = torch.randn(4, DIM)
    layer = encoder.layers[0]
    seen = layer.before(values)
    query = layer.attention.queries(seen).view(4, HEADS, 8)
    key, value = layer.attention.keys(seen).view(4, 2, HEADS, 8).unbind(1)
    bias = encoder.bias(torch.arange(4), torch.arange(4))
    mixed = torch.zeros(4, HEADS, 8)
    for head in range(HEADS):
        for one in range(4):
            logits = torch.stack(
                [query[one, head] @ key[other, head] + bias[head, one, other] for other in range(4)]
            )
            mixed[one, head] = logits.softmax(0) @ value[:, head]
    after = values + layer.attention.out(mixed.flatten(1))
    expected = encoder.last(after + layer.inner(layer.between(after)))
    torch.testing.assert_close(
        encoder(values, Packed(torch.arange(4), torch.tensor([4]))), expected
    )


def test_each_token_of_each_modality_has_a_row_of_its_own() -> None:
    torch.manual_seed(0)
    codes = [codes_of(4, 9), codes_of(3, 2, 9), codes_of(5, 9)]
    for written in range(3):
        order = [written, *(m for m in range(3) if m != written)]
        first, wanted = {}, 0
        for m in order:
            for level, size in enumerate(codes[m].sizes):
                first[m, level], wanted = wanted, wanted + size
        found = token_rows(codes, written)
        for item in range(ITEMS):
            expected = [
                first[m, level] + int(codes[m].table[item, level])
                for m in range(3)
                for level in range(codes[m].levels)
            ]
            assert found[item].tolist() == expected


def test_a_single_modality_is_read_as_tiger_reads() -> None:
    torch.manual_seed(0)
    codes, packed = codes_of(4, 3, 9), some_items()
    reader = reader_of([codes], written=0).eval()
    plain = CodeReader(codes, reader.encoder, DIM)
    table = torch.randn(sum(codes.sizes), DIM)
    found, read = reader(packed, nobody(packed), table)
    expected, same = plain(packed, nobody(packed), table)
    assert torch.equal(read.lengths, same.lengths)
    torch.testing.assert_close(found, expected)


def test_with_one_code_an_item_and_no_bias_of_codes_it_is_tigers_bias() -> None:
    torch.manual_seed(0)
    bias, plain = ItemsAndCodes(HEADS, DIM, 1), Relative(HEADS, DIM, both_ways=True)
    with torch.no_grad():
        bias.weight.zero_()
        bias.items.weight.copy_(plain.weight)
    places = torch.arange(7)
    torch.testing.assert_close(bias(places, places), plain(places, places))


def test_what_is_not_there_makes_no_difference() -> None:
    torch.manual_seed(0)
    codes, packed = [codes_of(4, 9), codes_of(5, 9)], some_items()
    present = torch.ones(ITEMS, 2, dtype=torch.bool)
    present[::2, 0] = False
    reader = reader_of(codes, 1, present).eval()
    table = torch.randn(14, DIM)
    found, _ = reader(packed, nobody(packed), table)
    with torch.no_grad():
        reader.rows[::2, :2] = reader.rows[::2, :2].flip(0)  # other codes of what nobody sees
    torch.testing.assert_close(reader(packed, nobody(packed), table)[0], found)
    with torch.no_grad():
        reader.rows[1::2, :2] = reader.rows[1::2, :2].flip(0)
    assert not torch.allclose(reader(packed, nobody(packed), table)[0], found)


def test_never_all_modalities_of_an_event_are_left_out() -> None:
    torch.manual_seed(0)
    there = torch.rand(5000, 3) < 0.7
    for masking in (0.0, 0.3, 0.95):
        left = some_of(there, masking)
        assert not (left & ~there).any()
        assert torch.equal(left.any(1), there.any(1))
        several = there.sum(1) == 3
        # The one that stays is any of them, equally often.
        gone = masking - masking**3 / 3
        assert left[several].float().mean(0) == pytest.approx([1 - gone] * 3, abs=0.04)


def test_modalities_are_left_out_while_training_alone() -> None:
    torch.manual_seed(0)
    codes, packed = [codes_of(4, 9), codes_of(5, 9)], some_items()
    reader, table = reader_of(codes, 1, masking=0.5), torch.randn(14, DIM)
    once, again = (reader(packed, nobody(packed), table)[0] for _ in range(2))
    assert not torch.allclose(once, again)
    reader.eval()
    once, again = (reader(packed, nobody(packed), table)[0] for _ in range(2))
    assert torch.equal(once, again)


def generator(choices: bool) -> Generator:
    torch.manual_seed(0)
    table = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [2, 2, 0], [2, 2, 1]])
    codes = Codes(table, (3, 3, 2))
    reader = CodeReader(codes, Encoder(*SHAPE), DIM)
    popularity = torch.ones(6)
    return Generator(codes, reader, Decoder(*SHAPE), DIM, popularity, 6, True, choices).eval()


def test_the_constrained_loss_is_a_mean_over_places_with_a_choice() -> None:
    """In loops: which tokens may follow, the softmax over them, and how many there are."""
    targets = torch.tensor([0, 3, 2, 5])
    packed = Packed(torch.tensor([0, 1, 2, 3, 4, 5, 1]), torch.tensor([3, 2, 1, 1]))
    batch = SequenceBatch(
        torch.arange(4), nobody(packed), packed, packed.ends - 1, targets, None, torch.ones(4)
    )
    for choices in (False, True):
        ours = generator(choices)
        memory, read = ours.reader(packed, nobody(packed), ours.tokens)
        states = ours.decoder(ours._written(ours.codes[targets]), memory, read)
        table, total, count = ours.codes.tolist(), 0.0, 0
        for row, item in enumerate(targets.tolist()):
            for level in range(3):
                prefix = table[item][:level]
                children = sorted({one[level] for one in table if one[:level] == prefix})
                logits = ours.logits(states[row, level], level)[children]
                right = children.index(table[item][level])
                total -= logits.log_softmax(0)[right].item()
                count += len(children) > 1 or not choices
        found = ours.loss(batch).total(batch).item()
        assert found == pytest.approx(total / count, rel=1e-5)
        assert count == (8 if choices else 12)  # of 0: 3 open levels; of 3: 1; of 2: 2; of 5: 2
