"""Numbers that cannot be: the alarm is in the printed report and on the page.

An ML-1M copy whose events were not in time order once gave SASRec an HR@10 of 0.98.
"""

import os
from pathlib import Path

import pytest
import torch

import tesserec as tr
from tesserec.core import Holdout, Ragged, Requests
from tesserec.data.format import write
from tesserec.data.splits import Published
from tesserec.evaluation import mark
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.preparing import prepare
from tesserec.recommenders import ScoreRecommender
from toys.worlds import random_world

ML_1M = Path(os.environ.get("TESSEREC_DATA", "nowhere")) / "ml-1m-gsasrec-nearly"


class Oracle(torch.nn.Module):
    """Scores the items that are right for most users, and says nothing to the others."""

    def __init__(self, holdout: Holdout, users: int, items: int, share: float) -> None:
        super().__init__()
        rows, right = holdout.truth.pairs()
        told = rows < share * len(holdout)
        self.right = Ragged.grouped(holdout.requests.user[rows[told]], right[told], users)
        self.items = items

    def score_all(self, requests: Requests) -> torch.Tensor:
        scores = torch.zeros(len(requests), self.items)
        scores[self.right[requests.user].pairs()] = 1
        return scores


@pytest.fixture(params=["a toy", "ml-1m"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Data with more than a thousand items."""
    if request.param == "a toy":
        data = random_world(users=50, items=1500, events=500, moments=10_000)
        write(data, tmp_path / "toy")
        return tmp_path / "toy"
    if not ML_1M.is_dir():
        pytest.skip("needs ml-1m-gsasrec-nearly in the folder that TESSEREC_DATA names")
    return ML_1M


def test_an_impossible_figure_is_an_alarm_in_the_report_and_on_the_page(
    tesserec, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = "published" if folder == ML_1M else "last"
    said = tesserec(f"fit {folder} EASE --split {split} --out runs/ease")
    assert said.code == 0, said.err
    honest = tesserec("evaluate runs/ease")
    assert "ndcg@10" in honest.out
    assert "too good to be true" not in honest.out + honest.err
    assert "too good to be true" not in Path("runs/ease/report.html").read_text()

    run = RunFolder(Path("runs/ease"))
    test, catalog = prepare(run.study).split.test, run.model().catalog
    oracle = Oracle(test, len(catalog.users), len(catalog.items), 0.98)
    monkeypatch.setattr(RunFolder, "model", lambda _: ScoreRecommender(oracle, catalog))
    said = tesserec("evaluate runs/ease")
    assert "warning: hit@10 = 0.98" in said.out
    assert "too good to be true" in said.err
    assert "too good to be true" in Path("runs/ease/report.html").read_text()
    assert "too good to be true" in tesserec("evaluate runs/ease --json").json["alarm"]


def test_ml_1m_with_what_is_asked_at_the_end_of_its_history_is_an_alarm() -> None:
    """Popularity finds little, and still the report tells what is wrong with the histories."""
    if not ML_1M.is_dir():
        pytest.skip("needs ml-1m-gsasrec-nearly in the folder that TESSEREC_DATA names")
    data = tr.read(ML_1M)
    split = Published(requests="last", seen="allow").split(data)
    model = tr.Repeat().fit(split.train, tr.Run())
    assert mark(model, split.test, ["hit@10"])["hit@10"] == 0  # nobody sees a film twice
    assert tr.evaluate(model, split.test).alarm is None
    whole = data.histories[split.test.requests.user]
    requests = Requests(split.test.requests.user, whole, time=split.test.requests.time)
    leaking = Holdout(requests, split.test.truth, seen="allow", asked="last")
    report = tr.evaluate(model, leaking, ["hit@10"])
    assert report.metrics["hit@10"].value == 1
    assert "6040 histories hold events not before their request" in str(report)
