"""A real server on a free port: routes, errors, limits, batches, swaps, overload, keys."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from tesserec.core import Dataset
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.popular import Popular
from tesserec.methods.sequential.markov import Markov
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.service import Service
from toys.recommenders import written
from toys.serving import fitted, gated, service_of, serving, until
from toys.worlds import world

READ, WRITE, ADMIN = "r" * 20, "w" * 20, "a" * 20
KEYS = Keys.of({"read": [READ], "write": [WRITE], "admin": [ADMIN]})


def shop() -> Dataset:
    """Six people of two tastes; even people choose even items. Person u leaves out item u."""
    events = [
        (f"u{user}", f"i{item}", 100 * place + user)
        for user in range(6)
        for place, item in enumerate(i for i in range(8) if i % 2 == user % 2 and i != user)
    ]
    return world(events)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(EASE(), shop(), tmp_path_factory.mktemp("ease"))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """What an answer says is wrong; every problem has the form that RFC 9457 gives it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == status
    assert told["title"]
    assert told["type"].startswith("urn:")
    assert told["request_id"] == answer.headers["x-request-id"]
    return dict(told)


def ask(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/v1/recommend", json=body)


def test_a_known_user_gets_the_one_item_of_their_taste_that_they_do_not_know(
    client: httpx.Client, service: Service
) -> None:
    answer = ask(client, user="u2", k=1, reasons=True)
    assert ids(answer) == ["i2"]
    told = answer.json()
    assert told["user"] == "u2"
    assert told["model"] == service.models.active.version.name
    assert {one["id"] for one in told["items"][0]["reasons"]} == {"i0", "i4", "i6"}


def test_strangers_are_asked_for_by_history_or_by_nothing_but_a_context(
    client: httpx.Client,
) -> None:
    assert set(ids(ask(client, history=["i1", "i3", "unknown"], k=2))) <= {"i5", "i7"}
    assert len(ids(ask(client, context={"device": "phone"}, k=3))) == 3
    assert len(ids(ask(client, history=[], k=3))) == 3


def test_exclude_where_and_candidates_narrow_what_is_answered(client: httpx.Client) -> None:
    assert "i2" not in ids(ask(client, user="u2", k=8, exclude=["i2", "unknown"]))
    assert ids(ask(client, user="u2", k=8, where="id in ('i2', 'i3')")) == ["i2", "i3"]
    assert ids(ask(client, user="u2", k=8, candidates=["i5", "i2"])) == ["i2", "i5"]


def test_similar_and_explain(client: httpx.Client) -> None:
    near = client.post("/v1/similar", json={"item": "i0", "k": 3})
    assert set(ids(near)) == {"i2", "i4", "i6"}
    why = client.post("/v1/explain", json={"user": "u2", "item": "i2", "k": 2})
    assert why.json()["item"] == "i2"
    assert {one["id"] for one in why.json()["reasons"]} <= {"i0", "i4", "i6"}
    assert len(why.json()["reasons"]) == 2


def test_a_model_that_compares_nothing_says_so(tmp_path: Path) -> None:
    with serving(service_of(fitted(Popular(), shop(), tmp_path))) as client:
        told = problem(client.post("/v1/similar", json={"item": "i0"}), 422)
        assert told["detail"] == "Popular does not compare items."
        problem(client.post("/v1/explain", json={"user": "u1", "item": "i0"}), 422)
        problem(ask(client, user="u1", reasons=True), 422)


def test_an_event_is_seen_by_the_users_next_request_and_kept_once(
    tmp_path: Path,
) -> None:
    steps = [(user, item, 10 * item) for user in range(4) for item in range(user, user + 5)]
    service = service_of(fitted(Markov(), world(steps), tmp_path))
    with serving(service) as client:
        problem(ask(client, user="new"), 404)
        event = {"id": "e1", "user": "new", "item": 3, "time": 50}
        for _ in range(2):
            assert client.post("/v1/events", json={"events": [event]}).json()["kept"] == 1
        assert len(service.keeper.history("new")) == 1
        assert ids(ask(client, user="new", k=1)) == ["4"]
        last = {"id": "e2", "user": 0, "item": 6}
        before = ids(ask(client, user=0, k=1))
        client.post("/v1/events", json={"events": [last]})
        assert before == ["5"]
        assert ids(ask(client, user=0, k=1)) == ["7"]
        more = [{**last, "id": f"e{n}", "item": "unknown"} for n in (3, 4)]
        client.post("/v1/events", json={"events": more})
        assert ids(ask(client, user=0, k=1)) == ["7"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"user": "\\ud800"}', 400),
        ("[]", 422),
        ("{}", 422),
        ('{"user": true}', 422),
        ('{"user": "a\\u0000b"}', 422),
        ('{"user": "u1", "history": []}', 422),
        ('{"user": "u1", "k": 0}', 422),
        ('{"user": "u1", "k": 2.5}', 422),
        ('{"user": "u1", "unknown": 1}', 422),
        ('{"user": "u1", "where": "nothing = 1"}', 422),
        ('{"user": "u1", "where": "%s"}' % ("(" * 900), 422),
        ('{"user": "u1", "where": "%s id = \'i1\'"}' % ("not " * 240), 422),
        ('{"history": ["neither", "nor"]}', 404),
        ('{"user": "u1", "candidates": ["neither"]}', 404),
        ('{"user": "nobody"}', 404),
    ],
)
def test_what_cannot_be_asked_is_a_problem_of_the_client(
    client: httpx.Client, body: str, status: int
) -> None:
    answer = client.post("/v1/recommend", content=body)
    if "not not" in body:  # nested as deep as this machine can read, or refused
        assert answer.status_code in (200, 422)
    else:
        problem(answer, status)


def test_a_field_that_is_wrong_is_pointed_at(client: httpx.Client) -> None:
    event = {"id": "e", "user": "u", "item": "i"}
    body = {"events": [event, {**event, "time": "now"}, {**event, "weight": None}]}
    told = problem(client.post("/v1/events", json=body), 422)
    assert [one["pointer"] for one in told["errors"]] == ["/events/1/time"]


def test_paths_and_methods_that_there_are_not(client: httpx.Client) -> None:
    problem(client.get("/v1/nothing"), 404)
    problem(client.post("/v1/models/../../etc/passwd"), 404)
    assert problem(client.get("/v1/recommend"), 405)["title"]
    assert client.get("/v1/recommend").headers["allow"] == "POST"


def test_every_limit_is_kept(run: Path) -> None:
    limits = Limits(k=5, history=2, candidates=2, exclude=2, events=1, name=4, where=20, body=400)
    event = {"id": "e", "user": "u", "item": "i"}
    with serving(service_of(run, limits=limits)) as client:
        for body in (
            {"user": "u1", "k": 6},
            {"history": ["i1"] * 3},
            {"user": "u1", "candidates": ["i1"] * 3},
            {"user": "u1", "exclude": ["i1"] * 3},
            {"user": "u1", "where": "id = 'i1' or id = 'i2'"},
            {"user": "users"},
        ):
            problem(ask(client, **body), 422)
        problem(client.post("/v1/events", json={"events": [event, event]}), 422)
        problem(client.post("/v1/recommend", content=b" " * 401), 413)
        pieces = (b" " * 100 for _ in range(5))
        problem(client.post("/v1/recommend", content=pieces), 413)
        assert ids(ask(client, user="u1", k=1)) == ["i1"]


def test_request_ids_are_the_clients_where_they_are_sane(client: httpx.Client) -> None:
    for given, taken in (("a-1.b_2", True), ("a b", False), ("x" * 65, False), ("<b>", False)):
        headers = {"X-Request-ID": given}
        answer = client.post("/v1/recommend", json={"user": "u1"}, headers=headers)
        assert answer.headers["x-request-id"] == answer.json()["request_id"]
        assert (answer.json()["request_id"] == given) is taken


def test_logs_tell_of_requests_and_not_of_people_or_keys(run: Path) -> None:
    service = service_of(run, keys=KEYS)
    with serving(service) as client:
        client.headers["Authorization"] = f"Bearer {READ}"
        answer = ask(client, user="u1")
        name = answer.json()["request_id"]
        until(lambda: name in service.log.stream.getvalue())  # type: ignore[attr-defined]
    text = service.log.stream.getvalue()  # type: ignore[attr-defined]
    lines = [json.loads(line) for line in text.splitlines()]
    line = next(one for one in lines if one.get("id") == name)
    assert line["route"] == "/v1/recommend"
    assert line["status"] == 200
    assert line["ms"] > 0
    assert line["model"] == answer.json()["model"]
    assert READ not in text
    assert '"u1"' not in text


def test_probes_figures_and_the_description(client: httpx.Client) -> None:
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json()["status"] == "ready"
    ask(client, user="u1")
    figures = client.get("/metrics").text
    assert 'tesserec_requests_total{method="POST",route="/v1/recommend",status="200"} 1' in figures
    described = client.get("/openapi.json").json()
    bodies = [one["post"] for one in described["paths"].values() if "post" in one]
    assert len(bodies) == 8
    for one in bodies:
        assert one["requestBody"]["content"]["application/json"]["examples"]
        assert "application/problem+json" in one["responses"]["422"]["content"]
    assert described["components"]["schemas"]["Recommend"]["properties"]["k"]["maximum"] == 200


def test_the_examples_of_the_description_can_be_asked(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    for path in ("/v1/recommend", "/v1/similar", "/v1/explain", "/v1/events", "/v1/items"):
        body = described["paths"][path]["post"]["requestBody"]
        for example in body["content"]["application/json"]["examples"].values():
            answer = client.post(path, json=example["value"])
            unknown = answer.status_code in (404, 422) and "no" in answer.json()["detail"]
            assert answer.status_code == 200 or unknown, answer.text


def test_every_route_but_the_probes_needs_its_key(run: Path) -> None:
    event = {"id": "e", "user": "u", "item": "i"}
    wanted = {
        "/v1/recommend": (READ, {"user": "u1"}),
        "/v1/similar": (READ, {"item": "i1"}),
        "/v1/explain": (READ, {"user": "u1", "item": "i1"}),
        "/v1/models": (READ, None),
        "/metrics": (READ, None),
        "/v1/events": (WRITE, {"events": [event]}),
        "/v1/items": (WRITE, {"items": [{"id": "i"}]}),
        "/v1/models/activate": (ADMIN, {"version": "none"}),
        "/v1/models/split": (ADMIN, {"weights": {"none": 1.0}}),
        "/v1/models/shadow": (ADMIN, {"version": "none"}),
        "/v1/models/report": (READ, None),
        "/v1/monitor": (READ, None),
        "/v1/users/{user}": (ADMIN, None),
    }
    with serving(service_of(run, keys=KEYS)) as client:
        paths = set(client.get("/openapi.json").json()["paths"])
        assert paths == {*wanted, "/health/live", "/health/ready"}
        for path, (least, body) in wanted.items():
            method = "DELETE" if "user}" in path else "GET" if body is None else "POST"
            refused = problem(client.request(method, path, json=body), 401)
            assert refused["detail"] == "No known key came along."
            problem(client.request(method, path, json=body, headers={"X-API-Key": "x" * 20}), 401)
            for key in (READ, WRITE, ADMIN):
                enough = (READ, WRITE, ADMIN).index(key) >= (READ, WRITE, ADMIN).index(least)
                headers = {"Authorization": f"Bearer {key}"}
                status = client.request(method, path, json=body, headers=headers).status_code
                # This model cannot take items in, which only those are told who might send some.
                assert (status in (200, 404, 422 if path == "/v1/items" else 200)) is enough
                assert (status == 403) is not enough


def test_a_key_that_asks_too_often_is_told_when_to_come_back(run: Path) -> None:
    limits = Limits(rate=0.01)
    with serving(service_of(run, keys=KEYS, limits=limits)) as client:
        headers = {"Authorization": f"Bearer {READ}"}
        first, second = (client.get("/v1/models", headers=headers) for _ in range(2))
        assert first.status_code == 200
        problem(second, 429)
        assert 90 <= int(second.headers["retry-after"]) <= 102
        assert client.get("/v1/models", headers={"X-API-Key": WRITE}).status_code == 200


def test_what_comes_while_the_model_is_busy_is_one_batch() -> None:
    gate, service = gated(written(torch.eye(9)))
    with serving(service) as client, ThreadPoolExecutor(40) as pool:
        first = pool.submit(ask, client, history=[0])
        assert gate.begun.wait(10)
        others = [pool.submit(ask, client, history=[n % 9], k=n % 4 + 1) for n in range(30)]
        until(lambda: len(service.questions) == 30)
        gate.open.set()
        assert first.result().status_code == 200
        for n, one in enumerate(others):
            assert len(ids(one.result())) == n % 4 + 1
            assert str(n % 9) not in ids(one.result())
        assert gate.batches == [1, 30]


def test_overload_is_refused_with_a_time_to_come_back_and_passes() -> None:
    gate, service = gated(written(torch.eye(9)), limits=Limits(waiting=5))
    with serving(service) as client, ThreadPoolExecutor(40) as pool:
        first = pool.submit(ask, client, history=[0])
        assert gate.begun.wait(10)
        others = [pool.submit(ask, client, history=[1]) for _ in range(20)]
        until(lambda: sum(one.done() for one in others) == 15)
        assert client.get("/health/ready").status_code == 503
        gate.open.set()
        answers = [one.result() for one in others]
        refused = [one for one in answers if one.status_code != 200]
        assert len(refused) == 15
        for one in refused:
            problem(one, 503)
            assert int(one.headers["retry-after"]) >= 1
        assert first.result().status_code == 200
        assert ask(client, history=[1]).status_code == 200
        assert client.get("/health/ready").status_code == 200


def test_a_request_that_takes_too_long_is_given_up() -> None:
    gate, service = gated(written(torch.eye(9)), limits=Limits(seconds=0.2))
    with serving(service) as client:
        answer = ask(client, history=[0])
        assert problem(answer, 503)["detail"] == "It took longer than 0.2 s."
        assert "retry-after" in answer.headers
        gate.open.set()
        until(lambda: ask(client, history=[0]).status_code == 200)


def test_what_nobody_foresaw_is_a_problem_too_and_spoils_no_other_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate, service = gated(written(torch.eye(9)))
    inner = gate.inner

    class Poisoned:
        catalog = inner.catalog

        def recommend(self, requests: Any, k: int) -> Any:
            if 7 in requests.history.items.values:
                raise ZeroDivisionError("a secret")
            return inner.recommend(requests, k)

    gate.inner = Poisoned()  # type: ignore[assignment]
    with serving(service) as client, ThreadPoolExecutor(20) as pool:
        first = pool.submit(ask, client, history=[0])
        assert gate.begun.wait(10)
        others = [pool.submit(ask, client, history=[n]) for n in range(9)]
        until(lambda: len(service.questions) == 9)
        gate.open.set()
        assert first.result().status_code == 200
        for n, one in enumerate(others):
            if n == 7:
                assert "secret" not in json.dumps(problem(one.result(), 500))
            else:
                assert one.result().status_code == 200
    assert "ZeroDivisionError" in service.log.stream.getvalue()  # type: ignore[attr-defined]


def test_models_are_swapped_under_load_and_no_answer_mixes_them(tmp_path: Path) -> None:
    for name in "ab":
        ids_ = [(f"u{n}", f"{name}{m}") for n in range(4) for m in range(n, n + 3)]
        fitted(Popular(), world(ids_), tmp_path / name)
    service = service_of(tmp_path)
    stop = threading.Event()

    def load(client: httpx.Client) -> list[tuple[int, str, set[str]]]:
        seen = []
        while not stop.is_set():
            answer = ask(client, history=[], k=3)
            told = answer.json()
            items = {one["id"][0] for one in told.get("items", ())}
            seen.append((answer.status_code, told.get("model", ""), items))
        return seen

    with serving(service) as client, ThreadPoolExecutor(6) as pool:
        versions = client.get("/v1/models").json()["versions"]
        assert len(versions) == 2
        loads = [pool.submit(load, client) for _ in range(6)]
        for version, _ in zip(cycle(versions), range(8), strict=False):
            answer = client.post("/v1/models/activate", json={"version": version})
            assert answer.status_code == 200, answer.text
            assert answer.json()["active"] == version
            assert ask(client, history=[]).json()["model"] == version
        stop.set()
        seen = [one for load_ in loads for one in load_.result()]
        problem(client.post("/v1/models/activate", json={"version": "../a"}), 404)
    assert {model for _, model, _ in seen} == set(versions)
    for status, model, items in seen:
        assert status == 200
        assert items == {model.split(".")[1][0]}
    assert service.keeper.active() == service.models.active.version


def test_what_another_process_activates_is_followed(tmp_path: Path) -> None:
    for name in "ab":
        fitted(Popular(), world([("u", f"{name}{n}") for n in range(3)]), tmp_path / name)
    service = service_of(tmp_path)
    with serving(service) as client:
        first = service.models.active.version
        other = next(one for one in service.models.versions().values() if one != first)
        service.keeper.activate(other)
        until(lambda: ask(client, history=[]).json()["model"] == other.name)
        items = ask(client, history=[]).json()["items"]
    assert {one["id"][0] for one in items} == {other.name.split(".")[1][0]}
