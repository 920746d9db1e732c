"""Whatever a client sends, it is answered, or told what is wrong with it: never a 5xx."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tesserec.data import toys
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.multimodal.contentknn import ContentKNN
from toys.serving import fitted, service_of, serving
from toys.worlds import random_world

ROUTES = {
    "/v1/recommend": (
        ["user", "history", "context", "k", "exclude", "where", "candidates", "reasons"],
        {"history": [], "context": {}},
    ),
    "/v1/similar": (["item", "k"], {"item": 1}),
    "/v1/explain": (["user", "history", "item", "k"], {"item": 1, "history": [1, 2]}),
    "/v1/events": (["events"], {"events": [{"id": 1, "user": 1, "item": 1}]}),
    "/v1/items": (["items"], {"items": [{"id": 1}]}),
    "/v1/models/activate": (["version"], {"version": "x"}),
}

NUMBERS = ("'a'", "7", "1e999", "9" * 20, "9" * 400, "`")
words = st.text(max_size=20) | st.integers(-5, 40) | st.integers()
scalars = words | st.floats() | st.booleans() | st.none()
expressions = st.lists(
    st.sampled_from(
        [
            "id",
            "=",
            "!=",
            "<",
            "in",
            "(",
            ")",
            ",",
            "and",
            "or",
            "not",
            "'a'",
            "7",
            "1e999",
            "99999999999999999999",
            "`",
        ]
    ),
    max_size=12,
).map(" ".join)
values = st.recursive(
    scalars | expressions,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("run")
    with serving(service_of(fitted(EASE(), random_world(), folder))) as one:
        yield one


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("content")
    with serving(service_of(fitted(ContentKNN(), toys.newcomers(), folder))) as one:
        yield one


numbers = st.floats(width=32) | st.integers() | st.just(1e300)
posted = st.fixed_dictionaries(
    {"id": words},
    optional={
        "features": st.dictionaries(st.sampled_from(["text", "title"]) | words.map(str), values),
        "vectors": st.dictionaries(
            st.just("text") | words.map(str), st.lists(numbers, max_size=9) | st.none() | values
        ),
        "path": values,
    },
)


@given(items=st.lists(posted, max_size=3) | values)
def test_no_new_item_is_the_servers_fault(growing: httpx.Client, items: object) -> None:
    answer = growing.post("/v1/items", content=json.dumps({"items": items}))
    assert answer.status_code < 500, answer.text
    found = growing.post("/v1/recommend", json={"history": [], "k": 100})
    assert found.status_code == 200


@given(data=st.data())
def test_no_body_is_the_servers_fault(client: httpx.Client, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(ROUTES)))
    names, good = ROUTES[path]
    wrong = data.draw(st.dictionaries(st.sampled_from(names), values))
    more = data.draw(st.binary(max_size=3))
    answer = client.post(path, content=json.dumps({**good, **wrong}).encode() + more)
    assert answer.status_code < 500, answer.text
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@given(where=expressions)
def test_no_filter_is_the_servers_fault(client: httpx.Client, where: str) -> None:
    answer = client.post("/v1/recommend", json={"history": [], "where": where})
    assert answer.status_code in (200, 422), answer.text


@given(path=st.binary(max_size=30), given_id=st.binary(max_size=70))
def test_no_path_or_header_is_the_servers_fault(
    client: httpx.Client, path: bytes, given_id: bytes
) -> None:
    headers = {b"X-Request-ID": bytes(one for one in given_id if one > 31 and one != 127).strip()}
    assert client.get(f"/{quote(path)}", headers=headers).status_code < 500
