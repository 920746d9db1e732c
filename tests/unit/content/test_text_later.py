"""Texts that come later get the vectors they would have had."""

from pathlib import Path

import polars as pl
import pytest
import torch

from tesserec.content import TfidfSVD
from tesserec.content.image import ImageStatistics
from tesserec.core import Entities
from tesserec.core.errors import BadData, CannotAnswer
from tesserec.data import toys
from tesserec.experiment.contents import encode_new, keep

WORLD = toys.newcomers()


def test_by_what_was_learned_the_vectors_are_the_same_to_the_bit() -> None:
    encoder = TfidfSVD(dim=6)
    whole = encoder.encode(WORLD)
    again = encoder.encode_more(WORLD, encoder.learned(WORLD))
    assert torch.equal(again.table, whole.table)
    assert torch.equal(again.mask, whole.mask)


def test_from_a_run_they_are_the_same_to_the_third_digit(tmp_path: Path) -> None:
    encoder, items = TfidfSVD(dim=6), WORLD.catalog.items
    keep({"text": encoder.learned(WORLD)}, tmp_path)
    bare = Entities(items.ids[20:], items.features[20:])
    found = encode_new(tmp_path, (encoder,), bare, tmp_path)
    torch.testing.assert_close(
        found.vectors["text"], encoder.encode(WORLD).table[20:], atol=5e-3, rtol=0
    )
    assert found.masks["text"].all()
    untitled = Entities(pl.Series([99]), pl.DataFrame({"price": [3]}))
    assert not encode_new(tmp_path, (encoder,), untitled, tmp_path).vectors


def test_what_was_not_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="Fit the run again"):
        encode_new(tmp_path, (TfidfSVD(),), WORLD.catalog.items, tmp_path)
    with pytest.raises(CannotAnswer, match="ImageStatistics"):
        encode_new(tmp_path, (ImageStatistics(),), WORLD.catalog.items, tmp_path)
