"""LSH: what signs of projections must say."""

import math

import pytest
import torch
from torch import Tensor

from tesserec.core import Run
from tesserec.core.errors import BadSpec, CannotAnswer
from tesserec.parts.semantic_ids import Quantized
from tesserec.parts.semantic_ids.lsh import LSH
from toys.worlds import world


def fit(quantizer: LSH, vectors: Tensor, seed: int = 0) -> Quantized:
    data = world([(0, 0)], items=range(len(vectors)), vectors={"text": vectors})
    return quantizer.fit(data, Run(seed=seed))


def bits(codes: Tensor, count: int) -> Tensor:
    """[n, L] -> [n, L count]"""
    return ((codes[..., None] >> torch.arange(count)) & 1).flatten(1)


def random_vectors(count: int, width: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_codes_are_those_of_a_loop():
    vectors = random_vectors(40)
    found = fit(LSH(levels=3, codes=8), vectors)
    assert found.codes.sizes == (8, 8, 8)
    for vector, codes in zip(vectors, found.codes.table.tolist(), strict=True):
        for planes, code in zip(found.codebook.planes, codes, strict=True):
            signs = [float(plane @ vector) > 0 for plane in planes]
            assert code == sum(2**place for place, above in enumerate(signs) if above)


def test_length_says_nothing_and_the_opposite_lies_on_all_other_sides():
    vectors = random_vectors(40)
    encode = fit(LSH(levels=2, codes=16), vectors).codebook.encode
    assert torch.equal(encode(vectors), encode(7 * vectors))
    assert torch.equal(encode(vectors), 15 - encode(-vectors))


@pytest.mark.parametrize("angle", [0.3, 1.0, 2.0])
def test_bits_differ_as_often_as_the_angle_is_wide(angle):
    """The probability is angle / pi; 4,000 planes are four standard deviations from 0.03 off."""
    pair = torch.tensor([[1.0, 0.0], [math.cos(angle), math.sin(angle)]])
    found = fit(LSH(levels=500, codes=256), pair)
    one, other = bits(found.codes.table, 8)
    assert float((one != other).float().mean()) == pytest.approx(angle / math.pi, abs=0.032)


def test_same_seed_same_planes():
    vectors = random_vectors(40)
    one, same, other = (fit(LSH(), vectors, seed).codebook.planes for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_numbers_of_codes_that_no_bits_make_are_refused():
    with pytest.raises(BadSpec, match=r"and not 100. Take 64 or 128 codes"):
        LSH(codes=100)
    assert [LSH(codes=codes).bits for codes in (2, 4, 256)] == [1, 2, 8]


def test_one_code_is_no_sign():
    with pytest.raises(BadSpec, match="codes"):
        LSH(codes=1)


def test_signs_stand_for_no_vectors():
    with pytest.raises(CannotAnswer):
        fit(LSH(), random_vectors(3)).codebook.decode(torch.zeros(1, 3))
