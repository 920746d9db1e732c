"""MSCGRec: which modalities there are, what of them is read, and what it refuses."""

from pathlib import Path

import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Run, Split
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.evaluation import mark
from tesserec.parts.semantic_ids.collaborative import Collaborative
from tesserec.parts.semantic_ids.quantizer import Quantizer
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from tesserec.parts.semantic_ids.words import Words


@pytest.fixture(scope="module")
def split() -> Split:
    return Published(valid=0).split(with_contents(toys.cycle()))


def with_contents(data: Dataset) -> Dataset:
    """A text of every item, and a picture of all but every third."""
    draw = torch.Generator().manual_seed(0)
    picture = torch.randn(20, 4, generator=draw)
    picture[::3] = 0
    text = torch.randn(20, 4, generator=draw)
    return data.with_vectors("text", text).with_vectors("image", picture)


def tiny(**more: object) -> tr.MSCGRec:
    few = {"levels": 2, "codes": 5}
    three = [
        {"kind": "RQKMeans", "vectors": "text", **few},
        {"kind": "RQKMeans", "vectors": "image", **few},
        {"kind": "Collaborative", **Collaborative.tiny},
    ]
    return tr.MSCGRec(**{**tr.MSCGRec.tiny, "modalities": three, **more})


def test_where_nobody_says_which_all_contents_and_behaviour_are_read(
    split: Split,
) -> None:
    found = list(tr.MSCGRec().quantizers(split.train.catalog.items).values())
    assert found == [RQKMeans(vectors="image"), RQKMeans(vectors="text"), Collaborative()]


def test_it_writes_one_modality_and_reads_all(split: Split) -> None:
    for written, name in ((-1, "ids2"), (0, "ids0"), (1, "ids1")):
        method = tiny(written=written, schedule={"epochs": 1})
        model = method.fit(split.train, Run(seed=1))
        codes = model.catalog.items.codes
        assert list(codes) == ["ids0", "ids1", "ids2"]
        assert model.network.sizes == codes[name].sizes
        assert torch.equal(model.network.codes, codes[name].table)
        assert model.network.reader.rows.shape == (20, 9)


def test_it_solves_the_cycle_without_a_third_of_the_pictures_and_without_a_modality(
    split: Split, tmp_path: Path
) -> None:
    model = tiny(masking=0.3).fit(split.train, Run(seed=1))
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    for network in (model.network, loaded.network):
        assert network.reader.present.sum(0).tolist() == [20, 13, 20]
    assert mark(loaded, split.test, ["recall@3"])["recall@3"] >= 0.9
    before = loaded.score(split.test.requests, torch.arange(20).expand(len(split.test), -1))
    loaded.network.reader.present[:, 1] = False  # as if there were no pictures
    after = loaded.score(split.test.requests, torch.arange(20).expand(len(split.test), -1))
    assert not torch.allclose(before, after)
    assert mark(loaded, split.test, ["recall@3"])["recall@3"] >= 0.9


def test_one_modality_with_distances_of_tokens_is_tiger(split: Split) -> None:
    few = {"kind": "RQKMeans", "vectors": "text", "levels": 2, "codes": 5}
    ours = tiny(modalities=[few], apart=False, masking=0.0)
    tiger = tr.TIGER(**{**tr.TIGER.tiny, "ids": few, "children": True})
    data = tiger.prepare(split.train, Run(seed=1))
    same = data.with_codes("ids0", data.catalog.items.codes["ids"])
    network, plain = ours.network(same), tiger.network(data)
    missing, unexpected = network.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert set(missing) == {"reader.tokens", "reader.missing", "reader.present"}
    batch = next(iter(ours.batches(same)(torch.Generator().manual_seed(2))))
    torch.testing.assert_close(network.loss(batch).each, plain.loss(batch).each)


@pytest.mark.parametrize("other", [RQKMeans(levels=2, codes=4), Collaborative()])
def test_words_are_read_beside_any_modality_after_loading_too(
    other: Quantizer, tmp_path: Path
) -> None:
    data = Published(valid=0).split(toys.newcomers()).train
    words = {"kind": "Words", **Words.tiny}
    small = other.changed(other.tiny).to_dict()
    model = tiny(modalities=[words, small], schedule={"epochs": 1}).fit(data, Run(seed=1))
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    assert torch.equal(loaded.network.reader.present, model.network.reader.present)
    asked = tr.Requests.of(model.catalog, histories=[model.catalog.items.ids[:3].to_list()])
    assert torch.equal(loaded.recommend(asked, 5).items, model.recommend(asked, 5).items)


def test_it_refuses_what_makes_no_sense() -> None:
    with pytest.raises(BadSpec, match="3 modalities, and written = 3"):
        tiny(written=3)
    with pytest.raises(BadSpec, match="children = true"):
        tiny(choices=True, children=False)
