"""Codes of a trained model's item vectors, and of items it never saw."""

from dataclasses import replace

import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Entities, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.evaluation import mark
from tesserec.parts.semantic_ids.collaborative import Collaborative
from tesserec.parts.semantic_ids.kmeans import nearest
from tesserec.parts.semantic_ids.rqvae import RQVAE
from tesserec.recommenders import BeamRecommender


@pytest.fixture(scope="module")
def world() -> Dataset:
    """Two tastes that vectors tell; the last six items have no events."""
    return Published(valid=0).split(toys.taste_told_by_text()).train


def tiny(**more: object) -> Collaborative:
    return Collaborative(**{**Collaborative.tiny, **more})


def test_codes_are_those_of_the_teachers_vectors(world: Dataset) -> None:
    method = tiny()
    found = method.fit(world, Run(seed=1))
    taught = method.teacher.fit(world, Run(seed=1).stage("teacher")).item_vectors
    torch.testing.assert_close(found.vectors[:24], taught[:24])
    rest = taught[:24]
    for level, centres in enumerate(found.codebook.inner.centres):
        code, _ = nearest(rest, centres)
        assert torch.equal(code, found.codes.table[:24, level])
        rest = rest - centres[code]


def test_an_item_nobody_chose_stands_where_the_nearest_by_content_does(world: Dataset) -> None:
    found = tiny().fit(world, Run(seed=1))
    text = torch.nn.functional.normalize(world.catalog.items.vectors["text"], dim=1)
    for item in range(24, 30):
        near = max(range(24), key=lambda other: float(text[item] @ text[other]))
        torch.testing.assert_close(found.vectors[item], found.vectors[near])
        assert found.codes.table[item].tolist() == found.codes.table[near].tolist()


def test_without_content_it_stands_at_the_mean(world: Dataset) -> None:
    bare = replace(world.catalog.items, vectors={})
    world = replace(world, catalog=replace(world.catalog, items=bare))
    found = tiny().fit(world, Run(seed=1))
    for item in range(24, 30):
        torch.testing.assert_close(found.vectors[item], found.vectors[:24].mean(0))


def test_an_item_without_content_is_nobodys_nearest(world: Dataset) -> None:
    """All known ones but it point the other way: their cosines are negative, its would be 0."""
    text = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).repeat(30, 1)
    text[5] = 0
    text[6] = torch.tensor([1.0, 1.0, 0.0, 0.0])
    text[29] = -text[0]
    found = tiny().fit(world.with_vectors("text", text), Run(seed=1))
    torch.testing.assert_close(found.vectors[29], found.vectors[6])


def test_where_no_known_item_has_content_the_mean_stands_for_new_ones(world: Dataset) -> None:
    text = torch.zeros(30, 4)
    text[29] = 1
    found = tiny().fit(world.with_vectors("text", text), Run(seed=1))
    torch.testing.assert_close(found.vectors[29], found.vectors[:24].mean(0))


def test_data_without_events_are_refused(world: Dataset) -> None:
    with pytest.raises(NoContent, match="the data have no events"):
        tiny().ids(world.without_events(), Run())


def test_its_codes_are_held_against_what_the_inner_quantizer_makes_of_vectors(
    world: Dataset,
) -> None:
    inner = {"kind": "RQVAE", **RQVAE.tiny, "unit": True}
    found = tiny(inner=inner).fit(world, Run())
    wanted = torch.nn.functional.normalize(found.vectors, dim=1)
    assert torch.equal(found.codebook.meant(found.vectors), wanted)


def test_new_items_are_read_beside_known_ones(world: Dataset) -> None:
    codebook = tiny().fit(world, Run(seed=1)).codebook
    known, content = world.catalog.items, world.catalog.items.vectors["text"]
    ids = type(known.ids)([100, known.ids[5], 101])
    table = torch.stack([content[3], content[5], torch.zeros(4)])
    read = codebook.read(Entities(ids, vectors={"text": table}))
    own = codebook.read(known)
    torch.testing.assert_close(read, torch.stack([own[3], own[5], own[:24].mean(0)]))


def test_contents_are_compared_whatever_their_length_and_what_is_missing(world: Dataset) -> None:
    text = world.catalog.items.vectors["text"]
    image = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    image[26] = 0
    both = world.with_vectors("image", 100 * image)
    found = tiny().fit(both, Run(seed=1))
    unit = torch.nn.functional.normalize
    for item in (24, 26):
        closeness = [
            float(unit(text[item], dim=0) @ unit(text[other], dim=0))
            + float(unit(image[item], dim=0) @ unit(image[other], dim=0))
            for other in range(24)
        ]
        torch.testing.assert_close(
            found.vectors[item], found.vectors[closeness.index(max(closeness))]
        )


def test_the_teacher_is_a_sasrec_where_nobody_says_which() -> None:
    method = Collaborative()
    assert isinstance(method.teacher, tr.SASRec)
    assert method.quantizer.levels == method.levels
    fewer = Collaborative(levels=2, codes=16)
    assert (fewer.quantizer.levels, fewer.quantizer.codes) == (2, 16)


def test_tiger_writes_them() -> None:
    split = Published(valid=0).split(toys.cycle())
    teacher = {"kind": "SASRec", **tr.SASRec.tiny, "schedule": {"epochs": 5, "rate": 0.01}}
    text = torch.zeros(20, 2)
    method = tr.TIGER(**tr.TIGER.tiny).changed({"ids": tiny(teacher=teacher).to_dict()})
    model = method.fit(split.train.with_vectors("text", text), Run(seed=1))
    assert mark(model, split.test, ["recall@3"])["recall@3"] >= 0.9


def test_a_teacher_without_vectors_of_items_is_refused(
    world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BeamRecommender, "item_vectors", None)
    with pytest.raises(BadSpec, match="ItemKNN has no field `dim`"):
        tiny(teacher=tr.ItemKNN())
    generative = tr.TIGER(**tr.TIGER.tiny)
    with pytest.raises(BadSpec, match="have none"):
        tiny(teacher=generative.changed({"schedule": {"epochs": 1}})).fit(
            Published(valid=0).split(toys.cycle()).train.with_vectors("text", torch.randn(20, 4)),
            Run(),
        )
