"""Rows by digest: what was added is there, whatever a kill leaves behind."""

import multiprocessing
import os

import numpy as np
import pytest

from tesserec.content.store import RowStore, locked
from tesserec.core.errors import BadRequest

DIGESTS = [bytes([n]) * 32 for n in range(6)]
ROWS = np.arange(18, dtype=np.float32).reshape(6, 3)


@pytest.fixture
def stored(tmp_path):
    store = RowStore(tmp_path / "store")
    store.add(DIGESTS[:4], ROWS[:4])
    store.add(DIGESTS[4:], ROWS[4:])
    return tmp_path / "store"


def test_rows_are_found_by_their_digest(stored):
    store = RowStore(stored)
    assert len(store) == 6
    for digest, row in zip(DIGESTS, ROWS, strict=True):
        assert store.rows()[store.place[digest]].tolist() == row.tolist()
    assert b"x" * 32 not in store


def test_half_floats_stay_half_floats(tmp_path):
    RowStore(tmp_path).add(DIGESTS, ROWS.astype(np.float16))
    assert RowStore(tmp_path).rows().dtype == np.float16


@pytest.mark.parametrize("name", ["rows.bin", "index.bin"])
@pytest.mark.parametrize("cut", [1, 5, 13, 40, 71])
def test_what_a_kill_cut_off_is_forgotten_and_the_rest_stays(stored, name, cut):
    path = stored / name
    os.truncate(path, max(0, path.stat().st_size - cut))
    store = RowStore(stored)
    assert len(store) < 6
    kept = [digest for digest in DIGESTS if digest in store]
    assert kept == DIGESTS[: len(kept)]
    store.add(DIGESTS[len(kept) :], ROWS[len(kept) :])
    assert RowStore(stored).rows().tolist() == ROWS.tolist()


def test_a_row_that_was_changed_is_forgotten_with_all_after_it(stored):
    path = stored / "rows.bin"
    content = bytearray(path.read_bytes())
    content[2 * 12 + 1] ^= 1  # of the third row
    path.write_bytes(content)
    assert [digest in RowStore(stored) for digest in DIGESTS] == [True, True, *[False] * 4]


def test_without_an_index_rows_are_nobodys(stored):
    (stored / "index.bin").unlink()
    assert len(RowStore(stored)) == 0
    assert not (stored / "rows.bin").exists()


def _lock(folder, held, done):
    with locked(folder):
        held.set()
        done.wait()


def test_two_processes_do_not_write_into_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_lock, args=(tmp_path / "store", held, done))
    other.start()
    assert held.wait(60)
    try:
        with pytest.raises(BadRequest, match="Another tesserec"), locked(tmp_path / "store"):
            pass
    finally:
        done.set()
        other.join()
    with locked(tmp_path / "store"):
        pass
