"""The monitor of a server: what it says, to whom, how often it looks, and whom it has forgotten."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from tesserec.cli.app import run as command
from tesserec.lifecycle.monitor import TRAINED, Trained
from tesserec.methods.collaborative.ease import EASE
from tesserec.serve.keeping import Keeper
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.log import Log
from tesserec.serve.models import Models
from tesserec.serve.rows import Event, Exposure
from tesserec.serve.running import keeper_of
from tesserec.serve.service import Service
from toys.serving import fitted, service_of, serving, until
from toys.worlds import world

DAY = 86_400
ITEMS = [f"i{n:02d}" for n in range(20)]
SHARES = np.arange(20, 0, -1) / 210


def drawn(count: int, first: float, last: float, seed: int, backwards: bool = False) -> list[Any]:
    """Events between so many days ago, of a hundred people and twenty items."""
    draw = np.random.default_rng(seed)
    items = draw.choice(ITEMS, count, p=SHARES[::-1] if backwards else SHARES)
    users = draw.integers(0, 100, count)
    ago = np.sort(draw.uniform(last, first, count))[::-1]
    now = time.time()
    return [
        (f"u{user:02d}", str(item), int(now - DAY * one))
        for user, item, one in zip(users, items, ago, strict=True)
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fitted on a hundred days; what it learned from is noted, as `fit` does."""
    data = world(drawn(5000, 110, 10, 1), items=ITEMS)
    folder = fitted(EASE(), data, tmp_path_factory.mktemp("runs") / "ease")
    Trained.of(data).save(folder)
    return folder


def post(client: httpx.Client, events: list[Any], name: str = "e") -> None:
    told = [
        {"id": f"{name}{n}", "user": user, "item": item, "time": moment}
        for n, (user, item, moment) in enumerate(events)
    ]
    for start in range(0, len(told), 500):
        answer = client.post("/v1/events", json={"events": told[start : start + 500]})
        assert answer.status_code == 200, answer.text


def signals(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/v1/monitor")
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["signals"]}


def test_events_like_those_of_training_are_fine_and_others_are_not(run: Path) -> None:
    for backwards, verdict in ((False, "fine"), (True, "act")):
        service = service_of(run)
        with serving(service) as client:
            post(client, drawn(500, 9.9, 0, 2, backwards))
            told = signals(client)
            assert told["popularity_index"]["verdict"] == verdict
            assert told["popularity_distance"]["verdict"] == verdict
            assert told["event_rate"]["verdict"] == "fine"
            assert told["new_items"]["verdict"] == "fine"
            figures = client.get("/metrics").text
            number = 2.0 if verdict == "act" else 0.0
            assert f'tesserec_monitor_verdict{{signal="popularity_index"}} {number}' in figures
            value = told["newest_event"]["value"]
            assert f'tesserec_monitor_value{{signal="newest_event"}} {value}' in figures
            page = client.get("/monitor").text
            assert ("tesserec update RUN --events" in page) == backwards


def test_an_empty_store_gets_no_verdict(run: Path) -> None:
    with serving(service_of(run)) as client:
        told = signals(client)
        judged = {name for name, one in told.items() if one["verdict"] in ("fine", "watch", "act")}
        assert judged == {"age", "newest_event"}
        page = client.get("/monitor").text
        assert "No event has come yet" in page
        assert "Day by day" not in page


def test_what_answers_brought_is_counted_from_what_was_noted(run: Path) -> None:
    service = service_of(run)
    with serving(service) as client:
        active = service.models.active.version.name
        split = client.post("/v1/models/split", json={"weights": {active: 1}})
        assert split.status_code == 200
        clicked = 0
        for number in range(100):
            user = f"u{number:02d}"
            found = client.post("/v1/recommend", json={"user": user, "k": 3})
            if found.status_code == 200 and found.json()["items"] and number % 4 == 0:
                clicked += 1
                item = found.json()["items"][0]["id"]
                post(client, [(user, item, None)], f"c{number}-")
        client.post("/v1/recommend", json={"history": ["i01"], "k": 3})
        until(lambda: len(service.keeper.latest_exposures(active, 0, 1000)) == 101)
        told = signals(client)
        assert told["clicks"]["value"] == pytest.approx(clicked / 100)
        assert told["clicks"]["low"] < clicked / 100 < told["clicks"]["high"]
        assert told["foreseen"]["value"] == 1
        assert told["strangers"]["value"] == pytest.approx(1 / 101)
        tally = service.keeper.tallies(0, DAY)[0]
        assert (tally.asked, tally.clicked) == (100, clicked)
        assert "Click rate" in client.get("/monitor").text


def test_it_looks_again_only_when_time_has_passed(run: Path, monkeypatch: Any) -> None:
    service = service_of(run, limits=Limits(monitor_seconds=3600))
    looks = []
    inner = service.keeper.latest_events
    monkeypatch.setattr(
        service.keeper, "latest_events", lambda most: looks.append(most) or inner(most)
    )
    with serving(service) as client:
        moments = {client.get("/v1/monitor").json()["moment"] for _ in range(3)}
        client.get("/monitor")
        assert len(looks) == len(moments) == 1
    service = service_of(run, limits=Limits(monitor_seconds=0.05))
    with serving(service) as client:  # and /metrics tells without being asked
        name = "tesserec_monitor_timestamp_seconds "

        def told() -> float:
            lines = client.get("/metrics").text.splitlines()
            return next(float(one.split()[-1]) for one in lines if one.startswith(name))

        until(lambda: told() > 0)
        first = told()
        until(lambda: told() > first)


def test_a_read_key_is_needed_and_enough(run: Path) -> None:
    keys = Keys.of({"read": ["r" * 20], "write": ["w" * 20]})
    with serving(service_of(run, keys=keys)) as client:
        for key, status in (("r", 200), ("w", 200), ("x", 401)):
            headers = {"Authorization": f"Bearer {key * 20}"}
            assert client.get("/v1/monitor", headers=headers).status_code == status
        assert client.get("/monitor").status_code == 303


def stored(run: Path, database: Path) -> Service:
    from io import StringIO

    keeper = keeper_of(str(database))
    return Service(Models(run, None, keeper), keeper, log=Log(StringIO()))


def test_a_forgotten_person_is_in_nothing_for_all_workers_at_once(
    run: Path, tmp_path: Path
) -> None:
    database = tmp_path / "store.sqlite"
    one, other = stored(run, database), stored(run, database)
    with serving(one) as first, serving(other) as second:
        version = one.models.active.version.name
        now = int(time.time())
        post(first, [("only-me", f"secret-{n}", now) for n in range(200)], "m")
        post(first, drawn(100, 1, 0, 3))
        shown = [
            Exposure(f"r{n}", version, "only-me", (f"secret-{n}",), now - 5.0) for n in range(200)
        ]
        one.keeper.show(shown)
        for client in (first, second):
            told = signals(client)
            assert told["new_items"]["counted"] == 300
            assert told["clicks"]["value"] == 1
            assert "secret" not in json.dumps(told)
        assert first.delete("/v1/users/only-me").status_code == 200
        for client in (first, second):
            told = signals(client)
            assert told["new_items"]["counted"] == 100
            assert told["new_items"]["value"] == 0
            assert told["clicks"]["counted"] == 0
            assert "only-me" not in client.get("/monitor").text


@pytest.fixture(params=["memory", "stored"])
def keeper(request: Any, database_url: str) -> Keeper:
    return keeper_of("memory" if request.param == "memory" else database_url)


def test_keepers_tell_the_newest_events_and_answers(keeper: Keeper) -> None:
    events = [Event(str(n), "ann", f"i{n}", 100 - n) for n in range(5)]
    keeper.add([*events, Event("none", "bob", "tea")])
    assert keeper.latest_events(3).rows() == [("ann", f"i{n}", 100 - n) for n in (2, 3, 4)]
    assert len(keeper.latest_events(9)) == 5
    shown = [Exposure(str(n), "v", "ann", ("a'\"", "ü"), float(n)) for n in range(4)]
    keeper.show(
        [
            *shown,
            Exposure("x", "w", "ann", ("a",), 9.0),
            Exposure("y", "v", "ann", ("a",), 9.0, shadow=True),
            Exposure("z", "v", None, (), 9.0),
        ]
    )
    found = keeper.latest_exposures("v", 1.0, 9)
    assert found.rows() == [
        ("ann", ["a'\"", "ü"], 2.0),
        ("ann", ["a'\"", "ü"], 3.0),
        (None, [], 9.0),
    ]
    assert keeper.latest_exposures("v", 1.0, 1).rows() == [(None, [], 9.0)]
    assert keeper.latest_exposures("nobody", 0, 9).schema == found.schema
    assert keeper.latest_forgotten() == 0
    keeper.forget_user("ann")
    assert time.time() - keeper.latest_forgotten() < 60
    assert len(keeper.latest_events(9)) == 0
    keeper.close()


def test_the_command_says_the_same(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "store.sqlite"
    assert command(["monitor", str(run), "--database", str(database)]) == 1
    assert "There is no store" in capsys.readouterr().err
    assert not database.exists()
    with serving(stored(run, database)) as client:
        post(client, drawn(500, 9.9, 0, 2, backwards=True))
        expected = {name: one["verdict"] for name, one in signals(client).items()}
    url = f"sqlite:///{database}"
    assert command(["monitor", str(run), "--database", url, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["name"]: one["verdict"] for one in told["signals"]} == expected
    assert told["verdict"] == "act"
    assert command(["monitor", str(run), "--database", str(database)]) == 0
    assert "tesserec update RUN --events" in capsys.readouterr().err


def test_fit_notes_what_it_learned_from_and_update_adds_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pl.DataFrame(drawn(600, 50, 10, 1), schema=["user", "item", "time"], orient="row")
    frame.write_csv("events.csv")
    assert command(["fit", "events.csv", "MF", "--out", "run", "--quiet", "--set", "dim=4",
                 "--set", "schedule.epochs=1"]) == 0  # fmt: skip
    learned = Trained.read(Path("run"))
    assert learned is not None
    assert 300 < learned.events < 600  # of the training part alone
    assert learned.newest < frame["time"].max()
    more = drawn(40, 5, 0, 2)
    pl.DataFrame(more, schema=["user", "item", "time"], orient="row").write_csv("more.csv")
    assert command(["update", "run", "--events", "more.csv", "--quiet", "--set", "epochs=1"]) == 0
    again = Trained.read(Path("run"))
    assert again is not None
    assert again.events > learned.events
    assert again.newest == more[-1][2]
    assert (Path("run") / TRAINED / "manifest.json").is_file()
