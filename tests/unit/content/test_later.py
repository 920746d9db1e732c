"""Texts and pictures that come later get the vectors they would have had."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
import torch

from tesserec.content import Encoder, TfidfSVD
from tesserec.content.encoder import Modality, Vectors
from tesserec.content.image import ImageStatistics
from tesserec.core import Dataset, Entities
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
    with pytest.raises(BadData, match="Fit the run again"):
        encode_new(tmp_path, (ImageStatistics(),), WORLD.catalog.items, tmp_path)
    with pytest.raises(CannotAnswer, match="Forgetful"):
        encode_new(tmp_path, (Forgetful(),), WORLD.catalog.items, tmp_path)


class Forgetful(Encoder):
    """Keeps nothing of what it learns."""

    modality: ClassVar[Modality] = "text"

    def encode(self, data: Dataset) -> Vectors:
        raise NotImplementedError


def test_pictures_from_a_run_are_turned_and_cut_as_those_before(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed: no pictures to test")
    from toys.pictures import as_file, speckles

    files = [as_file(speckles(seed)) for seed in range(30)]
    ids = WORLD.catalog.items.ids
    (tmp_path / "media").mkdir()
    pictures = pl.DataFrame({"item": ids, "bytes": files})
    pictures.write_parquet(tmp_path / "media" / "image.parquet")
    encoder = ImageStatistics(dim=5)
    data = replace(WORLD, folder=tmp_path)
    vectors, learned = encoder.encode_and_learn(data)
    assert torch.equal(vectors.table, encoder.encode(data).table)
    keep({"image": learned}, tmp_path)
    bare = Entities(ids[20:], WORLD.catalog.items.features[20:])
    found = encode_new(tmp_path, (encoder,), bare, tmp_path)
    torch.testing.assert_close(found.vectors["image"], vectors.table[20:], atol=5e-3, rtol=0)
    alone = encoder.encode(
        replace(data.without_events(), catalog=replace(data.catalog, items=bare))
    ).table
    assert (alone - vectors.table[20:]).abs().max() > 0.1
