"""RandomIds: chance that depends on an id and a seed, and on nothing else."""

import polars as pl
import pytest
import torch

from tesserec.core import Entities, Run
from tesserec.core.errors import CannotAnswer
from tesserec.parts.semantic_ids import FreeLeaves, Quantized
from tesserec.parts.semantic_ids.randomids import RandomIds
from toys.worlds import world


def fit(ids: list[str], quantizer: RandomIds | None = None, seed: int = 0) -> Quantized:
    data = world([("u", ids[0])], items=ids)
    return (quantizer or RandomIds()).fit(data, Run(seed=seed))


def names(count: int) -> list[str]:
    return [f"item {number}" for number in range(count)]


def slow_numbers(ids: list[str]) -> list[int]:
    """FNV-1a with integers of any size."""
    found = []
    for one in ids:
        digest = 0xCBF29CE484222325
        for byte in one.encode():
            digest = (digest ^ byte) * 0x100000001B3 % 2**64
        found.append(digest)
    return found


def slow_mix(number: int) -> int:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        number = (number ^ number >> shift) * factor % 2**64
    return number ^ number >> 31


def test_codes_are_those_of_a_loop():
    ids = ["a", "", "item 17", "grün", "日本"]
    found = fit(["x", "y"], RandomIds(levels=3, codes=10))
    seed = int(found.codebook.seed)
    numbers = found.codebook.read(Entities(pl.Series(ids)))
    assert [one % 2**64 for one in numbers[:, 0].tolist()] == slow_numbers(ids)
    expected = [
        [slow_mix((slow_mix(n ^ seed) + k * 0x9E3779B97F4A7C15) % 2**64) % 10 for k in (1, 2, 3)]
        for n in slow_numbers(ids)
    ]
    assert found.codebook.encode(numbers).tolist() == expected


def test_items_that_are_added_change_nobody():
    few, many = fit(names(50)), fit([*names(80), "another", "aaa"])
    known = dict(
        zip(sorted([*names(80), "another", "aaa"]), many.codes.table.tolist(), strict=True)
    )
    for one, codes in zip(sorted(names(50)), few.codes.table.tolist(), strict=True):
        assert known[one] == codes
    added = few.codebook.encode(few.codebook.read(Entities(pl.Series(["another"]))))
    assert added[0].tolist() == known["another"]


def test_numbers_and_the_same_as_text_are_one_id():
    read = fit(["a"]).codebook.read
    as_numbers, as_text = Entities(pl.Series([3, 17])), Entities(pl.Series(["3", "17"]))
    assert torch.equal(read(as_numbers), read(as_text))


def test_same_seed_same_codes():
    one, same, other = (fit(names(30), seed=seed).codes.table for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert (one == other).float().mean() < 0.1


def test_all_codes_are_as_likely_and_levels_know_nothing_of_each_other():
    """8,000 items: pairs of tokens of two levels are 125 each, give or take five deviations."""
    table = fit(names(8000), RandomIds(levels=3, codes=8)).codes.table
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = torch.bincount(8 * table[:, first] + table[:, second], minlength=64)
        assert pairs.shape == (64,)
        assert (pairs - 125).abs().max() < 5 * 125**0.5


def test_no_items_have_no_codes():
    found = fit(["a"]).codebook
    none = Entities(pl.Series([], dtype=pl.String))
    assert found.encode(found.read(none)).shape == (0, 3)


def test_chance_stands_for_no_vectors():
    with pytest.raises(CannotAnswer):
        fit(["a"]).codebook.decode(torch.zeros(1, 3))


def test_one_level_of_many_codes_gives_each_item_a_token_of_its_own():
    atomic = RandomIds(levels=1, codes=64, collisions=FreeLeaves())
    ids = atomic.ids(world([("u", "item 0")], items=names(50)), Run())
    assert ids.levels == 1
    assert ids.unique
