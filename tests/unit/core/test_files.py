import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tesserec.core import files
from tesserec.core.errors import BadData, BadRequest, DamagedFile, DiskFull
from tesserec.core.files import (
    check_writable,
    closed,
    newest_whole,
    read_json,
    replacing,
    replacing_folder,
    verify,
    write_json,
    write_text,
)


def write_folder(folder: Path, text: str) -> None:
    with replacing_folder(folder) as aside:
        (aside / "a.txt").write_text(text)
        (aside / "deep").mkdir()
        (aside / "deep" / "b.txt").write_text(text * 3)


def content(folder: Path) -> dict[str, str]:
    there = (path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in there}


def told(text: str) -> dict[str, str]:
    return {"a.txt": text, "deep/b.txt": text * 3}


class Broken(Exception):
    pass


def give_up(path: Path) -> None:
    path.write_text("half")
    raise Broken


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    write_text(tmp_path / "new" / "note.txt", "one")
    write_text(tmp_path / "new" / "note.txt", "two")
    assert os.listdir(tmp_path / "new") == ["note.txt"]
    assert (tmp_path / "new" / "note.txt").read_text() == "two"


def test_who_reads_the_old_file_goes_on_reading_it_whole(tmp_path):
    write_text(tmp_path / "note.txt", "old")
    with (tmp_path / "note.txt").open() as reader:
        write_text(tmp_path / "note.txt", "new and longer")
        assert reader.read() == "old"


def test_a_block_that_raises_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "note.txt"
    path.write_text("old")
    with pytest.raises(Broken), replacing(path) as aside:
        give_up(aside)
    assert os.listdir(tmp_path) == ["note.txt"]
    assert path.read_text() == "old"


def test_a_folder_is_replaced_whole_with_checksums_and_nothing_is_left_beside_it(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, "one")
    write_folder(folder, "two")
    assert os.listdir(tmp_path) == ["model"]
    assert content(folder) == told("two")
    assert set(verify(folder)["files"]) == {"a.txt", "deep/b.txt"}


def test_a_block_that_raises_leaves_the_old_folder_and_nothing_beside_it(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, "old")
    with pytest.raises(Broken), replacing_folder(folder) as aside:
        give_up(aside / "a.txt")
    assert os.listdir(tmp_path) == ["model"]
    verify(folder)
    assert content(folder) == told("old")


def test_where_names_cannot_be_exchanged_a_folder_is_replaced_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("tesserec.core.files._exchange", lambda one, other: False)
    folder = tmp_path / "model"
    # What a killed process of the same number left; in a container numbers come again.
    (tmp_path / f".model.{os.getpid()}.old").mkdir()
    (tmp_path / f".model.{os.getpid()}.old" / "a.txt").write_text("older still")
    write_folder(folder, "one")
    write_folder(folder, "two")
    assert os.listdir(tmp_path) == ["model"]
    assert content(folder) == told("two")


def test_a_folder_that_holds_other_things_is_not_thrown_away(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BadRequest, match="would be lost"):
        write_folder(tmp_path, "model")
    assert content(tmp_path) == {"thesis.txt": "years of work"}
    with pytest.raises(BadRequest, match="would be lost"):
        write_folder(tmp_path / "thesis.txt", "model")
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", "model")
    assert content(tmp_path / "empty") == told("model")


def replace_and_die(folder: Path, fatal: int) -> bool:
    """Replace a file and a folder in a child that ends at its n-th call; whether it survived."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    calls = 0

    def dying(real):
        def call(*arguments, **more):
            nonlocal calls
            calls += 1
            if calls == fatal:
                os._exit(9)
            return real(*arguments, **more)

        return call

    for name in ("rename", "replace", "fsync", "unlink", "mkdir", "rmdir"):
        setattr(os, name, dying(getattr(os, name)))
    files._exchange = dying(files._exchange)
    files.write_text(folder / "note.txt", "new")
    write_folder(folder / "model", "new")
    os._exit(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
def test_a_process_that_dies_at_any_call_leaves_old_or_new_and_the_next_one_succeeds(tmp_path):
    folder, call, survived = tmp_path / "home", 0, False
    while not survived:
        call += 1
        shutil.rmtree(folder, ignore_errors=True)
        write_text(folder / "note.txt", "old")
        write_folder(folder / "model", "old")
        survived = replace_and_die(folder, call)
        assert (folder / "note.txt").read_text() in ("old", "new")
        verify(folder / "model")
        assert content(folder / "model") in (told("old"), told("new"))
        write_folder(folder / "model", "newer")
        assert content(folder / "model") == told("newer")
    assert call > 15  # there is much to die at


def test_libraries_that_keep_files_to_their_owner_do_not_here(tmp_path):
    write_text(tmp_path / "usual.txt", "text")
    with replacing(tmp_path / "one.bin") as aside:
        aside.unlink()
        aside.touch(0o600)
    with replacing_folder(tmp_path / "model") as aside:
        (aside / "two.bin").touch(0o600)
    usual = (tmp_path / "usual.txt").stat().st_mode
    for path in (tmp_path / "one.bin", tmp_path / "model" / "two.bin"):
        assert path.stat().st_mode == usual


def test_a_place_that_is_closed_is_said_before_and_after(tmp_path, monkeypatch):
    check_writable(tmp_path / "new" / "deep" / "file")
    asked = []
    monkeypatch.setattr(os, "access", lambda place, how: asked.append(place))
    with pytest.raises(BadRequest, match="cannot be written to"):
        check_writable(tmp_path / "new" / "deep" / "file")
    assert asked == [tmp_path]
    for name in (tmp_path / "file", tmp_path / ".file.7.part"):
        error = OSError(errno.EROFS, "read-only", str(name))
        assert closed(error) == (tmp_path if name.suffix else name)
    assert closed(OSError(errno.ENOENT, "gone", "file")) is None
    assert closed(ValueError("none")) is None


def test_a_process_that_is_killed_in_the_block_leaves_the_old_folder(tmp_path):
    write_folder(tmp_path / "model", "old")
    child = os.fork()
    if not child:
        with replacing_folder(tmp_path / "model") as aside:
            (aside / "a.txt").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    verify(tmp_path / "model")
    assert content(tmp_path / "model") == told("old")


@given(st.data())
def test_any_changed_byte_and_any_cut_tail_is_named(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage") / "model"
    write_folder(folder, "tesserec")
    path = folder / data.draw(st.sampled_from(["a.txt", "deep/b.txt", "manifest.json"]))
    damage(path, data)
    with pytest.raises(DamagedFile) as refused:
        verify(folder)
    assert str(path) in str(refused.value)


def damage(path: Path, data: st.DataObject) -> None:
    """Change one byte to any other, or cut the file anywhere."""
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        whole[place] ^= data.draw(st.integers(1, 255))
    else:
        del whole[place:]
    path.write_bytes(whole)


def test_white_space_in_a_manifest_counts_too(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, "text")
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("\n", "\t", 1))
    with pytest.raises(DamagedFile, match=r"manifest\.json"):
        verify(folder)


def test_a_missing_file_and_a_missing_manifest_are_named(tmp_path):
    folder = tmp_path / "model"
    write_folder(folder, "text")
    (folder / "a.txt").unlink()
    with pytest.raises(DamagedFile, match=r"a\.txt is missing"):
        verify(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(BadData, match=r"manifest\.json is not there"):
        verify(folder)


def test_the_newest_whole_folder_is_used_and_all_damaged_is_an_error(tmp_path):
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        write_folder(folder, folder.name)

    def text(folder: Path) -> str:
        return (folder / "a.txt").read_text()

    assert newest_whole(folders, text) == "c"
    (folders[2] / "deep" / "b.txt").write_text("cc")
    assert newest_whole(folders, text) == "b"
    (folders[1] / "manifest.json").unlink()
    assert newest_whole(folders, text) == "a"
    (folders[0] / "a.txt").write_text("x")
    with pytest.raises(DamagedFile, match=r"c/deep/b\.txt"):
        newest_whole(folders, text)
    with pytest.raises(BadData, match="no checkpoint"):
        newest_whole([], text)


def test_json_that_is_none_is_damaged_and_one_that_is_missing_is_named(tmp_path):
    write_json(tmp_path / "a.json", {"name": "Käse", "n": [1, 2]})
    assert read_json(tmp_path / "a.json") == {"name": "Käse", "n": [1, 2]}
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c.json").write_bytes(b'"\xff"')
    for name in "bc":
        with pytest.raises(DamagedFile, match=rf"{name}\.json is damaged"):
            read_json(tmp_path / f"{name}.json")
    with pytest.raises(BadData, match=r"d\.json is not there"):
        read_json(tmp_path / "d.json")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert json.loads((tmp_path / "a.json").read_text())["n"] == [1, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_plainly_and_leaves_what_was_there(tmp_path, number):
    write_text(tmp_path / "note.txt", "old")
    write_folder(tmp_path / "model", "old")
    with pytest.raises(DiskFull) as full, replacing(tmp_path / "note.txt"):
        raise OSError(number, os.strerror(number))
    assert str(tmp_path / "note.txt") in full.value.cause
    assert "bytes" in full.value.cause
    with pytest.raises(DiskFull), replacing_folder(tmp_path / "model"):
        raise OSError(number, os.strerror(number))
    assert sorted(os.listdir(tmp_path)) == ["model", "note.txt"]
    assert content(tmp_path / "model") == told("old")


def test_other_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(PermissionError), replacing(tmp_path / "note.txt"):
        raise PermissionError(errno.EACCES, "no")


WRITERS = {
    "text": lambda path: path.write_text("x" * 4_000_000),
    "safetensors": lambda path: save_file({"a": torch.zeros(1_000_000)}, path),
    "numpy": lambda path: np.save(path.open("wb"), np.zeros(500_000)),
    "parquet": lambda path: pl.DataFrame({"a": np.random.rand(500_000)}).write_parquet(path),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_whatever_writes_a_full_disk_is_a_full_disk(small_disk, writer):
    write_folder(small_disk / "model", "old")
    with pytest.raises(DiskFull, match="model"), replacing_folder(small_disk / "model") as aside:
        WRITERS[writer](aside / "big.npy")
    with pytest.raises(DiskFull, match="big"), replacing(small_disk / "big") as aside:
        WRITERS[writer](aside)
    assert os.listdir(small_disk) == ["model"]
    verify(small_disk / "model")
    assert content(small_disk / "model") == told("old")
