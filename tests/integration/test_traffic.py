"""Versions compared on live traffic: split by user, shadowed, reported; users forgotten at once."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.popular import Popular
from tesserec.serve.limits import Limits
from tesserec.serve.log import Log
from tesserec.serve.models import Models
from tesserec.serve.rows import Exposure, Tally
from tesserec.serve.running import keeper_of
from tesserec.serve.service import Service
from tesserec.serve.traffic import Traffic, drawn
from toys.serving import Gate, fitted, service_of, serving, until
from toys.worlds import world

USERS = [f"u{n}" for n in range(40)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions `a` and `b` know the same people, and items of their own; everybody has three."""
    folder = tmp_path_factory.mktemp("runs")
    for name in "ab":
        events = [(user, f"{name}{(n + m) % 7}") for n, user in enumerate(USERS) for m in range(3)]
        fitted(Popular(), world(events), folder / name)
    return folder


def names(service: Service) -> dict[str, str]:
    """The versions by the letter of their items."""
    return {name.split(".")[1][0]: name for name in service.models.versions()}


def ask(client: httpx.Client, user: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/recommend", json={"user": user, "k": 2, **body})
    assert answer.status_code == 200, answer.text
    told = dict(answer.json())
    version = told["model"].split(".")[1][0]
    assert {one["id"][0] for one in told["items"]} == {version}  # nothing is mixed
    return told


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/v1/models/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def tallies(service: Service) -> dict[tuple[str, bool], Tally]:
    return {(one.version, one.shadow): one for one in service.keeper.tallies(0, 60)}


def test_each_user_stays_with_one_version_and_the_report_counts_what_came_of_it(
    client: httpx.Client, service: Service
) -> None:
    a, b = names(service)["a"], names(service)["b"]
    weights = {a: 3.0, b: 1.0}
    assert post(client, "split", weights=weights)["split"] == weights
    traffic = Traffic(weights)
    clicked, events = {a: 0, b: 0}, []
    for number, user in enumerate(USERS):
        answers = [ask(client, user) for _ in range(2)]
        assert {one["model"] for one in answers} == {traffic.version(user)}
        if number % 3 == 0:
            item = answers[0]["items"][0]["id"]
            events.append({"id": f"e{number}", "user": user, "item": item})
            clicked[answers[0]["model"]] += 2
    assert client.post("/v1/recommend", json={"history": [], "k": 1}).json()["model"] in (a, b)
    client.post("/v1/events", json={"events": events})
    until(lambda: sum(one.answers for one in tallies(service).values()) == 81)
    report = client.get("/v1/models/report", params={"window": 60}).json()
    assert report["window"] == 60
    told = {one["version"]: one for one in report["versions"]}
    for name in (a, b):
        one = told[name]
        mine = [user for user in USERS if traffic.version(user) == name]
        assert mine
        assert (one["users"], one["asked"]) == (len(mine), 2 * len(mine))
        assert one["answers"] - one["asked"] == (name == service.models.active.version.name)
        assert one["clicked"] == clicked[name] > 0
        assert one["rate"] == one["clicked"] / one["asked"]
        assert 0 < one["low"] < one["rate"] < one["high"] < 1
    assert client.get("/v1/models/report?since=99999999999").json()["versions"] == []
    assert 'tesserec_exposures_total{how="kept"} 81' in client.get("/metrics").text


def test_a_split_ends_when_it_is_emptied_or_a_version_is_activated(
    client: httpx.Client, service: Service
) -> None:
    a, b = names(service)["a"], names(service)["b"]
    assert {ask(client, user)["model"] for user in USERS} == {service.models.active.version.name}
    for end in (
        lambda: post(client, "split", weights={}),
        lambda: post(client, "activate", version=b),
    ):
        post(client, "split", weights={a: 1, b: 1})
        assert {ask(client, user)["model"] for user in USERS} == {a, b}
        assert end()["split"] == {}
        active = service.models.active.version.name
        assert {ask(client, user)["model"] for user in USERS} == {active}
    post(client, "split", weights={a: 1})
    assert {ask(client, user)["model"] for user in USERS} == {a}
    assert post(client, "activate", version=b)["active"] == b  # it was, and everybody gets it
    assert {ask(client, user)["model"] for user in USERS} == {b}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("split", {"weights": {"none": 1}}, 404),
        ("split", {"weights": {"none": 0}}, 422),
        ("split", {"weights": {"none": "1"}}, 422),
        ("split", {"weights": {str(n): 1 for n in range(5)}}, 422),
        ("split", {}, 422),
        ("shadow", {"version": "../a"}, 404),
        ("shadow", {}, 422),
    ],
)
def test_traffic_that_cannot_be_is_refused_and_nothing_changes(
    client: httpx.Client, service: Service, path: str, body: dict[str, Any], status: int
) -> None:
    answer = client.post(f"/v1/models/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert not service.models.traffic
    assert service.keeper.traffic() == Traffic()


@pytest.mark.parametrize("query", ["window=0", "window=soon", "since=never", "since=nan"])
def test_a_report_that_cannot_be_is_a_problem(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/v1/models/report?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("/query/")


def test_a_shadow_is_asked_the_same_and_both_are_noted(
    client: httpx.Client, service: Service
) -> None:
    active = service.models.active.version.name
    other = next(name for name in names(service).values() if name != active)
    assert post(client, "shadow", version=other)["shadow"] == other
    for user in USERS:
        assert ask(client, user, reasons=False)["model"] == active
    client.post("/v1/recommend", json={"history": ["a1", "b1"]})
    letter = active.split(".")[1][0]
    known = client.post("/v1/recommend", json={"history": [f"{letter}1"]})  # not to the shadow
    assert known.status_code == 200
    until(lambda: (other, True) in (there := tallies(service)) and there[other, True].answers >= 41)
    until(lambda: 'tesserec_shadows_total{how="failed"} 1.0' in client.get("/metrics").text)
    assert tallies(service)[other, True].answers == 41
    assert tallies(service)[active, False].users == len(USERS)
    assert tallies(service)[other, True].users == len(USERS)
    refused = client.post("/v1/models/shadow", json={"version": active})
    assert refused.status_code == 422
    assert post(client, "activate", version=other)["shadow"] is None
    shadowed = {"weights": {active: 1, other: 1}}
    assert client.post("/v1/models/split", json=shadowed).status_code == 200
    assert client.post("/v1/models/shadow", json={"version": active}).status_code == 422


def test_a_shadow_that_hangs_or_fails_delays_and_fails_nothing(run: Path) -> None:
    service = service_of(run, limits=Limits(shadows=400))
    active = service.models.active.version.name
    other = next(name for name in names(service).values() if name != active)
    with serving(service) as client:
        post(client, "shadow", version=other)
        shadow = service.models.shadow
        assert shadow is not None
        gate = Gate(shadow.model)
        object.__setattr__(shadow, "model", gate)
        ask(client, "u0")
        assert gate.begun.wait(10)
        for user in USERS:
            ask(client, user)
        figures = client.get("/metrics").text
        dropped = next(
            float(line.split()[-1])
            for line in figures.splitlines()
            if line.startswith('tesserec_shadows_total{how="dropped"}')
        )
        assert 15 < dropped < 40
        gate.inner = None  # type: ignore[assignment]
        gate.open.set()
        until(lambda: "AttributeError" in service.log.stream.getvalue())  # type: ignore[attr-defined]
        ask(client, "u0")


def test_answers_of_a_share_of_people_are_noted_without_a_split(run: Path) -> None:
    service = service_of(run, limits=Limits(noted=0.5))
    noted = {user for user in USERS if drawn("noted", user) <= 0.5}
    with serving(service) as client:
        version = ask(client, USERS[0])["model"]
        for user in USERS[1:]:
            ask(client, user)
        until(lambda: sum(one.answers for one in tallies(service).values()) >= len(noted))
    shown = service.keeper.latest_exposures(version, 0, 100)
    assert 0 < len(noted) < len(USERS)
    assert set(shown["user"].to_list()) == noted


def test_nothing_is_noted_where_nobody_asked_for_it(client: httpx.Client, service: Service) -> None:
    ask(client, USERS[0])
    service.beside.close()
    assert tallies(service) == {}


def test_a_keeper_that_cannot_write_costs_what_was_shown_and_no_answer(
    client: httpx.Client, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(exposures: Any) -> int:
        raise OSError(28, "No space left on device")

    post(client, "split", weights={names(service)["a"]: 1})
    monkeypatch.setattr(service.keeper, "show", full)
    for number in (1, 2, 3):
        ask(client, "u0")
        line = f'tesserec_exposures_total{{how="failed"}} {number}.0'
        until(lambda line=line: line in client.get("/metrics").text)  # type: ignore[misc]
    log = service.log.stream.getvalue()  # type: ignore[attr-defined]
    assert log.count('"event": "error"') == 1
    monkeypatch.undo()
    ask(client, "u0")
    until(lambda: bool(tallies(service)))


def stored(run: Path, database: Path) -> Service:
    from io import StringIO

    keeper = keeper_of(str(database))
    return Service(Models(run, None, keeper), keeper, log=Log(StringIO()))


def test_traffic_goes_the_same_way_after_a_new_start_and_for_all_workers(
    run: Path, tmp_path: Path
) -> None:
    database = tmp_path / "store.sqlite"
    one, other = stored(run, database), stored(run, database)
    a, b = sorted(one.models.versions())
    with serving(one) as first, serving(other) as second:
        post(first, "split", weights={a: 1, b: 1})
        way = {user: ask(first, user)["model"] for user in USERS}
        assert set(way.values()) == {a, b}
        until(lambda: bool(other.models.traffic))
        assert {user: ask(second, user)["model"] for user in USERS} == way
        post(second, "activate", version=b)
        until(lambda: not one.models.traffic and one.models.active.version.name == b)
        post(first, "shadow", version=a)
        post(first, "split", weights={b: 2})
    again = stored(run, database)
    assert again.models.traffic == Traffic({b: 2}, a)
    again.close()


def test_a_version_that_is_gone_keeps_nobody_from_being_answered(run: Path) -> None:
    service = service_of(run)
    service.keeper.direct(Traffic({"gone": 1.0}))
    with serving(service) as client:
        until(lambda: "gone" in service.log.stream.getvalue())  # type: ignore[attr-defined]
        assert ask(client, "u1")["model"] == service.models.active.version.name


# People who are forgotten


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Six people of two tastes; person u leaves out item u."""
    events = [
        (f"user-{user}", f"i{item}", 100 * place + user)
        for user in range(6)
        for place, item in enumerate(i for i in range(8) if i % 2 == user % 2 and i != user)
    ]
    return fitted(EASE(), world(events), tmp_path / "shop")


def bytes_of(database: Path) -> bytes:
    return b"".join(path.read_bytes() for path in database.parent.glob("store.sqlite*"))


def test_a_forgotten_user_is_a_stranger_at_once_for_all_workers_and_after_a_new_start(
    shop: Path, database: Path
) -> None:
    one, other = stored(shop, database), stored(shop, database)
    event = {"id": "event-1", "user": "user-2", "item": "i0", "time": 5}
    body = {"user": "user-2", "k": 1}
    with serving(one) as first, serving(other) as second:
        first.post("/v1/events", json={"events": [event]})
        one.keeper.show([Exposure("r", "v", "user-2", ("i1",), 1.0)])
        assert second.post("/v1/recommend", json=body).json()["items"][0]["id"] == "i2"
        assert b"user-2" in bytes_of(database)
        receipt = first.delete("/v1/users/user-2")
        assert receipt.status_code == 200, receipt.text
        told = receipt.json()
        assert told["removed"] == {"events": 1, "sessions": 0, "exposures": 1}
        assert all(check["holds"] for check in told["checks"])
        assert "user-2" not in receipt.text
        whats = " ".join(left["what"] for left in told["left"])
        assert "rows in its data" in whats
        assert b"user-2" not in bytes_of(database)
        assert b"event-1" not in bytes_of(database)
        for client in (first, second):
            gone = client.post("/v1/recommend", json=body)
            assert gone.status_code == 404
            assert "'user-2'" in gone.json()["detail"]
            nobody = client.post("/v1/recommend", json={**body, "user": "nobody"})
            assert gone.json()["detail"] == nobody.json()["detail"].replace("nobody", "user-2")
            why = {"user": "user-2", "item": "i2"}
            assert client.post("/v1/explain", json=why).status_code == 404
        again = first.delete("/v1/users/user-2").json()
        assert again["removed"] == {"events": 0, "sessions": 0, "exposures": 0}
        assert again["digest"] == told["digest"]
    with serving(stored(shop, database)) as client:
        assert client.post("/v1/recommend", json=body).status_code == 404
        assert client.post("/v1/recommend", json={**body, "user": "user-4"}).status_code == 200


def test_who_comes_back_is_somebody_new(shop: Path, database: Path) -> None:
    with serving(stored(shop, database)) as client:
        client.delete("/v1/users/user-2")
        event = {"id": "event-2", "user": "user-2", "item": "i1"}
        client.post("/v1/events", json={"events": [event]})
        found = client.post("/v1/recommend", json={"user": "user-2", "k": 8}).json()
        new = client.post("/v1/recommend", json={"history": ["i1"], "k": 8}).json()
        assert [(one["id"], one["score"]) for one in found["items"]] == [
            (one["id"], one["score"]) for one in new["items"]
        ]
        assert "i0" in {one["id"] for one in found["items"]}  # which user-2 had, once


@pytest.mark.parametrize("user", ["nobody", "a/b", "../../etc", "ü 中", "%", "1"])
def test_to_forget_somebody_unknown_does_no_harm(shop: Path, database: Path, user: str) -> None:
    from urllib.parse import quote

    with serving(stored(shop, database)) as client:
        event = {"id": "e", "user": user, "item": "i1"}
        client.post("/v1/events", json={"events": [event]})
        told = client.delete(f"/v1/users/{quote(user, safe='')}")
        assert told.status_code == 200, told.text
        assert told.json()["removed"]["events"] == 1
        assert client.delete("/v1/users/" + "x" * 300).status_code == 422
        assert client.delete("/v1/users/").status_code in (404, 422)


def test_what_waits_to_be_noted_of_a_forgotten_user_is_not(shop: Path, database: Path) -> None:
    service = stored(shop, database)
    with serving(service) as client:
        post(client, "split", weights={service.models.active.version.name: 1})
        for _ in range(5):
            client.post("/v1/recommend", json={"user": "user-2"})
        client.delete("/v1/users/user-2")
        client.post("/v1/recommend", json={"user": "user-3"})
        until(lambda: sum(one.answers for one in service.keeper.tallies(0, 1)) == 1)
        time.sleep(0.3)
        assert [one.users for one in service.keeper.tallies(0, 1)] == [1]
    assert b"user-2" not in bytes_of(database)
