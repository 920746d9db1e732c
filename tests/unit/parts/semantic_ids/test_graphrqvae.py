"""GraphRQVAE: what is quantised, what new items are read by, and what it is built of."""

from dataclasses import replace

import pytest
import torch

from tesserec.core import Dataset, Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.parts.semantic_ids import PopularityLevel
from tesserec.parts.semantic_ids.graphrqvae import GRAPH, GraphCodebook, GraphRQVAE
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans
from tesserec.parts.semantic_ids.rqvae import RQVAE

QUANTIZER = GraphRQVAE(**GraphRQVAE.tiny)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return Published(valid=0).split(toys.taste_told_by_text()).train


def test_columns_are_the_vectors_of_the_graph_encoder(world: Dataset) -> None:
    placed = QUANTIZER.placed(world, Run(seed=3))
    model = QUANTIZER.graph.fit(world, Run(seed=3))
    users, items = model.network.vectors()
    assert torch.equal(placed.data.catalog.items.vectors[GRAPH], items)
    assert torch.equal(placed.data.catalog.users.vectors[GRAPH], users)
    assert set(world.catalog.items.vectors) == {"text"}  # the data given are as they were


def test_who_did_nothing_has_the_mean_vector(world: Dataset) -> None:
    frame = world.interactions.frame
    quiet = replace(world.interactions, frame=frame.filter(frame["user"] > 1))
    placed = QUANTIZER.placed(replace(world, interactions=quiet), Run())
    users = placed.data.catalog.users.vectors[GRAPH]
    torch.testing.assert_close(users[0], users[2:].mean(0))
    assert torch.equal(users[0], users[1])


def test_codes_are_those_of_the_inner_quantizer_over_the_column(world: Dataset) -> None:
    run = Run(seed=3)
    placed = QUANTIZER.placed(world, run.stage(GRAPH))
    inner = RQKMeans(vectors=GRAPH, unit=True, levels=2, codes=4)
    expected = inner.fit(placed.data, run.stage("codes"))
    found = QUANTIZER.fit(world, run)
    assert torch.equal(found.codes.table, expected.codes.table)
    assert torch.equal(found.vectors, expected.vectors)


def test_a_new_item_is_read_by_its_contents_alone(world: Dataset) -> None:
    found = QUANTIZER.fit(world, Run(seed=3))
    codebook = found.codebook
    assert isinstance(codebook, GraphCodebook)
    items = world.catalog.items
    text = torch.cat([items.vectors["text"][:2], torch.zeros(1, 4)])
    new = replace(items, ids=items.ids[:3], features=items.features[:3], vectors={"text": text})
    read = codebook.read(new)
    alone = codebook.alone
    scaled = 2 * torch.nn.functional.normalize(text, dim=1)  # as long as random ones of width 4
    middle = torch.nn.functional.leaky_relu(alone.first(scaled @ alone.fuse.weight.T))
    torch.testing.assert_close(read, alone.last(middle))
    assert codebook.encode(read).shape == (3, 2)
    assert not any("users" in name for name in codebook.state_dict())


def test_it_may_quantise_other_vectors_and_leave_the_column_to_others(world: Dataset) -> None:
    quantizer = QUANTIZER.changed({"inner": {"vectors": "text"}})
    placed = quantizer.placed(world, Run())
    found = quantizer.quantised(placed, Run())
    assert torch.equal(found.vectors, world.catalog.items.vectors["text"])
    assert GRAPH in placed.data.catalog.items.vectors


def test_what_an_encoder_wrote_before_is_no_content(world: Dataset) -> None:
    placed = QUANTIZER.placed(world, Run())
    again = QUANTIZER.placed(placed.data, Run())
    table = placed.data.catalog.items.vectors[GRAPH]
    assert torch.equal(again.data.catalog.items.vectors[GRAPH], table)


def test_the_most_popular_of_the_same_codes_is_first(world: Dataset) -> None:
    assert isinstance(QUANTIZER.collisions, PopularityLevel)
    frame = world.interactions.frame
    kept = (frame["item"] >= 6) | (frame["user"] < 4 * (frame["item"] + 1))  # item 0 is rare
    data = replace(world, interactions=replace(world.interactions, frame=frame.filter(kept)))
    ids = QUANTIZER.ids(data, Run())
    assert ids.unique
    for prefix in ids.table[:, :-1].unique(dim=0):
        bucket = torch.nonzero((ids.table[:, :-1] == prefix).all(1))[:, 0]
        events = data.popularity[bucket[ids.table[bucket, -1].argsort()]]
        assert (events.diff() <= 0).all()
        assert sorted(ids.table[bucket, -1].tolist()) == list(range(len(bucket)))


def test_a_graph_encoder_has_to_place_new_items() -> None:
    with pytest.raises(BadSpec, match="GraphSAGE"):
        GraphRQVAE(graph="LightGCN")


def test_its_codes_are_held_against_what_the_inner_quantizer_makes_of_vectors(
    world: Dataset,
) -> None:
    inner = {"kind": "RQVAE", **RQVAE.tiny, "unit": True, "vectors": GRAPH}
    found = GraphRQVAE(**{**GraphRQVAE.tiny, "inner": inner}).fit(world, Run())
    wanted = torch.nn.functional.normalize(found.vectors, dim=1)
    assert torch.equal(found.codebook.meant(found.vectors), wanted)
