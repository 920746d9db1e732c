"""A study over a cold start, from the command line to the page."""

import json
from pathlib import Path

import pytest

import tesserec as tr
from tesserec.data import toys
from tesserec.evaluation import load_report
from toys.worlds import world

STUDY = """
data = "newcomers"
metrics = ["recall@10", "ndcg@10", "cold@10", "reach@10"]
baselines = false
seeds = [0, 1]

[split]
kind = "ColdStart"
published = true

[[methods]]
kind = "ContentKNN"

[[methods]]
kind = "ItemKNN"

[[methods]]
kind = "BM3"
dim = 8
schedule = { epochs = 2 }
"""
KNOWN = """
data = "known"
metrics = ["recall@2"]
baselines = false
split = { kind = "ColdStart", seen = "allow" }

[[methods]]
kind = "ItemKNN"

[[methods]]
kind = "Popular"
"""
SETTINGS = ["warm", "item_cold", "among_cold", "user_cold"]
SETTINGS += ["user_cold_1", "user_cold_2", "user_cold_3-5"]


@pytest.fixture
def study(tesserec, tmp_path: Path) -> Path:
    tr.write(toys.newcomers(), tmp_path / "newcomers")
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path / "study.toml"


def test_a_study_says_of_each_setting_who_is_best_or_that_nobody_is(study, tesserec, tmp_path):
    said = tesserec("run study.toml --out run --json")
    assert said.code == 0, said.err
    settings = {one["setting"]: one for one in said.json["settings"]}
    assert list(settings) == SETTINGS
    assert {n: (s["requests"], s["targets"]) for n, s in settings.items()}["item_cold"] == (128, 8)
    assert settings["warm"]["left_out"]["events whose user and item are both new"] == 8
    assert len({one["holdout"] for one in settings.values()}) == 6  # among_cold asks the same
    cold = settings["item_cold"]
    assert cold["metrics"]["ContentKNN"]["recall@10"]["value"] == 1
    assert cold["metrics"]["ItemKNN"]["recall@10"]["value"] == 0
    assert cold["metrics"]["ItemKNN"]["recall@10"]["high"] > 0
    assert cold["metrics"]["ContentKNN"]["reach@10"] == {"value": 1.0, "low": None, "high": None}
    assert "ItemKNN" not in cold["alike"]["recall@10"]
    assert json.loads((tmp_path / "run" / "settings.json").read_text())["settings"] == list(
        settings.values()
    )
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Known and new" in page
    assert all(f"{name}<br>" in page for name in SETTINGS)
    headline = load_report(tmp_path / "run" / "itemknn")
    assert headline.holdout == settings["warm"]["holdout"]
    assert headline.requests == 32

    again = tesserec("run study.toml --out run --resume --json")
    assert again.json["settings"] == said.json["settings"]
    shown = tesserec("run study.toml --out run --resume")
    assert "item_cold 128 (8 items)" in shown.out
    assert "among_cold: the intervals of" in shown.out or "among_cold: ContentKNN" in shown.out


def test_one_run_is_asked_in_settings_too(study, tesserec, tmp_path):
    fitted = tesserec("fit newcomers ContentKNN --split cold --out one")
    assert fitted.code == 0, fitted.err
    said = tesserec("evaluate one --metrics recall@10,reach@10 --json")
    assert said.code == 0, said.err
    assert said.json["split"] == "ColdStart"
    opened = tesserec("evaluate one --metrics recall@10,reach@10 --json")
    assert opened.json["settings"] == said.json["settings"]
    names = [one["setting"] for one in said.json["settings"]]
    assert [load_report(tmp_path / "one" / "settings" / name).opened for name in names] == [
        2
    ] * len(names)


def test_where_nothing_is_new_it_says_so(tesserec, tmp_path: Path) -> None:
    events = [
        (user, (user + turn) % 7, 10 * turn + user) for turn in range(20) for user in range(9)
    ]
    tr.write(world(events), tmp_path / "known")
    (tmp_path / "study.toml").write_text(KNOWN)
    said = tesserec("run study.toml --out run")
    assert said.code == 0, said.err
    assert "warm alone: nobody and nothing is new in any other way" in said.out
