import errno
from pathlib import Path

import pytest

from tesserec.core.errors import DiskFull
from tesserec.training.log import Log, read_log


def test_events_are_read_back_in_order(tmp_path):
    log = Log(tmp_path / "run")
    log.write("epoch", 3, loss=0.5)
    log.write("validation", 3, name="Käse")
    events = read_log(tmp_path / "run")
    assert [event["event"] for event in events] == ["epoch", "validation"]
    assert events[0]["loss"] == 0.5
    assert events[1]["name"] == "Käse"
    assert events[0]["at"] <= events[1]["at"]


def test_a_line_that_a_kill_cut_off_is_left_out_and_spoils_no_other(tmp_path):
    Log(tmp_path).write("epoch", 1)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"event": "epo')
    Log(tmp_path, resumed=True).write("epoch", 2)
    assert [event["step"] for event in read_log(tmp_path)] == [1, 2]


def test_a_new_run_begins_a_new_log(tmp_path):
    Log(tmp_path).write("epoch", 1)
    Log(tmp_path).write("epoch", 2)
    assert [event["step"] for event in read_log(tmp_path)] == [2]


def test_an_epoch_that_was_done_again_after_a_kill_is_told_once(tmp_path):
    log = Log(tmp_path)
    for epoch in (1, 2, 3):
        log.write("epoch", 10 * epoch, epoch=epoch)
        log.write("validation", 10 * epoch, epoch=epoch)
    log.write("resumed", 14, epoch=1)
    log.write("epoch", 20, epoch=2)
    told = [(event["event"], event["epoch"]) for event in read_log(tmp_path)]
    assert told == [("epoch", 1), ("validation", 1), ("resumed", 1), ("epoch", 2)]


def test_without_a_folder_or_a_file_there_is_nothing_to_say(tmp_path):
    Log(None).write("epoch", 1)
    assert read_log(tmp_path) == []


def test_a_full_disk_is_said_plainly(tmp_path, monkeypatch):
    log = Log(tmp_path)

    def full(self, *arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(DiskFull, match=r"log\.jsonl"):
        log.write("epoch", 1)


def test_tensorboard_gets_the_numbers(tmp_path):
    pytest.importorskip("tensorboard")
    log = Log(tmp_path, tensorboard=True)
    log.write("epoch", 1, loss=0.5, name="x")
    log.close()
    assert list((tmp_path / "tensorboard").glob("events.*"))
