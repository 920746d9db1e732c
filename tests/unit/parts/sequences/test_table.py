import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Run
from tesserec.core.errors import NoContent
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.parts.sequences import FedBy, Learned, StartedFrom

DIM = 6


def told(width: int = 9) -> Dataset:
    """The cycle of 20 items with vectors, of which items 3 and 7 have none."""
    data = toys.cycle()
    table = torch.randn(20, width, generator=torch.Generator().manual_seed(1))
    table[[3, 7]] = 0
    return data.with_vectors("text", table)


def made(spec, data: Dataset) -> torch.nn.Module:
    torch.manual_seed(0)
    return spec.over(data, DIM)


def test_a_learned_table_is_small_random_numbers():
    table = made(Learned(deviation=0.1), toys.cycle())()
    assert table.shape == (20, DIM)
    assert table.requires_grad
    assert 0.07 < table.std() < 0.13


def test_a_table_begins_where_content_that_is_alike_lies_together():
    data = told()
    table = made(StartedFrom(deviation=0.1), data)().detach()
    content = data.catalog.items.vectors["text"]
    present = data.catalog.items.present("text")
    lengths = table[present].norm(dim=1)
    torch.testing.assert_close(lengths, torch.full_like(lengths, 0.1 * DIM**0.5))
    near = torch.corrcoef(torch.stack([_cosines(table[present]), _cosines(content[present])]))
    assert near[0, 1] > 0.6
    assert table[~present].norm(dim=1).min() > 0  # without content: at random
    assert table.unique(dim=0).shape[0] == 20


def _cosines(rows: torch.Tensor) -> torch.Tensor:
    unit = torch.nn.functional.normalize(rows - rows.mean(0), dim=1)
    return (unit @ unit.T)[~torch.eye(len(rows), dtype=torch.bool)]


def test_a_fed_table_is_projected_content_plus_what_is_learned():
    data = told()
    module = made(FedBy(), data)
    content = data.catalog.items.vectors["text"]
    unit = torch.nn.functional.normalize(content, dim=1) * 9**0.5
    expected = unit @ module.project.weight.T + module.own
    torch.testing.assert_close(module(), expected)
    torch.testing.assert_close(module()[3], module.own[3])
    alone = made(FedBy(learned=False), data)
    assert (alone()[[3, 7]] == 0).all()
    assert "content" not in module.state_dict()  # it stays beside the data


def test_vectors_are_named_where_there_are_several():
    data = told().with_vectors("image", torch.randn(20, 4))
    assert made(FedBy(vectors="image"), data).project.in_features == 4
    with pytest.raises(NoContent, match="image, text"):
        made(FedBy(), data)
    with pytest.raises(NoContent, match="'sound'"):
        made(StartedFrom(vectors="sound"), data)
    with pytest.raises(NoContent, match="encode"):
        made(StartedFrom(), toys.cycle())


@pytest.mark.parametrize("items", [FedBy(), FedBy(learned=False), StartedFrom()], ids=repr)
def test_a_method_with_content_learns_its_world_and_is_loaded_without_the_vectors(items, tmp_path):
    split = Published(valid=0).split(told(width=32))
    method = tr.SASRec(**tr.SASRec.tiny, items=items)
    model = method.fit(split.train, Run(seed=1))
    found = model.recommend(split.test.requests, 3)
    hits = (found.items == split.test.truth.padded()).any(1).float().mean()
    assert hits > 0.8
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    again = loaded.recommend(split.test.requests, 3)
    assert torch.equal(again.items, found.items)
    torch.testing.assert_close(again.scores, found.scores)
