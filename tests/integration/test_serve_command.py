"""`tesserec serve` as a process of its own: it starts, answers, and ends when it is told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from toys.serving import PATIENCE, until

GATED = """
import sys, threading, time
from pathlib import Path
from tesserec.core.registry import every
from tesserec.recommenders.score import ScoreRecommender
inner = ScoreRecommender.recommend
here = Path(sys.argv[1])
def gated(self, requests, k):
    if threading.current_thread().name.startswith("model"):
        (here / "begun").touch()
        while not (here / "go").exists():
            time.sleep(0.005)
    return inner(self, requests, k)
ScoreRecommender.recommend = gated
from tesserec.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


@contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A server that said where it listens, and a client of it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, *command], stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert running.stderr is not None
        words = running.stderr.readline().split()
        assert words[0] == "serving"
        with httpx.Client(base_url=words[-1], timeout=PATIENCE) as client:
            until(lambda: _ready(client))
            yield running, client
    finally:
        running.kill()
        running.wait()


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def fitted(tesserec, shop: Path) -> Path:
    assert tesserec("fit shop EASE --split last --out runs/ease --quiet").code == 0
    return Path("runs/ease")


def test_told_to_stop_it_finishes_what_was_begun(fitted: Path, tmp_path: Path) -> None:
    (tmp_path / "gated.py").write_text(GATED)
    line = f"{tmp_path}/gated.py {tmp_path} serve {fitted} --port 0".split()
    with process(*line) as (running, client):
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(5) as pool:
            body = {"user": "c03", "k": 2}
            asked = [pool.submit(client.post, "/v1/recommend", json=body) for _ in range(5)]
            until((tmp_path / "begun").exists)
            until(lambda: "tesserec_waiting 4" in client.get("/metrics").text)
            running.send_signal(signal.SIGTERM)
            until(lambda: _refuses(str(client.base_url)))
            (tmp_path / "go").touch()
            for one in asked:
                assert one.result().status_code == 200
                assert len(one.result().json()["items"]) == 2
        assert running.wait(PATIENCE) == 0


def _refuses(url: str) -> bool:
    try:
        httpx.get(f"{url}/health/live", timeout=PATIENCE)
    except httpx.TransportError:
        return True
    return False


def test_two_workers_and_the_next_start_know_every_event(fitted: Path) -> None:
    line = ["-m", "tesserec", "serve", str(fitted), "--port", "0", "--workers", "2"]
    event = {"id": "e1", "user": "new", "item": "p00"}
    for workers in ("2", "1"):
        with process(*line[:-1], workers) as (running, client):
            if workers == "2":
                answer = client.post("/v1/events", json={"events": [event]})
                assert answer.json()["kept"] == 1
            for _ in range(8):  # on connections of their own, which either worker takes
                url = f"{client.base_url}/v1/recommend"
                answer = httpx.post(url, json={"user": "new"}, timeout=PATIENCE)
                assert answer.status_code == 200, answer.text
                assert "p00" not in {one["id"] for one in answer.json()["items"]}
            assert "tesserec_requests_total" in client.get("/metrics").text
            running.send_signal(signal.SIGTERM)
            assert running.wait(PATIENCE) == 0


def test_without_keys_it_does_not_listen_to_strangers(tesserec, fitted: Path) -> None:
    said = tesserec(f"serve {fitted} --host 0.0.0.0 --port 0")
    assert said.code == 2
    assert "Without keys" in said.err


def test_what_cannot_be_served_is_said(tesserec, fitted: Path) -> None:
    assert tesserec("serve nothing --port 0").code == 1
    assert tesserec(f"serve {fitted} --database tape://1 --port 0").code == 2
    assert tesserec(f"serve {fitted} --workers 2 --database memory --port 0").code == 2
    assert tesserec(f"serve {fitted} --set kk=3 --port 0").code == 2
