"""The pages without a browser: what they show, who may see them, and what a form may do."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
import torch

from tesserec.core import Codes, Dataset
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.popular import Popular
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.pages.door import FORM, SESSION, local
from toys.pictures import as_file, plain
from toys.serving import fitted, service_of, serving
from toys.worlds import world

READ, ADMIN = "r" * 20, "a" * 20
KEYS = Keys.of({"read": [READ], "admin": [ADMIN]})
PAGES = (
    "/people",
    "/person",
    "/items",
    "/ids",
    "/models",
    "/models/compare",
    "/data",
    "/monitor",
    "/activity",
)


def shop() -> Dataset:
    """Six people of two tastes; even people choose even items. Person u leaves out item u.

    Items have titles (one of them is a script), vectors by taste, and semantic ids.
    """
    events = [
        (f"u{user}", f"i{item}", 100 * place + user)
        for user in range(6)
        for place, item in enumerate(i for i in range(8) if i % 2 == user % 2 and i != user)
    ]
    taste = torch.tensor([[1.0, 0.1 * n] if n % 2 else [-1.0, 0.1 * n] for n in range(8)])
    data = world(events, items=[f"i{n}" for n in range(8)], vectors={"text": taste})
    titles = [f"Mug {n}" if n % 2 else f"Pot {n}" for n in range(8)]
    titles[6] = "<script>alert(6)</script>"
    codes = Codes(torch.tensor([[n % 2, n // 4, n % 4 // 2] for n in range(8)]), (2, 2, 2))
    items = replace(data.catalog.items, features=pl.DataFrame({"title": titles}))
    items = replace(items, codes={"taste": codes})
    return replace(data, catalog=replace(data.catalog, items=items))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fitted(EASE(), shop(), tmp_path_factory.mktemp("ease"))


@pytest.fixture
def client(run: Path) -> Iterator[httpx.Client]:
    with serving(service_of(run)) as one:
        yield one


def section(text: str, name: str) -> str:
    """What a page shows under a heading with this id."""
    start = text.index(f'aria-labelledby="{name}"')
    return text[start : text.index("</section>", start)]


def names(text: str) -> list[str]:
    """The ids of items that a part of a page shows, in order."""
    return re.findall(r'class="name" href="/item\?id=(i\d)"', text)


def action(text: str, label: str) -> str:
    """Where the link with this name leads."""
    found = re.search(rf'href="([^"]*)"[^>]*aria-label="{re.escape(label)}"', text)
    assert found, label
    return unescape(found[1])


def csrf(text: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', text)
    assert found
    return found[1]


def get(client: httpx.Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def test_every_page_is_there_and_may_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    assert client.get("/").headers["location"] == "/people"
    for path in (*PAGES, "/person?user=u2", "/item?id=i3"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r'(?:src|href|action)="(?!/|#)', answer.text), path
        assert "<style" not in answer.text
        assert "style=" not in answer.text
        for asset in re.findall(r'(?:src|href)="(/static/[^"]*)"', answer.text):
            assert client.get(asset).status_code == 200
    assert client.get("/static/../pages.py").status_code == 404
    assert "Zero-Clause BSD" in client.get("/static/htmx-LICENSE.txt").text
    assert "/people" not in client.get("/openapi.json").json()["paths"]


def test_people_are_found_by_their_id_and_by_what_the_server_was_told(client: httpx.Client) -> None:
    assert re.findall(r"<b>(u\d)</b>", get(client, "/people?find=U2")) == ["u2"]
    assert "Nobody’s" not in get(client, "/people")
    assert "Nobody is called like this" in get(client, "/people?find=zz")
    event = {"id": "e1", "user": "new one", "item": "i1"}
    client.post("/v1/events", json={"events": [event]})
    assert "<b>new one</b>" in get(client, "/people?find=new%20one")
    assert names(section(get(client, "/person?user=new+one"), "history-title")) == ["i1"]


def test_who_was_forgotten_is_on_no_page(client: httpx.Client) -> None:
    pages, link = ("/people", "/people?find=u", "/item/people?id=i3"), "/person?user=u3"
    for page in pages:
        assert link in get(client, page)
    assert client.delete("/v1/users/u3").status_code == 200
    for page in pages:
        assert link not in get(client, page)
    get(client, link, status=404)


def test_a_person_has_a_history_and_answers_with_reasons(client: httpx.Client) -> None:
    page = get(client, "/person?user=u2&k=1")
    assert names(section(page, "history-title")) == ["i6", "i4", "i0"]  # the latest first
    assert names(section(page, "answer-title"))[0] == "i2"
    assert "because of" in section(page, "answer-title")
    assert "&lt;script&gt;alert(6)" in page
    assert "<script>alert" not in page


def test_edits_change_the_answer_of_the_page_and_nothing_else(client: httpx.Client) -> None:
    page = get(client, "/person?user=u2")
    more = get(client, action(page, "More like this: Mug 1"))
    assert names(section(more, "history-title"))[0] == "i1"
    assert "i1" not in names(section(more, "answer-title"))
    assert "1 added" in more
    assert "nothing of it is kept" in more
    without = get(client, action(more, "Remove: Pot 4"))
    assert "i4" in names(section(without, "answer-title"))  # it may be recommended again
    assert "1 taken out" in without
    back = get(client, action(without, "Put back: Pot 4"))
    assert names(section(back, "answer-title")) == names(section(more, "answer-title"))
    refused = get(client, action(page, "Not this: Pot 2"))
    answers, _, below = section(refused, "answer-title").partition("Not wanted")
    assert "i2" not in names(answers)
    assert names(below) == ["i2"]
    again = get(client, action(refused, "Allow again: Pot 2"))
    assert names(section(again, "answer-title")) == names(section(page, "answer-title"))
    start = get(client, action(refused, "Start again: without changes"))
    assert names(start) == names(page)
    assert names(get(client, "/person?user=u2")) == names(page)


def test_what_moved_is_told_against_the_same_history_unedited(client: httpx.Client) -> None:
    def asked(**body: object) -> list[str]:
        answer = client.post("/v1/recommend", json={"k": 2, **body}).json()
        return [one["id"] for one in answer["items"]]

    before = asked(history=["i0", "i4", "i6"])
    after = asked(history=["i0", "i4", "i6", "i1", "i3"])
    page = section(get(client, "/person?user=u2&k=2&add=i1&add=i3"), "answer-title")
    assert names(page) == after
    assert before != after
    rows = page.split('<li class="row">')[1:]
    assert ['mark new">' in row for row in rows] == [item not in before for item in after]


def test_somebody_new_begins_with_nothing_and_is_offered_items(client: httpx.Client) -> None:
    page = get(client, "/person?find=mug+3")
    assert "Nothing yet" in page
    added = get(client, action(page, "Add: Mug 3"))
    assert names(section(added, "history-title"))[-1] == "i3"
    assert names(section(added, "answer-title"))[0] in {"i1", "i5", "i7"}
    assert "No item is called" in get(client, "/person?find=zz")


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/person?user=nobody", 404, "Search among people"),
        ("/person?user=u1&add=nothing", 404, "There is no item"),
        ("/person?user=u1&k=0", 422, "greater than or equal to 1"),
        ("/person?user=u1&k=9999", 422, "is more than the 200"),
        ("/person?user=u1&k=many", 422, "valid integer"),
        ("/person?user=a%00b", 422, "control characters"),
        ("/person?user=u1&" + "&".join(f"no=i{n}" for n in range(51)), 422, "Start again"),
        ("/person?user=u1&unknown=1", 200, "u1"),
        ("/item?id=nothing", 404, "Search for it"),
        ("/item", 422, "/id"),
        ("/picture?id=i1", 404, "There is no picture"),
        ("/ids?name=nothing", 404, "There are taste"),
        ("/ids?prefix=9", 404, "No id begins like this"),
        ("/ids?prefix=0.0.0.0", 404, "No id begins like this"),
        ("/ids?prefix=-1", 422, "match"),
        ("/models/version?version=../x", 404, "There is no version"),
        ("/models/compare?user=u1&version=x", 200, "one version alone"),
        ("/static/nothing", 404, "There is no such file"),
    ],
)
def test_trouble_is_a_page_that_says_what_to_do(
    client: httpx.Client, path: str, status: int, told: str
) -> None:
    page = unescape(get(client, path, status))
    assert told in page
    assert "/people" in page


def test_a_part_of_a_page_is_replaced_by_the_whole_trouble(client: httpx.Client) -> None:
    answer = client.get("/person?user=nobody", headers={"HX-Request": "true"})
    assert answer.headers["hx-retarget"] == "#main"
    assert 'id="main"' in answer.text


def test_an_item_has_neighbours_people_who_get_it_and_siblings(client: httpx.Client) -> None:
    page = get(client, "/item?id=i1")
    by_model = page[page.index("Nearest by the model") : page.index("Nearest by text")]
    by_text = page[page.index("Nearest by text") : page.index("Semantic ids")]
    assert set(names(by_model)[:3]) == {"i3", "i5", "i7"}
    assert names(by_text)[:3] == ["i3", "i5", "i7"]  # as their angles are
    ids = page[page.index("Semantic ids") : page.index("Who gets it")]
    assert re.findall(r'class="token"[^>]*>(\d)<', ids) == ["1", "0", "0"]
    assert names(ids) == ["i3"]  # of 1.0.1
    people = get(client, "/item/people?id=i1")
    assert "of 6 people drawn by lot" in people
    assert re.search(r"<b>u1</b><span[^>]*>place 1<", people)


def test_the_tree_of_ids_is_walked_to_an_item(client: httpx.Client) -> None:
    page = get(client, "/ids")
    assert "8 items, 2 of 2 tokens at level 1 of 3" in page
    for prefix, count in (("1", "4 items"), ("1.0", "2 items"), ("1.0.1", "1 item")):
        link = f"/ids?name=taste&amp;prefix={prefix}"
        assert link in page
        page = get(client, unescape(link))
        assert f"<h2>{count}" in page
    assert names(page) == ["i3"]


def test_a_model_without_reasons_neighbours_or_ids_says_so(tmp_path: Path) -> None:
    data = world([(f"u{n}", f"i{n}") for n in range(4)])
    with serving(service_of(fitted(Popular(), data, tmp_path))) as client:
        assert "cannot say what its answers rest on" in get(client, "/person?user=u1")
        assert "Popular does not compare items." in get(client, "/item?id=i1")
        assert "Make some with" in get(client, "/ids")
        assert "holds no data.json" in get(client, "/data")
        assert "There are no curves" in get(client, _version(client))


def _version(client: httpx.Client) -> str:
    name = client.get("/v1/models").json()["active"]
    return f"/models/version?version={name}"


def test_without_data_people_are_told_to_be_brought(run: Path, tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    (run / "model").resolve()
    folder = tmp_path / "alone" / "model"
    folder.symlink_to(run / "model")
    with serving(service_of(tmp_path / "alone")) as client:
        assert "--data DATA" in get(client, "/people")
        assert "--data DATA" in get(client, "/person?user=u1", 422)
        assert "--data DATA" in get(client, "/item?id=i1")
        assert names(section(get(client, "/person?add=i1"), "answer-title"))


def test_pictures_are_those_of_the_data(tmp_path: Path) -> None:
    from PIL import Image

    data = world([(f"u{n}", f"i{m}") for n in range(3) for m in range(n, n + 3)])
    run = fitted(EASE(), data, tmp_path)
    media = tmp_path / "data" / "media" / "image"
    media.mkdir(parents=True)
    (media / "i1.png").write_bytes(as_file(plain("red", 400, 200)))
    (media / "i2.png").write_bytes(b"no picture")
    with serving(service_of(run)) as client:
        assert re.findall(r'/picture\?id=(i\d)"', get(client, "/items")) == ["i2", "i1"]
        answer = client.get("/picture?id=i1")
        assert answer.headers["content-type"] == "image/webp"
        assert "private" in answer.headers["cache-control"]
        (tmp_path / "seen.webp").write_bytes(answer.content)
        seen = np.asarray(Image.open(tmp_path / "seen.webp").convert("RGB"))
        assert seen.shape == (80, 160, 3)
        assert seen[40, 80].argmax() == 0
        assert client.get("/picture?id=i2").status_code == 404
        assert client.get("/picture?id=../i1").status_code == 404


def test_two_versions_are_compared_and_another_one_activated(tmp_path: Path) -> None:
    fitted(EASE(), shop(), tmp_path / "ease")
    fitted(Popular(), shop(), tmp_path / "popular")
    service = service_of(tmp_path)
    with serving(service) as client:
        active = service.models.active.version.name
        other = next(one for one in service.models.versions() if one != active)
        page = get(client, f"/models/compare?user=u2&version={other}&k=3")
        asked = {"user": "u2", "k": 3}
        mine = [one["id"] for one in client.post("/v1/recommend", json=asked).json()["items"]]
        assert names(page)[:3] == mine
        assert service.models.active.version.name == active  # looking changes nothing
        page = get(client, "/models")
        form = {"csrf": csrf(page), "version": other}
        stranger = client.post("/models/activate", data={**form, "csrf": "0" * 64})
        assert stranger.status_code == 403
        assert service.models.active.version.name == active
        assert client.post("/models/activate", data=form).headers["location"] == "/models"
        assert service.models.active.version.name == other
        again = get(client, f"/models/compare?user=u2&version={active}&k=3")
        assert names(again)[3:] == mine
        assert "The model was changed 1 time." in get(client, "/activity")


def test_a_report_is_shown_and_can_do_nothing(run: Path) -> None:
    (run / "report.html").write_text("<style>b{}</style><script>alert(1)</script><b>Report</b>")
    try:
        with serving(service_of(run)) as client:
            path = _version(client).replace("version?", "report?")
            answer = client.get(path)
            assert answer.text.endswith("<b>Report</b>")
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "sandbox" in policy
            assert "script" not in policy
            assert path in unescape(get(client, "/models"))
    finally:
        (run / "report.html").unlink()


def test_activity_tells_requests_and_trouble(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_of(run)
    with serving(service) as client:
        for _ in range(3):
            client.post("/v1/recommend", json={"user": "u1"})
        client.post("/v1/recommend", json={"user": "nobody"})
        page = get(client, "/activity")
        row = re.search(r"<td>/v1/recommend</td><td>4</td><td>1</td><td>0</td>", page)
        assert row, page
        assert "Nothing unforeseen has happened" in page

        def broken(*things: object, **more: object) -> None:
            raise ZeroDivisionError("a secret")

        monkeypatch.setattr("tesserec.serve.pages.people.past_of", broken)
        trouble = get(client, "/person?user=u1", 500)
        assert "secret" not in trouble
        assert "log says why" in unescape(trouble)
        page = get(client, "/activity")
        assert "ZeroDivisionError" in page
        assert "secret" not in page


def test_with_keys_a_page_asks_for_one_once(run: Path) -> None:
    service = service_of(run, keys=KEYS)
    with serving(service) as client:
        for path in (*PAGES, "/picture?id=i1", "/item/people?id=i1"):
            answer = client.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in")
        asked = client.get("/person?user=u2&k=1")
        page = get(client, asked.headers["location"])
        wrong = {"csrf": csrf(page), "key": "x" * 20, "then": "/person?user=u2&k=1"}
        refused = client.post("/sign-in", data=wrong)
        assert refused.status_code == 403
        assert "This key is not known." in refused.text
        assert SESSION not in client.cookies
        forged = client.post("/sign-in", data={**wrong, "key": READ, "csrf": "0" * 64})
        assert forged.status_code == 403
        done = client.post("/sign-in", data={**wrong, "key": READ})
        assert done.headers["location"] == "/person?user=u2&k=1"
        cookie = next(one for one in done.headers.get_list("set-cookie") if SESSION + "=" in one)
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert READ not in cookie
        assert "u2" in get(client, "/person?user=u2&k=1")
        assert client.get("/v1/models").status_code == 401  # the API takes no cookies
        page = get(client, "/models")
        active = service.models.active.version.name
        form = {"csrf": csrf(page), "version": active}
        assert client.post("/models/activate", data=form).status_code == 403  # a read key
        token = client.cookies[SESSION]
        assert client.post("/sign-out", data={"csrf": csrf(page)}).status_code == 303
        client.cookies.set(SESSION, token)
        assert client.get("/people").status_code == 303  # the session has ended, not the cookie
    kept = str(service.keeper._sessions)  # type: ignore[attr-defined]
    assert READ not in kept
    assert token not in kept


def test_a_session_ends_with_its_key_and_with_time(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(run, keys=KEYS)

    def signed_in(client: httpx.Client) -> None:
        form = {"csrf": csrf(get(client, "/sign-in")), "key": ADMIN}
        assert client.post("/sign-in", data=form).status_code == 303
        get(client, "/people")

    with serving(service) as client:
        signed_in(client)
        service.keys = Keys.of({"read": [READ]})
        assert client.get("/people").status_code == 303
        service.keys = KEYS
        get(client, "/people")
        monkeypatch.setattr("tesserec.serve.pages.door.LIFE", -1)
        assert client.get("/people").status_code == 303


def test_pages_are_counted_as_the_keys_requests(run: Path) -> None:
    with serving(service_of(run, keys=KEYS, limits=Limits(rate=0.01))) as client:
        form = {"csrf": csrf(get(client, "/sign-in")), "key": READ}
        assert client.post("/sign-in", data=form).status_code == 303
        get(client, "/people")
        answer = client.get("/people")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 90
        headers = {"Authorization": f"Bearer {READ}"}
        assert client.get("/v1/models", headers=headers).status_code == 429
        headers = {"Authorization": f"Bearer {ADMIN}"}
        assert client.get("/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "address", ["//evil.org", "https://evil.org", "/\\evil.org", "javascript:alert(1)", "", "x"]
)
def test_signing_in_leads_to_no_other_site(address: str) -> None:
    assert local(address) == "/"
    assert local("/person?user=a%20b&k=3") == "/person?user=a%20b&k=3"


def test_without_keys_forms_are_bound_to_a_cookie(client: httpx.Client) -> None:
    get(client, "/models")
    assert FORM in client.cookies
    assert SESSION not in client.cookies


def test_an_item_that_only_another_version_knows_has_a_page_too(tmp_path: Path) -> None:
    for name in "ab":
        events = [(f"u{user}", f"{name}{item}", item) for user in range(3) for item in range(4)]
        fitted(EASE(), world(events), tmp_path / name)
    service = service_of(tmp_path)
    versions = list(service.models.versions())
    active = service.models.active.version.name
    (other,) = (one for one in versions if one != active)
    own, strange = active.split(".")[1][0], other.split(".")[1][0]
    with serving(service) as client:
        get(client, f"/item?id={strange}1", status=404)
        assert f"<b>{strange}1</b>" not in get(client, "/items")
        client.post("/v1/models/split", json={"weights": {active: 1.0, other: 1.0}})
        page = get(client, f"/item?id={strange}1")
        assert f"Known to {other}." in page
        assert f"What {other} answers" in page
        assert f"Known to {active}." in get(client, f"/item?id={own}1")
        page = get(client, "/items")
        assert page.index(f"<b>{own}1</b>") < page.index(f"<b>{strange}1</b>")
        assert re.findall(r"<b>(\w+)</b>", get(client, f"/items?find={strange}2")) == [
            f"{strange}2"
        ]
        get(client, f"/item/people?id={strange}1")
