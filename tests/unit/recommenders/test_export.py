"""Models written for other programs."""

import json
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.cli.app import run
from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.core.errors import BadRequest, BadSpec, CannotAnswer
from tesserec.core.files import verify
from tesserec.core.registry import every
from tesserec.data import toys
from tesserec.recommenders import save
from tesserec.recommenders.export import Faiss, Format, Onnx, Parquet, export
from tesserec.recommenders.index import FaissHNSW
from toys.recommenders import written


def need(*packages: str) -> None:
    for name in packages:
        pytest.importorskip(name, reason=f"{name} is not installed: no export to test")


def lookup():
    return tr.ALS(dim=4, epochs=2).fit(toys.cycle(), Run(seed=1))


def encoder(method):
    """A network of random weights."""
    data = toys.cycle()
    with Run(seed=3).seeded("network"):
        network = method.network(data)
    with Run(seed=4).seeded("weights"):
        for weight in network.parameters():
            torch.nn.init.normal_(weight, std=0.5)
    return method.answer(network.eval(), data.catalog).by(method)


def ask(users: list[int], histories: list[list[int]]) -> Requests:
    return Requests(torch.tensor(users), Histories(Ragged.of(histories)))


def answered(folder: Path, **asked: torch.Tensor) -> list[torch.Tensor]:
    """What onnxruntime computes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    given = {name: one.numpy() for name, one in asked.items()}
    return [torch.from_numpy(one) for one in session.run(None, given)]


def test_parquet_holds_the_vectors_by_id(tmp_path):
    model = lookup()
    facts = export(model, Parquet(), tmp_path / "out")
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    users = pl.read_parquet(tmp_path / "out" / "users.parquet")
    assert items["id"].equals(model.catalog.items.ids)
    assert torch.equal(torch.tensor(items["vector"].to_numpy()), model.item_vectors)
    known = model.tables()["known"]
    assert users["id"].to_list() == model.catalog.users.ids.filter(known.numpy()).to_list()
    assert facts == {
        "format": "parquet",
        "method": "ALS",
        "items": 20,
        "dim": 4,
        "users": users.height,
    }
    products = torch.tensor(users["vector"].to_numpy()) @ torch.tensor(items["vector"].to_numpy()).T
    best = model.recommend(ask([0], [[]]), 1).scores[0, 0]
    torch.testing.assert_close(products[0].max(), best)


def test_an_encoder_has_vectors_of_items_alone(tmp_path):
    facts = export(encoder(tr.SASRec(dim=8)), Parquet(), tmp_path / "out")
    assert "users" not in facts
    assert not (tmp_path / "out" / "users.parquet").exists()


def test_a_faiss_index_finds_what_the_model_answers(tmp_path):
    need("faiss")
    import faiss

    model = lookup()
    facts = export(model, Faiss(), tmp_path / "out")
    index = faiss.read_index(str(tmp_path / "out" / "search.faiss"))
    ids = pl.read_parquet(tmp_path / "out" / "ids.parquet")
    assert ids["row"].to_list() == list(range(20))
    assert ids["id"].equals(model.catalog.items.ids)
    asked = ask([0, 3, 5], [[], [], []])
    _, rows = index.search(model.queries(asked).numpy(), 5)
    assert rows.tolist() == model.recommend(asked, 5).items.tolist()
    assert facts["recall@20"] == 1.0


def test_the_index_a_model_has_is_the_one_written(tmp_path):
    need("faiss")
    facts = export(lookup().indexed(FaissHNSW(links=8)), Faiss(), tmp_path / "out")
    assert facts["index"] == FaissHNSW(links=8).to_dict()
    with pytest.raises(BadSpec, match="no index of faiss"):
        export(lookup(), Faiss(index="Exact"), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_lookup_as_onnx_answers_as_the_model(tmp_path):
    need("onnx", "onnxscript", "onnxruntime")
    model = lookup()
    facts = export(model, Onnx(k=6), tmp_path / "out")
    users = torch.tensor([3, -1, 0, 0, 7])
    query, items, scores = answered(tmp_path / "out", user=users)
    asked = ask(users.tolist(), [[]] * 5)
    expected = model.recommend(asked, 6)
    torch.testing.assert_close(query, model.queries(asked), rtol=0, atol=1e-4)
    torch.testing.assert_close(scores, expected.scores, rtol=0, atol=1e-4)
    assert torch.equal(items, expected.items)
    assert facts["input"] == "user"
    assert facts["difference"] <= 1e-4
    named = pl.read_parquet(tmp_path / "out" / "users.parquet")
    assert named["id"].equals(model.catalog.users.ids)


ENCODERS = {
    "attention": tr.SASRec(dim=8, positions="start").changed({"batches": {"length": 6}}),
    "attention, from the end": tr.SASRec(dim=8, positions="end").changed(
        {"batches": {"length": 6}}
    ),
    "convolutions": tr.NextItNet(dim=8).changed({"batches": {"length": 6}}),
    "pictures": tr.Caser(dim=8, window=6),
    "recurrence and a bias": tr.GRU4Rec(dim=8, bias=True).changed({"batches": {"length": 6}}),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_as_onnx_answers_as_the_model(name, tmp_path):
    need("onnx", "onnxscript", "onnxruntime")
    model = encoder(ENCODERS[name])
    assert export(model, Onnx(k=4), tmp_path / "out")["longest"] == 6
    histories = [[1, 2, 3], [], [4], [5, 6, 7, 8, 9, 10], [3, 3]]
    padded = torch.full((5, 6), -1)
    for row, history in enumerate(histories):
        padded[row, : len(history)] = torch.tensor(history, dtype=torch.int64)
    asked = ask([-1] * 5, histories)
    expected = model.recommend(asked, 4)
    for rows in (slice(0, 5), slice(1, 2), slice(2, 5)):
        query, items, scores = answered(tmp_path / "out", history=padded[rows])
        part = model.queries(asked[rows])
        torch.testing.assert_close(query, part, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(scores, expected.scores[rows], rtol=1e-4, atol=1e-4)
        assert torch.equal(items, expected.items[rows])


def test_what_no_graph_is_made_of_says_so_and_leaves_nothing(tmp_path):
    need("onnx", "onnxscript", "onnxruntime")
    with pytest.raises(CannotAnswer, match="BERT4Rec"):
        export(encoder(tr.BERT4Rec(dim=8)), Onnx(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", list(every(Format)))
def test_a_model_without_vectors_says_so(form, tmp_path):
    with pytest.raises(CannotAnswer, match="does not answer by products of vectors"):
        export(written(torch.rand(2, 3)), form(), tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_export_is_whole_and_replaces_only_another_export(tmp_path):
    export(lookup(), Parquet(), tmp_path / "out")
    assert set(verify(tmp_path / "out")["files"]) == {
        "export.json",
        "items.parquet",
        "users.parquet",
    }
    export(encoder(tr.SASRec(dim=8)), Parquet(), tmp_path / "out")
    assert not (tmp_path / "out" / "users.parquet").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(BadRequest, match="would be lost"):
        export(lookup(), Parquet(), tmp_path / "mine")


def test_the_command_writes_and_says_what(tmp_path, capsys):
    save(lookup(), tmp_path / "model")
    asked = ["export", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--json"]
    assert run([*asked, "--format", "parquet"]) == 0
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert told["format"] == "parquet"
    assert told["items"] == 20
    assert (tmp_path / "out" / "items.parquet").is_file()
    assert run([*asked, "--format", "pickle"]) == 2
    assert "no Format called 'pickle'" in capsys.readouterr().err
