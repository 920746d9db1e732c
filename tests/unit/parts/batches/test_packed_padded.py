import torch

from tesserec.parts.batches import Packed

LENGTHS = torch.tensor([9, 9, 8, 4, 3, 1])


def packed() -> Packed:
    return Packed(torch.arange(int(LENGTHS.sum())), LENGTHS)


def test_padded_tables_hold_each_sequence_and_its_last_event_behind_the_end():
    sequences = packed()
    values = torch.randn(len(sequences.items), 3)
    rows = iter(values.split(LENGTHS.tolist()))
    tables = sequences.padded(values)
    assert len(tables) > 1
    for table in tables:
        for found in table:
            expected = next(rows)
            behind = expected[-1:].expand(len(found) - len(expected), -1)
            torch.testing.assert_close(found, torch.cat([expected, behind]))
    assert next(rows, None) is None


def test_joined_undoes_padded_and_so_does_its_gradient():
    sequences = packed()
    values = torch.randn(len(sequences.items), 3, dtype=torch.float64, requires_grad=True)
    joined = sequences.joined(sequences.padded(values))
    torch.testing.assert_close(joined, values)
    weight = torch.randn_like(joined)
    (joined * weight).sum().backward()
    torch.testing.assert_close(values.grad, weight)


def test_each_group_pads_as_all_do_together():
    sequences = packed()
    values = torch.randn(len(sequences.items), 2)
    for group, table in zip(sequences.groups, sequences.padded(values), strict=True):
        torch.testing.assert_close(group.padded(values), table)
