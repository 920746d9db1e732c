import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tesserec.core import Answering, Codes, Dataset, Histories, Ragged, Requests, Run
from tesserec.core.errors import BadData, BadRequest, BadSpec, DamagedFile
from tesserec.core.files import replacing_folder
from tesserec.data.build import from_tables
from tesserec.methods.collaborative.als import ALS
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.itemknn import ItemKNN
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.collaborative.popular import Popular
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.objectives import PSL
from tesserec.recommenders import load, save
from tesserec.recommenders.lineage import Lineage
from toys.strategies import Remembering
from toys.worlds import random_world

SHORT = {"dim": 8, "schedule": {"epochs": 2, "rate": 0.05}, "batches": {"size": 64}}
METHODS = {
    "Popular": Popular(),
    "ItemKNN": ItemKNN(neighbours=4),
    "EASE": EASE(regularization=1.0),
    "ALS": ALS(dim=4, epochs=2),
    "MF": MF().changed(SHORT),
    "LightGCN": LightGCN().changed(SHORT),
    "LightGCN with PSL": LightGCN(objective=PSL()).changed(SHORT),
    "BM3": BM3().changed(SHORT),
    "a strategy": Remembering(method=MF().changed(SHORT)),
    "a strategy in a strategy": Remembering(
        method=Remembering(method=BM3().changed(SHORT)), drop=0.1
    ),
}


def shop() -> Dataset:
    """A random world with titles, prices, vectors, and a secret of each person."""
    data = random_world(seed=3)
    names = pl.Series([f"item-{row:02d}" for row in range(30)])
    items = pl.DataFrame({"id": names, "title": ["A title"] * 30, "price": range(30)})
    emails = [f"{user}@example.org" for user in range(20)]
    users = pl.DataFrame({"id": range(20), "email": emails})
    frame = data.interactions.frame
    frame = frame.with_columns(item=names.gather(frame["item"]))
    vectors = torch.rand(30, 6, generator=torch.Generator().manual_seed(0))
    return from_tables(frame, items, users, vectors={"text": vectors})


def everybody(data: Dataset) -> Requests:
    """All who are known, a stranger with a history, and one without."""
    people = len(data.catalog.users)
    known = data.histories.items
    items = Ragged(
        known.values,
        torch.cat([known.starts, known.starts[:1], known.starts[:1]]),
        torch.cat([known.ends, known.ends[:1], known.starts[:1]]),
    )
    users = torch.cat([torch.arange(people), torch.tensor([-1, -1])])
    return Requests(users, Histories(items), exclude=items)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Answering, Path]]:
    data = shop()
    made = {}
    for name, method in METHODS.items():
        fitted = method.fit(data, Run(seed=5))
        made[name] = fitted, save(fitted, tmp_path_factory.mktemp("models") / name)
    return made


@pytest.mark.parametrize("name", METHODS)
def test_a_loaded_model_answers_bit_equal_without_the_data(models, name):
    fitted, folder = models[name]
    loaded, asked = load(folder), everybody(shop())
    before, after = fitted.recommend(asked, 35), loaded.recommend(asked, 35)
    assert torch.equal(before.items, after.items)
    assert torch.equal(before.scores, after.scores)
    items = torch.randint(-1, 30, (22, 5), generator=torch.Generator().manual_seed(1))
    assert torch.equal(fitted.score(asked, items), loaded.score(asked, items))
    assert loaded.method == fitted.method == METHODS[name]
    assert loaded.catalog.items.ids.equals(fitted.catalog.items.ids)
    assert loaded.catalog.items.features.equals(fitted.catalog.items.features)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "Popular"])
def test_a_loaded_model_knows_the_same_neighbours_and_reasons(models, name):
    fitted, folder = models[name]
    loaded, asked = load(folder), everybody(shop())
    first = fitted.recommend(asked, 1).items[:, 0]
    for one, other in (
        (fitted.similar(torch.arange(30), 5).items, loaded.similar(torch.arange(30), 5).items),
        (fitted.shares(asked, first), loaded.shares(asked, first)),
    ):
        assert torch.equal(one, other)


def test_two_names_for_the_same_codes_are_saved_as_two(tmp_path):
    codes = Codes(torch.arange(30)[:, None], (30,))
    data = shop().with_codes("one", codes).with_codes("two", codes)  # as Given makes them
    save(Popular().fit(data, Run()), tmp_path / "model")
    again = load(tmp_path / "model").catalog.items.codes
    assert torch.equal(again["one"].table, codes.table)
    assert torch.equal(again["two"].table, codes.table)


@pytest.mark.parametrize("name", METHODS)
def test_a_loaded_model_saved_again_is_the_same_folder(models, name, tmp_path):
    _, folder = models[name]
    again = save(load(folder), tmp_path / "again")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            other = again / path.relative_to(folder)
            assert other.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("name", METHODS)
def test_a_model_folder_holds_no_events_no_vectors_and_nothing_of_people_but_ids(models, name):
    _, folder = models[name]
    catalog = folder / "catalog"
    assert sorted(path.name for path in catalog.iterdir()) == [
        "catalog.json",
        "items.parquet",
        "users.parquet",
    ]
    assert pl.read_parquet(catalog / "users.parquet").columns == ["id"]
    assert pl.read_parquet(catalog / "items.parquet").columns == ["id", "title", "price"]
    shapes = json.loads((catalog / "catalog.json").read_text())["vectors"]
    assert shapes == {"items": {"text": ["torch.float32", 30, 6]}, "users": {}}
    assert not any(b"example.org" in p.read_bytes() for p in folder.rglob("*") if p.is_file())
    assert load(folder).catalog.items.vectors["text"].is_meta
    names = load_file(folder / "weights.safetensors")
    assert not any("graph" in name for name in names)


@pytest.mark.parametrize("name", METHODS)
def test_a_model_folder_is_what_the_manifest_says_and_has_no_pickle(models, name):
    _, folder = models[name]
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    manifest = json.loads((folder / "manifest.json").read_text())["files"]
    assert set(manifest) == files - {"manifest.json"}
    assert {Path(file).suffix for file in files} == {".json", ".safetensors", ".parquet", ".md"}
    assert json.loads((folder / "method.json").read_text())["kind"] == type(METHODS[name]).__name__


@given(st.data())
def test_any_damage_to_any_file_of_a_model_is_named(models, tmp_path_factory, data):
    """Promise 7."""
    _, whole = models[data.draw(st.sampled_from(["EASE", "LightGCN"]))]
    folder = tmp_path_factory.mktemp("damaged") / "model"
    shutil.copytree(whole, folder)
    path = data.draw(st.sampled_from(sorted(p for p in folder.rglob("*") if p.is_file())))
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
    else:
        del content[place:]
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as refused:
        load(folder)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("missing", ["weights.safetensors", "catalog/items.parquet", "README.md"])
def test_a_missing_file_is_named(models, tmp_path, missing):
    shutil.copytree(models["EASE"][1], tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(DamagedFile, match=missing):
        load(tmp_path / "model")


def rewritten(source: Path, folder: Path, **changes: object) -> Path:
    """A model whose description was changed by somebody who also mended the manifest."""
    with replacing_folder(folder) as aside:
        shutil.copytree(source, aside, dirs_exist_ok=True)
        (aside / "manifest.json").unlink()
        method = json.loads((aside / "method.json").read_text())
        (aside / "method.json").write_text(json.dumps({**method, **changes}))
    return folder


def test_a_model_of_a_method_or_version_that_is_not_here_is_refused(models, tmp_path):
    _, source = models["MF"]
    with pytest.raises(BadSpec, match="Elsewhere"):
        load(rewritten(source, tmp_path / "a", kind="Elsewhere"))
    with pytest.raises(BadData, match="another version"):
        load(rewritten(source, tmp_path / "b", version=99))
    with pytest.raises(DamagedFile, match="do not fit"):
        load(rewritten(source, tmp_path / "c", dim=9))


def test_what_is_no_model_is_refused(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BadData, match="holds no model"):
            load(place)


def test_the_model_of_a_run_folder_is_found(models, tmp_path):
    shutil.copytree(models["EASE"][1], tmp_path / "model")
    assert load(tmp_path).method == METHODS["EASE"]


def test_a_recommender_that_nobody_made_cannot_be_saved(models, tmp_path):
    fitted, _ = models["EASE"]
    bare = type(fitted)(fitted.network, fitted.catalog)
    with pytest.raises(BadRequest, match="does not know its method"):
        save(bare, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_saving_does_not_throw_away_a_folder_of_other_things(models, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BadRequest, match="would be lost"):
        save(models["EASE"][0], tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    save(models["EASE"][0], tmp_path / "model")
    save(models["MF"][0], tmp_path / "model")  # a model may take the place of a model
    assert load(tmp_path / "model").method == METHODS["MF"]


def test_a_model_keeps_its_lineage_however_often_items_are_added(tmp_path: Path) -> None:
    model = EASE().fit(random_world(), Run())
    first = Lineage.of(save(model, tmp_path / "model"))
    assert first.additions == 0
    second = Lineage.of(save(model, tmp_path / "model", lineage=first.longer()))
    assert second == Lineage(first.root, 1)
    load(tmp_path / "model")
    assert Lineage.of(save(model, tmp_path / "model")) == first  # fitted anew
    with pytest.raises(BadData):
        Lineage.of(tmp_path)
