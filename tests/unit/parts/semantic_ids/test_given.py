import pytest
import torch

import tesserec as tr
from tesserec.core import Codes, Dataset, Run
from tesserec.core.errors import CannotAnswer, NoContent
from tesserec.parts.semantic_ids import Quantizer
from toys.worlds import world

TABLE = torch.tensor([[0, 1], [0, 2], [0, 1], [3, 3]])


def shop(**sets: Codes) -> Dataset:
    data = world([("u", n, n) for n in range(4)], items=range(4), vectors={"v": torch.eye(4)})
    for name, codes in sets.items():
        data = data.with_codes(name, codes)
    return data


def given(name: str = "") -> Quantizer:
    return Quantizer.from_dict({"kind": "Given", "name": name})


def test_unique_codes_are_taken_as_they_are() -> None:
    codes = Codes(TABLE[[0, 1, 3, 3]] + torch.tensor([[0], [0], [0], [1]]), (5, 5))
    data = shop(mine=codes, other=Codes(TABLE, (4, 4)))
    ids = given("mine").ids(data, Run())
    assert torch.equal(ids.table, codes.table)
    assert ids.sizes == (5, 5)


def test_shared_ones_are_told_apart_by_one_token_more() -> None:
    ids = given().ids(shop(mine=Codes(TABLE, (4, 4))), Run())
    assert ids.unique
    assert torch.equal(ids.table[:, :2], TABLE)
    assert ids.table[:, 2].tolist() == [0, 0, 1, 0]


def test_they_are_kept_in_a_run_folder_and_read_again(tmp_path) -> None:
    data = shop(mine=Codes(TABLE, (4, 4)))
    first = given().ids(data, Run(folder=tmp_path))
    again = given().ids(data, Run(folder=tmp_path, resume=True))
    assert torch.equal(first.table, again.table)


def test_a_model_of_given_ids_is_saved_under_both_names_and_loaded(tmp_path) -> None:
    codes = Codes(torch.tensor([[0, 1], [0, 2], [1, 1], [2, 2]]), (3, 3))
    method = tr.TIGER(**tr.TIGER.tiny).changed({"ids": given(), "schedule": {"epochs": 1}})
    model = method.fit(shop(mine=codes), Run())
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    for name in ("mine", "ids"):
        assert torch.equal(loaded.catalog.items.codes[name].table, codes.table)
    asked = tr.Requests.of(model.catalog, histories=[[0, 1]])
    assert torch.equal(loaded.recommend(asked, 2).items, model.recommend(asked, 2).items)


def test_what_is_not_there_is_refused_with_what_is() -> None:
    data = shop(one=Codes(TABLE, (4, 4)), two=Codes(TABLE, (4, 4)))
    for name in ("three", ""):
        with pytest.raises(NoContent, match="one, two"):
            given(name).ids(data, Run())


def test_new_items_cannot_get_codes_nobody_knows_how_to_make() -> None:
    codebook = given().fit(shop(mine=Codes(TABLE, (4, 4))), Run()).codebook
    with pytest.raises(CannotAnswer):
        codebook.encode(torch.eye(4))
    assert codebook.read(shop().catalog.items).tolist() == torch.eye(4).tolist()
