"""`benchmarks/gpu/run`: its quick form on a processor, in toy worlds."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parent.parent.parent
Command = Callable[..., int]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command with these words, as if no data were there; it returns its exit code."""
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.delenv("TESSEREC_DATA", raising=False)
    main = import_module("benchmarks.gpu.run").main
    return lambda *words: main([str(word) for word in words])


def results(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the last line that was printed says."""
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out.splitlines()[-1])["results"]
    return told


def test_its_quick_form_learns_tests_and_writes_and_a_second_time_reads(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--quick", "--cpu", "--out", tmp_path)
    assert command(*words) == 0
    first = results(capsys)
    cases = {one["case"]: one for one in first}
    assert set(cases) == {"quick_tiger", "quick_sasrec", "quick_mmgrec", "quick_graphsage"}
    assert json.loads((tmp_path / "results.json").read_text()) == first
    for one in cases.values():
        assert [point["epoch"] for point in one["curve"]] == [1, 2, 3, 4]
        assert one["seconds"]["learning"] == one["curve"][-1]["seconds"] > 0
        assert one["seconds"]["validation"] > 0
        assert one["memory_mb"]["host"] > 0
        assert one["memory_mb"]["device"] is None
        assert 0 < one["test"]["recall@10"]["low"] <= one["test"]["recall@10"]["value"] <= 1
    assert cases["quick_mmgrec"]["seconds"]["stages"] > 0  # its graph encoder
    assert command(*words, "--only", "tiger") == 0
    said = capsys.readouterr()
    assert "done before" in said.err
    assert json.loads(said.out.splitlines()[-1])["results"] == first


def test_what_was_interrupted_goes_on_and_what_is_other_is_refused(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--quick", "--cpu", "--only", "sasrec", "--out", tmp_path)
    assert command(*words) == 0
    (whole,) = results(capsys)
    (tmp_path / "quick_sasrec" / "result.json").unlink()  # killed between learning and the test
    assert command(*words) == 0
    (again,) = results(capsys)
    assert again["test"] == whole["test"]
    assert again["curve"] == whole["curve"]  # nothing was learned twice
    with pytest.raises(SystemExit, match="other settings"):
        command(*words, "--seed", "1")


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_begins_nothing(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--quick", "--out", tmp_path) == 2
    said = capsys.readouterr().err
    assert "There is no GPU" in said
    assert "--cpu" in said
    assert not list(tmp_path.iterdir())


def test_data_that_are_missing_and_unknown_cases_are_named(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--cpu", "--only", "tiger_beauty", "--out", tmp_path) == 1
    assert "needs amazon-beauty-s3rec" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="tiger_beauty"):
        command("--cpu", "--only", "tigre", "--out", tmp_path)
