"""Every command, as a person types it: what it prints, writes, and how it ends."""

import errno
import json
from importlib.metadata import metadata
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.experiment import search


@pytest.fixture
def fitted(tesserec, shop: Path) -> Path:
    """A run folder of a fitted ItemKNN."""
    said = tesserec("fit shop ItemKNN --out runs/knn --split last --set neighbours=5")
    assert said.code == 0, said.err
    return Path("runs/knn")


def test_import_describe_and_split(tesserec, shop: Path) -> None:
    said = tesserec("data import shop data --json")
    assert said.code == 0
    assert (said.json["users"], said.json["items"], said.json["events"]) == (30, 12, 150)
    assert said.json["columns"]["user"] == "customer_id"
    described = tesserec("data describe data --json").json
    assert described["events"] == 150
    assert "30 users" in tesserec("data describe data").out
    parted = tesserec("data split data parted --split last --json").json
    assert parted["events"] == {"train": 90, "valid": 30, "test": 30}
    names = tr.read("parted").interactions.frame["split"].unique().sort().to_list()
    assert names == ["test", "train", "valid"]


def test_sessions_are_split_off_whole_and_asked_as_was_said(tesserec, shop: Path) -> None:
    parted = tesserec("data split shop parted --split sessions --json").json
    assert parted["events"] == {"train": 120, "valid": 15, "test": 15}
    frame = tr.read("parted").interactions.frame
    assert frame.group_by("user").agg(pl.col("split").n_unique())["split"].max() == 1
    published = "--split published --requests event --seen allow --shortest 2"
    for run, line in {"own": "shop --split sessions", "same": f"parted {published}"}.items():
        data, protocol = line.split(" ", 1)
        said = tesserec(f"fit {data} Repeat --out runs/{run} {protocol}")
        assert said.code == 0, said.err
    asked = [tesserec(f"evaluate runs/{run} --json").json["requests"] for run in ("own", "same")]
    assert asked == [3 * 4, 3 * 3]
    wrong = tesserec("fit shop Repeat --out runs/wrong --split sessions --requests user")
    assert wrong.code == 2  # wrong use
    assert "held out whole" in wrong.err


def test_bad_rows_fail_are_skipped_or_kept_apart(tesserec, shop: Path) -> None:
    with (shop / "interactions.csv").open("a") as file:
        file.write("c01,,2024-01-01,3\nc01,p01,not a date,3\n")
    failed = tesserec("data import shop data")
    assert failed.code == 1
    assert "interactions.csv" in failed.err
    assert "152" in failed.err
    assert not Path("data").exists()
    skipped = tesserec("data import shop data --on-error skip --json")
    assert skipped.json["events"] == 150
    assert sum(problem["count"] for problem in skipped.json["problems"]) == 2
    tesserec("data import shop kept --on-error quarantine")
    assert pl.read_parquet("kept/quarantine.parquet").height == 2


def test_fit_writes_a_run_folder_and_leaves_the_test_part_closed(tesserec, fitted: Path) -> None:
    names = {path.name for path in fitted.iterdir()}
    assert {"study.toml", "environment.json", "metrics.json", "report.html", "model"} <= names
    facts = json.loads((fitted / "metrics.json").read_text())
    assert "metrics" not in facts
    assert facts["facts"]["watched"] == "ndcg@10"


def test_fit_refuses_a_folder_that_holds_another_run(tesserec, fitted: Path) -> None:
    said = tesserec("fit shop ItemKNN --out runs/knn")
    assert said.code == 1
    assert "--resume" in said.err


def test_evaluate_prints_what_was_promised(tesserec, fitted: Path) -> None:
    said = tesserec(f"evaluate {fitted} --metrics recall@2,NDCG@2 --json")
    value = said.json
    assert list(value) == ["run", "method", "split", "requests", "metrics", "seconds"]
    assert value["method"] == "ItemKNN"
    assert value["split"] == "LeaveLast"
    assert value["requests"] == 30
    page = (fitted / "report.html").read_text()
    assert "ItemKNN: recall@2" in page or "ItemKNN: ndcg@2" in page
    assert "is best" not in page  # of one
    assert "paired t-test" not in page
    assert set(value["metrics"]) == {"recall@2", "ndcg@2"}
    assert set(value["metrics"]["recall@2"]) == {"value", "low", "high"}
    assert said.out.count("\n") == 1  # one object and nothing else
    assert "recall@2" in tesserec(f"evaluate {fitted} --metrics recall@2").out
    assert json.loads((fitted / "metrics.json").read_text())["opened"] == 2


def test_compare_puts_runs_side_by_side(tesserec, fitted: Path) -> None:
    assert tesserec("fit shop Popular --out runs/pop --split last").code == 0
    not_yet = tesserec("compare runs/knn runs/pop")
    assert not_yet.code == 1
    assert "tesserec evaluate runs/knn" in not_yet.err
    for run in ("runs/knn", "runs/pop"):
        assert tesserec(f"evaluate {run}").code == 0
    value = tesserec("compare runs/knn runs/pop --json").json
    assert set(value["metrics"]) == {"ItemKNN", "Popular"}
    assert {pair["metric"] for pair in value["pairs"]} >= {"recall@10", "ndcg@10"}
    assert "ItemKNN" in tesserec("compare runs/knn runs/pop").out
    assert tesserec("evaluate runs/pop --metrics recall@3 --quiet").code == 0
    apart = tesserec("compare runs/knn runs/pop")
    assert apart.code == 1
    assert "no metric in common" in apart.err


def test_recommend_for_a_user_a_history_and_a_file(tesserec, fitted: Path) -> None:
    value = tesserec(f"recommend {fitted} --user c02 -k 2 --json").json
    assert value["user"] == "c02"
    assert set(value["items"][0]) == {"id", "score", "title"}
    seen = set(tr.read("shop").interactions.frame.filter(pl.col("user") == 2)["item"])
    assert not {int(one["id"][1:]) for one in value["items"]} & seen
    mugs = tesserec(f"recommend {fitted} --history p00,p02 -k 3 --json").json["items"]
    assert all("mug" in one["title"] for one in mugs)
    Path("who.txt").write_text("c01\nc02\n")
    said = tesserec(f"recommend {fitted} --users who.txt --out answers.parquet -k 2 --json")
    assert said.code == 0
    table = pl.read_parquet("answers.parquet")
    assert table.columns == ["user", "rank", "item", "score"]
    assert table["user"].unique().sort().to_list() == ["c01", "c02"]


def test_where_filters_answers(tesserec, fitted: Path) -> None:
    line = f"recommend {fitted} --history p00 -k 9 --json --where"
    cheap = tesserec(line, "price < 5 and not title = 'tea mug number 2'").json["items"]
    assert {one["id"] for one in cheap} <= {"p01", "p03", "p04"}
    wrong = tesserec(line, "colour = 'red'")
    assert wrong.code == 1
    assert "title" in wrong.json["error"]
    unreadable = tesserec(line, "price <")
    assert unreadable.code == 1
    assert "place 8" in unreadable.json["error"]


def test_similar_and_explain(tesserec, fitted: Path) -> None:
    near = tesserec(f"similar {fitted} --item p00 -k 3 --json").json["items"]
    assert all("mug" in one["title"] for one in near)
    said = tesserec(f"explain {fitted} --user c02 --item p00 --json").json
    assert sum(one["share"] for one in said["reasons"]) == pytest.approx(1, abs=1e-4)
    assert tesserec("fit shop Popular --out runs/pop --split last").code == 0
    cannot = tesserec("explain runs/pop --user c02 --item p00")
    assert cannot.code == 1
    assert "Popular" in cannot.err


def test_who_is_unknown_is_told_so_and_never_answered_as_if_empty(tesserec, fitted: Path) -> None:
    nobody = tesserec(f"recommend {fitted} --user nobody")
    assert nobody.code == 1
    assert "--history" in nobody.err
    bare = tesserec(f"recommend {fitted}/model --user c02")
    assert bare.code == 1
    assert "--data" in bare.err
    assert tesserec(f"recommend {fitted}/model --user c02 --data shop").code == 0
    Path("shop").rename("moved")
    gone = tesserec(f"recommend {fitted} --user c02")
    assert gone.code == 1
    assert "--data" in gone.err
    assert tesserec(f"recommend {fitted} --user c02 --data moved").code == 0
    assert tesserec(f"recommend {fitted} --history p01 --json").json["items"]


def test_data_that_changed_are_refused(tesserec, fitted: Path, shop: Path) -> None:
    with (shop / "interactions.csv").open("a") as file:
        file.write("c00,p01,2024-02-01,5\n")
    said = tesserec(f"evaluate {fitted}")
    assert said.code == 1
    assert "changed" in said.err


def test_several_seeds_make_one_run(tesserec, shop: Path) -> None:
    line = "fit shop MF --out runs/mf --seeds 2 --split last --set schedule.epochs=3 --set dim=4"
    assert tesserec(line).code == 0
    assert {"seed-0", "seed-1", "model"} <= {path.name for path in Path("runs/mf").iterdir()}
    value = tesserec("evaluate runs/mf --json").json
    assert value["metrics"]["recall@10"]["low"] <= value["metrics"]["recall@10"]["value"]
    facts = json.loads(Path("runs/mf/metrics.json").read_text())
    assert facts["facts"]["seeds"] == [0, 1]
    valid = [
        json.loads(Path(f"runs/mf/seed-{n}/metrics.json").read_text())["facts"]["valid"]
        for n in (0, 1)
    ]
    best = valid.index(max(valid))
    expected = tr.load(f"runs/mf/seed-{best}")
    found = tr.load("runs/mf")
    requests = tr.Requests.of(tr.read("shop"), users=["c01", "c02"])
    assert (found.recommend(requests, 3).items == expected.recommend(requests, 3).items).all()


def test_settings_change_fields_and_keep_their_neighbours(tesserec, shop: Path) -> None:
    line = "fit shop MF --out runs/mf --split last --set schedule.epochs=2 --set objective=Softmax"
    assert tesserec(line + " --set schedule.patience=none").code == 0
    method = tr.load("runs/mf").method
    assert method.schedule == tr.MF().schedule.changed({"epochs": 2, "patience": None})
    assert method.objective == tr.Softmax()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fit shop LightGCNN --out r", "did you mean 'LightGCN'"),
        ("fit shop MF --out r --set dims=3", "did you mean 'dim'"),
        ("fit shop MF --out r --set dim=zero", "dim"),
        ("fit shop MF --out r --set schedule.epoch=3", "did you mean 'epochs'"),
        ("fit shop MF --out r --split tyme", "did you mean 'time'"),
        ("fit shop MF --out r --set dim", "--set field=value"),
        ("methods --family sequental", "family"),
        ("evaluate r --metrics ncdg@10", "did you mean 'ndcg'"),
        ("fit shop", "METHOD"),
        ("recommend r", "--user"),
        ("nonsense", "nonsense"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_would_be_right(
    tesserec, shop: Path, line: str, said: str
) -> None:
    found = tesserec(line)
    assert found.code == 2
    assert said in found.err
    assert not Path("r").exists()


def test_content_is_encoded_for_methods_that_need_it(tesserec, shop: Path) -> None:
    line = "fit shop BM3 --out runs/bm3 --split last --set schedule.epochs=2 --set dim=4"
    said = tesserec(line)
    assert said.code == 0
    assert "TF-IDF" in said.err
    assert tesserec("evaluate runs/bm3 --metrics ild@2,recall@2 --json").json["metrics"]["ild@2"]
    (shop / "items.csv").unlink()
    bare = tesserec("fit shop BM3 --out runs/bare --split last")
    assert bare.code == 1
    assert "title" in bare.err


def test_methods_lists_fields_with_their_comments(tesserec) -> None:
    entries = {entry["name"]: entry for entry in tesserec("methods --json").json["methods"]}
    assert {"Popular", "ItemKNN", "EASE", "ALS", "MF", "LightGCN", "BM3"} <= set(entries)
    fields = {field["name"]: field for field in entries["LightGCN"]["fields"]}
    assert fields["layers"]["default"] == 3
    assert "hops" in fields["layers"]["about"]
    assert "arXiv:2002.02126" in entries["LightGCN"]["paper"]
    assert entries["BM3"]["needs"] == ["vectors"]


def test_doctor_finds_this_installation_healthy(tesserec) -> None:
    value = tesserec("doctor --json").json
    assert value["healthy"]
    names = {check["name"] for check in value["checks"]}
    assert "torch" in names
    extras = set(metadata("tesserec").get_all("Provides-Extra") or [])
    assert {f"extra {one}" for one in extras - {"all", "test"}} <= names


def test_a_folder_that_cannot_be_written_to_is_named(tesserec, shop: Path, monkeypatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "runs/knn")

    monkeypatch.setattr(Path, "mkdir", closed)
    said = tesserec("fit shop ItemKNN --out runs/knn --split last")
    assert said.code == 1
    assert "runs/knn is closed to this command: Permission denied." in said.err
    assert "should not happen" not in said.err


def test_a_run_that_was_refused_is_not_in_the_way_of_the_right_one(tesserec, shop: Path) -> None:
    said = tesserec("fit shop TIGER --out runs/a --split last --set ids.kind=Given")
    assert said.code == 1
    assert "Given" in said.err
    assert tesserec("fit shop ItemKNN --out runs/a --split last").code == 0
    again = tesserec("fit shop ItemKNN --out runs/a --split last")
    assert "not empty" in again.err


def test_a_study_runs_with_baselines_and_goes_on_where_it_was_cut_off(tesserec, shop: Path) -> None:
    Path("two.toml").write_text(
        'data = "shop"\nsplit = { kind = "LeaveLast" }\nmetrics = ["ndcg@10", "hit@2"]\n'
        '[[methods]]\nkind = "ItemKNN"\n'
        '[[methods]]\nkind = "MF"\ndim = 4\nschedule = {epochs = 2}\n'
    )
    said = tesserec("run two.toml --out runs/two --json")
    assert said.code == 0, said.err
    assert set(said.json["metrics"]) == {"ItemKNN", "MF", "Popular"}
    page = Path("runs/two/report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert tr.load("runs/two").method is not None
    again = tesserec("run two.toml --out runs/two")
    assert again.code == 1
    Path("runs/two/mf/requests.parquet").unlink()
    resumed = tesserec("run two.toml --out runs/two --resume --json")
    assert resumed.code == 0
    assert resumed.json["metrics"] == said.json["metrics"]


def test_a_study_and_a_search_compute_in_the_precision_asked_for(
    tesserec, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mf.toml").write_text(
        'data = "shop"\nbaselines = false\nsplit = { kind = "LeaveLast" }\n[method]\nkind = "MF"\n'
        'dim = 4\nschedule = {epochs = 2}\n[search]\n"method.dim" = [4]\n'
    )

    def weights(run: str) -> torch.Tensor:
        return next(tr.load(run).network.parameters())

    assert tesserec("run mf.toml --out runs/whole").code == 0
    assert tesserec("run mf.toml --out runs/half --precision bfloat16").code == 0
    facts = json.loads(Path("runs/half/metrics.json").read_text())["facts"]
    assert facts["precision"] == "bfloat16"
    facts = json.loads(Path("runs/whole/metrics.json").read_text())["facts"]
    assert facts["precision"] in {"float32", "bfloat16"}  # what was computed in, and not "auto"
    assert not torch.equal(weights("runs/whole"), weights("runs/half"))
    asked = []
    monkeypatch.setattr(search, "Run", lambda **fields: asked.append(fields) or tr.Run(**fields))
    found = tesserec("tune mf.toml --trials 1 --out t --precision bfloat16")
    assert found.code == 0, found.err
    assert [fields["precision"] for fields in asked] == ["bfloat16"]
    assert tesserec("run mf.toml --out runs/other --precision double").code == 2


def test_methods_of_one_kind_are_called_by_what_differs_in_tables_and_plots(
    tesserec, shop: Path
) -> None:
    Path("two.toml").write_text(
        'data = "shop"\nbaselines = false\nsplit = { kind = "LeaveLast" }\n'
        + "".join(
            f'[[methods]]\nkind = "MF"\ndim = {dim}\nschedule = {{epochs = 2}}\n' for dim in (3, 4)
        )
    )
    said = tesserec("run two.toml --out runs/two --json")
    assert set(said.json["metrics"]) == {"MF (dim=3)", "MF (dim=4)"}
    page = Path("runs/two/report.html").read_text()
    assert "<h1>MF on shop</h1>" in page
    learning = page[page.index("Learning") :]
    assert "MF (dim=3)" in learning
    assert "MF (dim=4)" in learning


def test_a_list_of_one_method_is_a_study_too(tesserec, shop: Path) -> None:
    Path("one.toml").write_text(
        'data = "shop"\nbaselines = false\n[[methods]]\nkind = "ItemKNN"\nneighbours = 3\n'
    )
    said = tesserec("run one.toml --out runs/one --json")
    assert said.code == 0, said.err
    assert set(said.json["metrics"]) == {"ItemKNN"}
    assert tr.load("runs/one").method.neighbours == 3


def test_a_run_records_how_much_content_was_missing(tesserec, shop: Path) -> None:
    table = pl.read_csv(shop / "items.csv").with_row_index()
    blank = pl.when(pl.col("index") % 3 == 0).then(None).otherwise("title").alias("title")
    table.with_columns(blank).drop("index").write_csv(shop / "items.csv")
    said = tesserec("fit shop BM3 --out runs/bm3 --set schedule.epochs=1")
    assert said.code == 0, said.err
    assert "33% of items" in said.out
    facts = json.loads(Path("runs/bm3/metrics.json").read_text())["facts"]
    assert list(facts["missing_vectors"].values()) == [pytest.approx(1 / 3)]


def test_study_files_are_typed(tesserec, shop: Path) -> None:
    Path("typo.toml").write_text('data = "shop"\n[methd]\nkind = "MF"\n')
    said = tesserec("run typo.toml")
    assert said.code == 2
    assert "did you mean 'method'" in said.err
    Path("broken.toml").write_text("data = \n")
    assert "line 1" in tesserec("run broken.toml").err


def test_tuning_looks_at_validation_only_and_goes_on(tesserec, shop: Path) -> None:
    Path("tune.toml").write_text(
        'data = "shop"\nsplit = { kind = "LeaveLast" }\n[method]\nkind = "ItemKNN"\n'
        '[search]\n"method.neighbours" = [1, 3, 9]\n"method.shrink" = { low = 0.1, high = 10.0 }\n'
    )
    assert tesserec("tune tune.toml --trials 3 --out t").code == 0
    more = tesserec("tune tune.toml --trials 5 --out t --resume --json").json
    assert more["trials"] == 5
    lines = Path("t/trials.jsonl").read_text().splitlines()
    assert len(lines) == 5
    assert tesserec("tune tune.toml --trials 5 --out whole").code == 0
    same = [json.loads(line) for line in Path("whole/trials.jsonl").read_text().splitlines()]
    assert [t["settings"] for t in same] == [json.loads(line)["settings"] for line in lines]
    assert tesserec("run t/best.toml --out best").code == 0
    assert tr.load("best").method.neighbours == more["best"]["settings"]["method.neighbours"]
    assert not list(Path("t").rglob("requests.parquet"))  # nobody asked the test part


def test_the_quick_demo_shows_titles_and_leaves_a_report(tesserec) -> None:
    said = tesserec("demo --quick --out runs/demo")
    assert said.code == 0, said.err
    assert "bought" in said.out
    assert "suggests" in said.out
    for name in ("LightGCN", "BM3", "EASE", "Popular"):
        assert name in said.out
    page = Path("runs/demo/report.html").read_text()
    for heading in ("Results", "Learning", "One customer", "The data", "How it was measured"):
        assert f"<h2>{heading}</h2>" in page
    assert "demo-lightgcn-search.toml" in page  # where the settings come from
    assert tesserec("recommend runs/demo --user 17850 -k 3 --json").json["items"]
