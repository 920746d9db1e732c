"""Figures about codes, against loops over pairs and against scikit-learn."""

import itertools
import math
from collections import Counter

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from tesserec.core import Codes, Run
from tesserec.parts.semantic_ids import Quantized
from tesserec.parts.semantic_ids.given import NoCodebook
from tesserec.parts.semantic_ids.randomids import RandomIds
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from tesserec.parts.semantic_ids.statistics import (
    agreement,
    entropy,
    mutual_information,
    prefixes,
    reconstruction,
    statistics,
)
from toys.worlds import world


def drawn(seed: int = 0, items: int = 60, levels: int = 3, size: int = 4) -> Quantized:
    generator = torch.Generator().manual_seed(seed)
    table = torch.randint(size, (items, levels), generator=generator)
    vectors = torch.randn(items, 5, generator=generator)
    return Quantized(NoCodebook(""), vectors, Codes(table, (size,) * levels))


def unique(codes: Codes) -> Codes:
    row = torch.arange(len(codes))[:, None]
    return Codes(torch.cat([codes.table, row], 1), (*codes.sizes, len(codes)))


def test_usage_perplexity_and_entropy_are_those_of_a_counter() -> None:
    found = drawn(size=9)
    told = statistics(found, unique(found.codes))
    for level, column in zip(told.levels, found.codes.table.T.tolist(), strict=True):
        counts = Counter(column)
        nats = -sum(n / 60 * math.log(n / 60) for n in counts.values())
        assert level.used == len(counts)
        assert level.perplexity == pytest.approx(math.exp(nats))
        assert level.entropy == pytest.approx(nats / math.log(9))


def test_one_token_for_all_tells_nothing_and_not_less() -> None:
    assert str(entropy(torch.tensor([5, 0, 0, 0]))) == str(entropy(torch.zeros(4))) == "0.0"
    one = Codes(torch.zeros(1, 1, dtype=torch.int64), (4,))
    told = statistics(Quantized(NoCodebook(""), torch.ones(1, 2), one), one)
    assert f"{told.levels[0].entropy:.0%}" == "0%"


def test_prefixes_and_their_largest_are_those_of_tuples() -> None:
    found = drawn()
    told = statistics(found, unique(found.codes))
    rows = [tuple(row) for row in found.codes.table.tolist()]
    for length, level in enumerate(told.levels, 1):
        counts = Counter(row[:length] for row in rows)
        assert (level.prefixes, level.largest) == (len(counts), max(counts.values()))
    assert told.largest_bucket == max(Counter(rows).values())
    assert told.collisions == pytest.approx(1 - len(set(rows)) / len(rows))
    assert told.collisions_left == 0


def test_two_items_share_a_number_where_they_share_a_prefix() -> None:
    table = drawn().codes.table
    for length, group in enumerate(prefixes(table), 1):
        for one, other in itertools.combinations(range(len(table)), 2):
            same = table[one, :length].tolist() == table[other, :length].tolist()
            assert (group[one] == group[other]) == same


def test_agreement_is_the_mean_cosine_over_pairs() -> None:
    found = drawn()
    told = statistics(found, unique(found.codes))
    rows = found.codes.table.tolist()
    assert told.random_alike == pytest.approx(_cosine(found.vectors, rows, 0), abs=1e-6)
    for length, level in enumerate(told.levels, 1):
        assert level.alike == pytest.approx(_cosine(found.vectors, rows, length), abs=1e-6)


def _cosine(vectors: Tensor, rows: list[list[int]], length: int) -> float:
    pairs = itertools.combinations(range(len(rows)), 2)
    same = [(one, other) for one, other in pairs if rows[one][:length] == rows[other][:length]]
    values = [torch.cosine_similarity(vectors[a], vectors[b], dim=0) for a, b in same]
    return float(torch.stack(values).mean())


def test_where_no_two_share_a_prefix_there_is_no_agreement() -> None:
    assert agreement(torch.eye(3), torch.arange(3)) is None


def test_codes_of_likes_agree_more_than_random_pairs() -> None:
    vectors = torch.cat([torch.eye(4)[n] + 0.1 * torch.randn(20, 4) for n in range(4)])
    group = torch.arange(4).repeat_interleave(20)
    assert agreement(torch.nn.functional.normalize(vectors, dim=1), group) > 0.9
    codes = Codes(group[:, None], (4,))
    told = statistics(Quantized(NoCodebook(""), vectors, codes), unique(codes))
    assert told.random_alike < 0.4 < told.levels[0].alike


@pytest.mark.parametrize("seed", range(5))
def test_mutual_information_is_that_of_scikit_learn(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one = torch.randint(7, (200,), generator=generator)
    other = (one + torch.randint(3, (200,), generator=generator)) % 5
    expected = normalized_mutual_info_score(one.numpy(), other.numpy())
    assert mutual_information(one, other) == pytest.approx(expected)


def test_mutual_information_is_one_for_names_of_the_same_and_none_for_one_name() -> None:
    groups = torch.tensor([0, 0, 1, 2, 2])
    assert mutual_information(groups, 2 - groups) == pytest.approx(1)
    assert mutual_information(groups, torch.zeros(5, dtype=torch.int64)) == 0


def test_reconstruction_is_the_mean_square_of_what_is_left() -> None:
    data = world([("u", n) for n in range(40)], items=range(40), vectors={"v": torch.randn(40, 3)})
    found = RQKMeans(levels=2, codes=4).fit(data, Run())
    error, unexplained = reconstruction(found.codebook, found.vectors, found.codes.table)
    left = found.codebook.decode(found.codes.table) - found.vectors
    assert error == pytest.approx(float(left.square().mean()), rel=1e-5)
    spread = (found.vectors - found.vectors.mean(0)).square().mean()
    assert unexplained == pytest.approx(error / float(spread), rel=1e-5)
    assert 0 < unexplained < 0.6


def test_codes_that_stand_for_no_vectors_have_no_error() -> None:
    told = statistics(drawn(), unique(drawn().codes))
    assert (told.error, told.unexplained) == (None, None)
    assert told.to_dict()["levels"][0]["size"] == 4


def test_numbers_made_of_ids_are_no_content_that_could_be_alike() -> None:
    found = RandomIds(codes=2).fit(world([(0, item) for item in range(20)]), Run())
    told = statistics(found, unique(found.codes))
    assert told.random_alike is None
    assert [level.alike for level in told.levels] == [None] * 3
