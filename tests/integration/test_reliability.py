"""The scripts of `benchmarks/reliability`, briefly; run them by hand for as long as you like."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent


def script(name: str, *words: str) -> dict[str, Any]:
    """What a script found; it is run as its page says."""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.reliability.{name}", *words],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert told["holds"] == (done.returncode == 0)
    return told


def test_a_server_that_gets_too_much_refuses_politely_and_comes_back() -> None:
    told = script("overload", "--seconds", "3", "--items", "100000", "--waiting", "16")
    assert told["holds"], told
    assert told["refused"] > 0
    assert told["other"] == told["without_retry_after"] == 0
    assert told["back_seconds"] <= 5


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc")
def test_requests_and_events_do_not_grow_a_warm_server() -> None:
    words = ["--requests", "3000", "--events", "2000", "--rounds", "2", "--warm", "0.5", "--report"]
    told = script("leak", *words)
    assert told["holds"], told


def test_on_a_full_disk_events_are_refused_and_questions_answered(small_disk: Path) -> None:
    told = script("disk", str(small_disk))
    assert told["holds"], told
    assert str(small_disk / "store.sqlite") in told["detail"]
    assert told["kept"] > 0


def test_no_request_made_from_the_description_breaks_the_server() -> None:
    pytest.importorskip("schemathesis")
    told = script("hostile", "--cases", "300")
    assert told["holds"], told
    assert {"200", "422"} <= set(told["statuses"])
    assert not [status for status in told["statuses"] if status >= "500"]
