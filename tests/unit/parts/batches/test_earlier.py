import pytest
import torch

from tesserec.parts.batches import Packed


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 50])
def test_what_came_earlier_is_of_the_same_sequence(steps: int) -> None:
    lengths = [3, 2, 2, 1]
    values = torch.arange(1.0, 9.0)[:, None]
    packed = Packed(torch.zeros(8, dtype=torch.long), torch.tensor(lengths))
    expected, start = [], 0
    for length in lengths:
        row = values[start : start + length, 0].tolist()
        expected += ([0.0] * steps + row)[:length]
        start += length
    assert packed.earlier(values, steps)[:, 0].tolist() == expected
