"""`tesserec compose`: fitted runs are joined into one that answers, and is looked at, like any."""

import json
import shutil
from pathlib import Path

import httpx
import polars as pl
import pytest

from tesserec.core import Requests
from tesserec.recommenders import Filtered, Mixture, Reranked, load
from tesserec.recommenders.rerank import MMR
from toys.serving import service_of, serving

FIT = "--split last --quiet"
MF = "MF --set dim=4 --set schedule.epochs=3"
VARIED = """
kind = "Reranked"
inner = { kind = "Filtered", where = "price < 8", inner = "runs/mf" }
rerankers = [{ kind = "MMR", relevance = 0.3 }]
"""
MIXED = """
name = "mixed"
kind = "Mixture"
recommenders = ["runs/mf", "runs/ease"]
"""


@pytest.fixture
def runs(tesserec, shop: Path) -> Path:
    """Two runs of the shop, and a file for each pipeline above."""
    assert tesserec(f"fit shop {MF} --out runs/mf {FIT}").code == 0
    assert tesserec(f"fit shop EASE --out runs/ease {FIT}").code == 0
    Path("varied.toml").write_text(VARIED)
    Path("mixed.toml").write_text(MIXED)
    return Path("runs")


def composed(tesserec, file: str = "varied.toml", out: str = "runs/out") -> dict[str, object]:
    said = tesserec(f"compose {file} --out {out} --json")
    assert said.code == 0, said.err
    return dict(said.json)


def refused(tesserec, line: str, *words: str, code: int = 1) -> None:
    said = tesserec(line)
    assert said.code == code, said.err
    for word in words:
        assert word in said.err


def test_a_composed_run_answers_as_the_objects_do(tesserec, runs: Path) -> None:
    assert composed(tesserec)["runs"] == ["runs/mf"]
    model = Reranked(Filtered(load("runs/mf"), "price < 8"), (MMR(relevance=0.3),))
    items = model.catalog.items
    asked = Requests.of(model.catalog, histories=[["p01", "p03"]])
    wanted = model.recommend(asked, 4)
    found = tesserec("recommend runs/out --history p01,p03 -k 4 --json").json["items"]
    assert [one["id"] for one in found] == items.names(wanted.items[0])
    assert [one["score"] for one in found] == wanted.scores[0].tolist()
    assert all(float(one["title"].split()[-1]) < 8 for one in found)


def test_people_are_known_and_questions_go_to_the_parts(tesserec, runs: Path) -> None:
    composed(tesserec)
    answers = tesserec("recommend runs/out --user c01 -k 3 --json").json["items"]
    assert len(answers) == 3
    for line in ("similar {} --item p01 -k 3 --json", "explain {} --user c01 --item p04 --json"):
        whole, part = (tesserec(line.format(run)) for run in ("runs/out", "runs/mf"))
        assert whole.code == 0, whole.err
        assert whole.json == part.json


def test_it_is_evaluated_beside_the_runs_it_is_made_of(tesserec, runs: Path) -> None:
    composed(tesserec, "mixed.toml")
    said = tesserec("evaluate runs/out --metrics ndcg@10,recall@5 --json")
    assert said.code == 0, said.err
    assert (said.json["method"], said.json["requests"]) == ("mixed", 30)
    assert tesserec("evaluate runs/ease --metrics ndcg@10,recall@5 --quiet").code == 0
    beside = tesserec("compare runs/out runs/ease --json")
    assert set(beside.json["metrics"]) == {"mixed", "EASE"}
    assert "mixed on shop" in (runs / "out" / "report.html").read_text()


def test_variety_is_measured_by_the_contents_of_the_first_run(tesserec, runs: Path) -> None:
    assert tesserec("data import shop data").code == 0
    assert tesserec("encode data --modality text --set dim=4").code == 0
    assert tesserec(f"fit data {MF} --out runs/seeing {FIT}").code == 0
    Path("all.toml").write_text(
        'kind = "Reranked"\ninner = "runs/seeing"\nrerankers = [{ kind = "MMR", relevance = 1 }]'
    )
    composed(tesserec, "all.toml")
    whole, part = (
        tesserec(f"evaluate {run} --metrics ild@5,ndcg@5 --json").json["metrics"]
        for run in ("runs/out", "runs/seeing")
    )
    assert whole == part


def test_it_holds_copies_and_is_composed_anew_as_a_whole(tesserec, runs: Path) -> None:
    composed(tesserec)
    before = tesserec("recommend runs/out --user c01 --json").json
    shutil.rmtree("runs/mf")
    assert tesserec("recommend runs/out --user c01 --json").json == before
    refused(tesserec, "compose varied.toml --out runs/out", "runs/mf holds no model")
    assert tesserec("recommend runs/out --user c01 --json").json == before
    Path("other.toml").write_text('kind = "Filtered"\ninner = "runs/ease"\nwhere = "price < 3"')
    composed(tesserec, "other.toml")
    assert len(tesserec("recommend runs/out --user c01 -k 9 --json").json["items"]) < 4


def test_another_run_is_not_replaced(tesserec, runs: Path) -> None:
    refused(tesserec, "compose varied.toml --out runs/ease", "would be lost")
    assert tesserec("recommend runs/ease --user c01 --quiet").code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "Reranked"\ninner = "runs/mf"\nrerankers = []\ndeph = 3', "did you mean 'depth'"),
        ('kind = "Filtered"\ninner = "runs/mf"', "needs a value for 'where'"),
        ('inner = "runs/mf"', "needs a kind"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(tesserec, tmp_path: Path, text: str, said: str) -> None:
    Path("wrong.toml").write_text(text)
    refused(tesserec, "compose wrong.toml --out runs/out", said, code=2)
    assert not Path("runs").exists()


def test_what_does_not_fit_is_refused(tesserec, runs: Path) -> None:
    Path("a.toml").write_text('kind = "Reranked"\ninner = "runs/ease"\nrerankers = ["MMR"]')
    refused(tesserec, "compose a.toml --out runs/out", "compares items by vectors", "a run of MF")
    assert not Path("runs/out").exists()
    with Path("a.toml").open("a") as file:
        file.write('\nvectors = "runs/mf"\n')
    composed(tesserec, "a.toml")
    before = Path("runs/out/composed.json").read_text()
    Path("b.toml").write_text('kind = "Filtered"\ninner = "runs/mf"\nwhere = "prize < 3"')
    refused(tesserec, "compose b.toml --out runs/out", "prize")
    refused(tesserec, "compose none.toml --out runs/out", "none.toml is not there")
    assert Path("runs/out/composed.json").read_text() == before


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("fit small MF --out runs/ease --set schedule.epochs=1 --split last --quiet", "data"),
        ("fit shop EASE --out runs/ease --split time --quiet", "different parts"),
    ],
)
def test_models_of_other_data_or_parts_answer_and_are_not_evaluated(
    tesserec, shop: Path, runs: Path, other: str, said: str
) -> None:
    shutil.rmtree("runs/ease")
    shutil.copytree(shop, "small")
    lines = (shop / "interactions.csv").read_text().splitlines()
    Path("small/interactions.csv").write_text("\n".join(lines[:-1]) + "\n")
    assert tesserec(other).code == 0
    assert said in str(composed(tesserec, "mixed.toml")["cannot_be_evaluated"])
    assert tesserec("recommend runs/out --user c01 --quiet").code == 0
    refused(tesserec, "evaluate runs/out", said, "Fit its models on the same data")
    Path("outer.toml").write_text('kind = "Filtered"\ninner = "runs/out"\nwhere = "price < 5"')
    composed(tesserec, "outer.toml", "runs/outer")  # what is made of it is not, either
    refused(tesserec, "evaluate runs/outer", said)


def test_a_model_folder_is_a_part_whose_data_nobody_knows(tesserec, shop: Path, runs: Path) -> None:
    Path("bare.toml").write_text('kind = "Filtered"\ninner = "runs/mf/model"\nwhere = "price < 8"')
    assert "without its run" in str(composed(tesserec, "bare.toml")["cannot_be_evaluated"])
    refused(tesserec, "recommend runs/out --user c01", "--data")
    assert tesserec("recommend runs/out --user c01 --data shop --quiet").code == 0
    refused(tesserec, "evaluate runs/out", "no study.toml")


@pytest.fixture
def cheap(tesserec, shop: Path) -> Path:
    """Neighbours by content with a price, in a mixture with items that are known by events."""
    assert tesserec(f"fit shop ContentKNN --out runs/knn {FIT}").code == 0
    assert tesserec(f"fit shop EASE --out runs/ease {FIT}").code == 0
    first = '{ kind = "Filtered", inner = "runs/knn", where = "price < 8" }'
    Path("cheap.toml").write_text(f'kind = "Mixture"\nrecommenders = [{first}, "runs/ease"]')
    composed(tesserec, "cheap.toml")
    Path("new.csv").write_text("id,title,price\np90,garden hose 90,3.5\np91,garden hose 91,8.5\n")
    return Path("runs/out")


def recommended(tesserec, run: Path) -> set[str]:
    found = tesserec(f"recommend {run} --history p01,p03 -k 20 --json").json["items"]
    return {one["id"] for one in found}


def test_new_items_become_part_of_the_parts_that_read_content(tesserec, cheap: Path) -> None:
    said = tesserec(f"update {cheap} --items new.csv --json")
    assert said.code == 0, said.err
    assert (said.json["items"], said.json["known"]) == (2, 0)
    assert {"p90"} == recommended(tesserec, cheap) & {"p90", "p91"}
    assert tesserec(f"update {cheap} --items new.csv --json").json["known"] == 2
    refused(tesserec, f"evaluate {cheap}", "updated since it was fitted")
    Path("other.csv").write_text("id,title,price\np92,garden hose 92,2.5\n")
    refused(tesserec, f"update {cheap}/model --items other.csv", "in a data folder")


def test_new_items_of_the_runs_it_is_made_of_come_when_it_is_composed_again(
    tesserec, cheap: Path
) -> None:
    assert tesserec("update runs/knn --items new.csv --quiet").code == 0
    text = Path("cheap.toml").read_text()
    Path("cheap.toml").write_text(f"{text}\nalign = true")
    composed(tesserec, "cheap.toml")
    assert "p90" in recommended(tesserec, cheap)
    refused(tesserec, f"evaluate {cheap}", "updated since it was fitted")


def test_new_items_are_posted_to_a_pipeline_and_stay(tesserec, cheap: Path) -> None:
    new = {"id": "p90", "features": {"title": "garden hose 90", "price": 3.5}}
    with serving(service_of(cheap)) as client:
        told = client.post("/v1/items", json={"items": [new]})
        assert told.json()["added"] == ["p90"], told.text
        found = client.post("/v1/recommend", json={"history": ["p01", "p03"], "k": 20}).json()
        assert found["model"] == told.json()["model"]
        assert "p90" in {one["id"] for one in found["items"]}
    assert "p90" in recommended(tesserec, cheap)


def test_a_pipeline_whose_first_part_knows_items_by_events_takes_none(
    tesserec, cheap: Path
) -> None:
    Path("cheap.toml").write_text('kind = "Mixture"\nrecommenders = ["runs/ease", "runs/knn"]')
    composed(tesserec, "cheap.toml")
    before = recommended(tesserec, cheap)
    refused(
        tesserec, f"update {cheap} --items new.csv", "recommenders-0", "EASE knows items by events"
    )
    assert not (cheap / "updated").exists()
    assert recommended(tesserec, cheap) == before


def test_encoders_that_learned_from_different_texts_are_not_mixed_up(
    tesserec, cheap: Path, shop: Path
) -> None:
    items = pl.read_csv(shop / "items.csv")
    items.with_columns(title=pl.col("title") + " cup").write_csv(shop / "items.csv")
    assert tesserec(f"fit shop ContentKNN --out runs/cups {FIT}").code == 0
    Path("cheap.toml").write_text('kind = "Mixture"\nrecommenders = ["runs/knn", "runs/cups"]')
    composed(tesserec, "cheap.toml")
    refused(tesserec, f"update {cheap} --items new.csv", "different vectors", "'text'", "again")
    assert not {"p90", "p91"} & recommended(tesserec, cheap)


def test_who_asks_to_be_forgotten_is_forgotten_by_the_runs_it_is_made_of(
    tesserec, shop: Path
) -> None:
    assert tesserec("data import shop data").code == 0
    for method in ("Popular", "EASE"):
        assert tesserec(f"fit data {method} --out runs/{method.lower()} {FIT}").code == 0
    Path("both.toml").write_text('kind = "Mixture"\nrecommenders = ["runs/ease", "runs/popular"]')
    composed(tesserec, "both.toml")
    refused(tesserec, "forget runs/out --user c01", "runs/ease, runs/popular forget", "again")
    refused(tesserec, "update runs/out --events shop", "compose` again")
    for run in ("runs/ease", "runs/popular"):
        assert tesserec(f"forget {run} --user c01 --quiet").code == 0
    assert composed(tesserec, "both.toml")["cannot_be_evaluated"] is None
    refused(tesserec, "recommend runs/out --user c01", "No such user")


def test_a_part_is_exported_and_the_whole_says_so(tesserec, runs: Path) -> None:
    composed(tesserec)
    refused(tesserec, "export runs/out --format parquet --out x", "a part of a pipeline")
    said = tesserec("export runs/out/model/inner/inner --format parquet --out x --json")
    assert said.code == 0, said.err
    assert said.json["method"] == "MF"


def test_it_is_served(tesserec, runs: Path) -> None:
    composed(tesserec, "mixed.toml")
    wanted = [
        one["id"] for one in tesserec("recommend runs/out --user c01 -k 5 --json").json["items"]
    ]
    with serving(service_of(runs / "out")) as client:
        found = client.post("/v1/recommend", json={"user": "c01", "k": 5})
        assert [one["id"] for one in found.json()["items"]] == wanted
        pages = ("/models", "/people", "/person?user=c01", "/items", "/item?id=p01", "/activity")
        assert {page: client.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
        assert "Mixture" in client.get("/models").text
        _posted(client)
        assert client.post("/v1/similar", json={"item": "p01", "k": 3}).status_code == 200


def _posted(client: httpx.Client) -> None:
    """What somebody does is seen by the next question."""
    first = client.post("/v1/recommend", json={"user": "c01", "k": 1}).json()["items"][0]["id"]
    event = {"id": "1", "user": "c01", "item": first}
    assert client.post("/v1/events", json={"events": [event]}).status_code < 300
    after = client.post("/v1/recommend", json={"user": "c01", "k": 12}).json()["items"]
    assert first not in [one["id"] for one in after]


# Pipelines in a study

STUDY = """
data = "shop"
split = { kind = "LeaveLast" }
metrics = ["ndcg@10", "coverage@10"]
baselines = false

[[methods]]
kind = "MF"
dim = 4
schedule = { epochs = 3 }

[[methods]]
kind = "Popular"

[[pipelines]]
name = "Varied"
kind = "Reranked"
inner = "mf"
rerankers = [{ kind = "MMR", relevance = 0.3 }]

[[pipelines]]
kind = "Mixture"
recommenders = ["varied", "popular"]
"""


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_study_has_pipelines_beside_its_methods(tesserec, shop: Path, seeds: int) -> None:
    Path("study.toml").write_text(STUDY)
    said = tesserec(f"run study.toml --seeds {seeds} --out runs/study --json")
    assert said.code == 0, said.err
    assert list(said.json["metrics"]) == ["MF", "Popular", "Varied", "Mixture"]
    assert (
        tesserec("compare runs/study --json").json["metrics"].keys() == said.json["metrics"].keys()
    )
    inside = "" if seeds == 1 else "/seed-1"
    model = load(f"runs/study/mixture{inside}")
    wanted = Mixture(
        (
            Reranked(load(f"runs/study/mf{inside}"), (MMR(relevance=0.3),)),
            load(f"runs/study/popular{inside}"),
        )
    )
    asked = Requests.of(model.catalog, histories=[["p01", "p03"]])
    assert model.recommend(asked, 5).items.equal(wanted.recommend(asked, 5).items)
    facts = json.loads(Path(f"runs/study/varied{inside}/metrics.json").read_text())["facts"]
    assert facts["valid"] > 0  # so that it may be chosen
    again = tesserec(f"run study.toml --seeds {seeds} --out runs/study --resume --json")
    assert again.code == 0, again.err
    assert "Varied" in Path("runs/study/report.html").read_text()
    assert tesserec("evaluate runs/study/varied --metrics ndcg@5 --quiet").code == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('inner = "mf"', 'inner = "nf"', "did you mean 'mf'"),
        ('["varied", "popular"]', '["mixture"]', "which the study has not"),
        ('"Varied"', '"popular"', "cannot be called"),
        ('"Varied"', '"../mf"', "cannot be called"),
        ("relevance", "relevanz", "did you mean 'relevance'"),
    ],
)
def test_a_study_refuses_its_pipelines_before_it_fits(
    tesserec, shop: Path, old: str, new: str, said: str
) -> None:
    Path("study.toml").write_text(STUDY.replace(old, new, 1))
    refused(tesserec, "run study.toml --out runs/study", said, code=2)
    assert not Path("runs").exists()
