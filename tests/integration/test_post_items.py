"""`POST /v1/items`: new items are recommended at once, and kept for good (promises 18 and 19)."""

import shutil
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from tesserec.cli.app import run as command
from tesserec.experiment.study import Study
from tesserec.methods.multimodal.contentknn import ContentKNN
from tesserec.serve import growing
from tesserec.serve.keys import Keys
from tesserec.serve.limits import Limits
from tesserec.serve.models import Models
from tesserec.serve.service import Service
from toys.serving import service_of, serving, until

WORDS = ["garden", "hose", "tea", "mug", "lamp", "chair", "river", "stone"]
COUNT = 2_000
TEN = [{"id": f"n{n}", "features": {"title": "tea mug 26", "price": 4 + n}} for n in range(10)]
READ, WRITE = "r" * 20, "w" * 20


def fit(data: Path, method: str, out: Path, *more: str) -> Path:
    words = ["fit", str(data), method, "--out", str(out), "--split", "last", "--quiet"]
    assert command([*words, *(more or ("--seed", "3"))]) == 0
    return out


@dataclass(frozen=True)
class Shop:
    """Data, and models fitted on them: by content twice, and by events alone."""

    data: Path
    content: Path
    other: Path
    events: Path


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    titles = [f"{WORDS[n % 8]} {WORDS[n // 8 % 8]} {n}" for n in range(COUNT)]
    pairs = {"user": [f"u{n % 200}" for n in range(COUNT)], "item": [f"i{n}" for n in range(COUNT)]}
    (folder / "data").mkdir()
    events = pl.DataFrame({**pairs, "time": range(COUNT)})
    events.write_csv(folder / "data" / "interactions.csv")
    items = pl.DataFrame({"id": pairs["item"], "title": titles, "price": [0.5] * COUNT})
    items.write_csv(folder / "data" / "items.csv")
    methods = ("ContentKNN", "ContentKNN", "Popular")
    runs = [fit(folder / "data", one, folder / f"run{n}") for n, one in enumerate(methods)]
    return Shop(folder / "data", *runs)


@pytest.fixture
def run(fitted: Shop, tmp_path: Path) -> Path:
    return shutil.copytree(fitted.content, tmp_path / "shop")


@pytest.fixture
def runs(fitted: Shop, tmp_path: Path) -> Path:
    """Versions `a` and `b` read content, and `c` does not."""
    for name, one in zip("abc", (fitted.content, fitted.other, fitted.events), strict=True):
        shutil.copytree(one, tmp_path / "runs" / name)
    return tmp_path / "runs"


def versions(service: Service) -> dict[str, str]:
    return {name.split(".")[1][0]: name for name in service.models.versions()}


def post(client: httpx.Client, items: Any, status: int = 200) -> dict[str, Any]:
    answer = client.post("/v1/items", json={"items": items})
    assert answer.status_code == status, answer.text
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
    return dict(answer.json())


def ask(client: httpx.Client, **body: Any) -> list[str]:
    answer = client.post("/v1/recommend", json={"k": 12, **body})
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["items"]]


def new_of(found: list[str]) -> set[str]:
    return {one for one in found if one.startswith("n")}


def test_ten_items_among_thousands_are_recommended_at_once_and_nothing_is_trained(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(run)
    before = service.models.active

    def trained(*given: object) -> None:
        raise AssertionError("it was trained")

    monkeypatch.setattr(ContentKNN, "fit", trained)
    monkeypatch.setattr(ContentKNN, "solve", trained, raising=False)
    with serving(service) as client:
        told = post(client, TEN)
        assert told["added"] == [one["id"] for one in TEN]
        assert told["known"] == told["left"] == []
        assert told["versions"] == [told["model"]] == [f"{before.version.name}+1"]
        answer = client.post("/v1/recommend", json={"history": ["i26"], "k": 10}).json()
        assert answer["model"] == told["model"]
        assert {one["id"] for one in answer["items"]} == {one["id"] for one in TEN}
        assert answer["items"][0]["title"] == "tea mug 26"
        assert ask(client, history=["n1"], where="price > 11")[0] in ("n8", "n9")
        near = client.post("/v1/similar", json={"item": "n1", "k": 10}).json()["items"]
        assert {one["id"] for one in near} == {"i26", *told["added"]} - {"n1"}
        assert "tesserec_items_total 10.0" in client.get("/metrics").text
    assert '"event": "items"' in service.log.stream.getvalue()  # type: ignore[attr-defined]


def test_an_event_with_a_new_item_is_history_from_then_on(run: Path) -> None:
    with serving(service_of(run)) as client:
        post(client, TEN[:2])
        event = {"id": "e1", "user": "u3", "item": "n0"}
        client.post("/v1/events", json={"events": [event]})
        assert "n0" not in ask(client, user="u3", k=200)
        why = client.post("/v1/explain", json={"user": "u3", "item": "n1"}).json()
        assert why["reasons"][0]["id"] == "n0"


def test_items_outlive_the_server_and_are_those_of_tesserec_update(
    run: Path, fitted: Shop, tmp_path: Path
) -> None:
    with serving(service_of(run)) as client:
        told = post(client, TEN)
        found = ask(client, history=["i26", "i30"], k=30)
    with serving(service_of(run)) as client:
        assert client.get("/v1/models").json()["active"] == told["model"]
        assert ask(client, history=["i26", "i30"], k=30) == found
    other = shutil.copytree(fitted.content, tmp_path / "other" / "shop")
    rows = [{"id": one["id"], **one["features"]} for one in TEN]
    pl.DataFrame(rows).write_csv(tmp_path / "new.csv")
    words = ["update", str(other), "--items", str(tmp_path / "new.csv"), "--quiet"]
    assert command(words) == 0
    with serving(service_of(other)) as client:
        assert client.get("/v1/models").json()["active"] == told["model"]
        assert ask(client, history=["i26", "i30"], k=30) == found
    assert (run / "updated" / "1.items.parquet").is_file()


def test_what_tesserec_update_adds_is_followed_by_a_server_that_runs(
    run: Path, tmp_path: Path
) -> None:
    pl.DataFrame([{"id": "n1", "title": "tea mug 26"}]).write_csv(tmp_path / "new.csv")
    with serving(service_of(run)) as client:
        words = ["update", str(run), "--items", str(tmp_path / "new.csv"), "--quiet"]
        assert command(words) == 0
        until(lambda: "n1" in ask(client, history=["i26"]))
        told = post(client, TEN[:2])  # on top of what came by the other way
        assert (told["added"], told["known"]) == (["n0"], ["n1"])
        assert told["model"].endswith("+2")


def test_the_same_items_again_change_nothing(run: Path) -> None:
    with serving(service_of(run)) as client:
        first = post(client, TEN)
        manifest = (run / "model" / "manifest.json").read_bytes()
        again = post(client, [*TEN[:3], {"id": "i26", "features": {"title": "another"}}])
        assert again["added"] == []
        assert again["known"] == ["n0", "n1", "n2", "i26"]
        assert again["model"] == first["model"]
        assert (run / "model" / "manifest.json").read_bytes() == manifest
        shown = client.post("/v1/similar", json={"item": "n1", "k": 50}).json()["items"]
        assert "another" not in {one["title"] for one in shown}


def test_every_version_that_answers_gets_them_and_users_stay_with_theirs(runs: Path) -> None:
    service = service_of(runs)
    names = versions(service)
    with serving(service) as client:
        for name in "ab":
            client.post("/v1/models/activate", json={"version": names[name]})
        weights = {names["a"]: 1.0, names["b"]: 1.0}
        client.post("/v1/models/split", json={"weights": weights})
        users = [f"u{n}" for n in range(30)]
        before = [client.post("/v1/recommend", json={"user": u}).json()["model"] for u in users]
        told = post(client, TEN)
        assert set(told["versions"]) == {f"{names['a']}+1", f"{names['b']}+1"}
        after = [client.post("/v1/recommend", json={"user": u}).json()["model"] for u in users]
        assert after == [f"{one}+1" for one in before]
        assert len(set(after)) == 2
        assert all(ask(client, user=user, where="price > 1")[0] in told["added"] for user in users)
        assert client.get("/v1/models").json()["split"] == weights
        until(lambda: len(service.keeper.tallies(0, 60)) == 2)  # not told apart by additions
        back = client.post("/v1/models/activate", json={"version": names["a"]})
        assert back.json()["active"] == f"{names['a']}+1"
        assert new_of(ask(client, history=["i26"]))


def test_one_that_answers_and_cannot_keeps_all_as_they_are(runs: Path) -> None:
    service = service_of(runs)
    names = versions(service)
    with serving(service) as client:
        client.post("/v1/models/activate", json={"version": names["c"]})
        told = post(client, TEN, 422)
        assert "Popular knows items by events alone" in told["detail"]
        assert names["c"] in told["detail"]
        assert "reads content" in told["cure"]
        client.post("/v1/models/split", json={"weights": {names["a"]: 1.0}})
        post(client, TEN, 422)
        assert set(versions(service).values()) == set(names.values())
        client.post("/v1/models/activate", json={"version": names["a"]})
        client.post("/v1/models/shadow", json={"version": names["c"]})
        told = post(client, TEN)
        assert [one["version"] for one in told["left"]] == [names["c"]]
        assert "Popular" in told["left"][0]["why"]


def test_a_kill_before_the_swap_loses_nothing_and_the_request_sent_again_does_the_rest(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_of(runs)
    names = versions(service)
    service.models.activate(names["a"])
    service.models.split({names["a"]: 1.0, names["b"]: 1.0})
    items = growing_items(TEN)
    write, written = growing.Addition.write, []

    def once(self: Any, *given: Any) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(self.place)
        return write(self, *given)

    monkeypatch.setattr(growing.Addition, "write", once)
    with pytest.raises(KeyboardInterrupt):
        growing.take_in(service.models, items)
    monkeypatch.undo()
    again = Service(Models(runs, None, service.keeper), service.keeper)
    assert again.models.active.version.stem == names["a"]
    taken = growing.take_in(again.models, items)
    assert {one[-2:] for one in taken.versions} == {"+1"}
    for served in again.models.answering:
        assert {one["id"] for one in TEN} <= set(served.items)
    again.close()


def growing_items(items: list[dict[str, Any]]) -> list[Any]:
    from tesserec.serve.asked import Items

    return Items.model_validate({"items": items}).items


def test_a_note_that_a_kill_kept_from_being_written_is_written_with_the_next_items(
    run: Path,
) -> None:
    service = service_of(run)
    growing.take_in(service.models, growing_items(TEN[:2]))
    (run / "updated" / "1.json").unlink()
    growing.take_in(service.models, growing_items(TEN[2:3]))
    kept = [pl.read_parquet(run / "updated" / f"{n}.items.parquet") for n in (1, 2)]
    assert [len(one) for one in kept] == [2, 1]
    assert len(list((run / "updated").glob("*.json"))) == 2


def test_two_servers_of_one_folder_add_and_lose_nothing(run: Path) -> None:
    services = [service_of(run, limits=Limits(seconds=60)) for _ in range(2)]
    with serving(services[0]) as one, serving(services[1]) as other:
        pairs = [(client, n) for n in range(3) for client in (one, other)]
        with ThreadPoolExecutor(4) as pool:
            jobs = [pool.submit(post, c, [item(c is one, n)]) for c, n in pairs]
            names = {job.result()["model"] for job in jobs}
        assert len(names) == len(pairs)  # each addition is a version of its own
        sent = {item(c is one, n)["id"] for c, n in pairs}
        for client in (one, other):
            until(lambda c=client: new_of(ask(c, history=["i26"], k=20)) >= sent)  # type: ignore[misc]


def item(first: bool, n: int) -> dict[str, Any]:
    return {"id": f"n{n}{'one' if first else 'other'}", "features": {"title": "tea mug 26"}}


def test_no_request_fails_and_no_answer_mixes_versions_while_items_come(run: Path) -> None:
    service = service_of(run)
    stop = []

    def load(client: httpx.Client) -> list[tuple[int, str, set[str]]]:
        seen = []
        while not stop:
            answer = client.post("/v1/recommend", json={"history": ["i26"], "k": 12})
            told = answer.json()
            items = {one["id"] for one in told.get("items", ())}
            seen.append((answer.status_code, told.get("model", ""), items))
        return seen

    with serving(service) as client, ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load, client) for _ in range(3)]
        for one in TEN[:4]:
            post(client, [one])
        stop.append(True)
        seen = [one for load_ in loads for one in load_.result()]
    assert {status for status, _, _ in seen} == {200}
    for _, model, items in seen:
        count = int(model.partition("+")[2] or 0)
        assert new_of(list(items)) == {f"n{n}" for n in range(count)}


@pytest.mark.parametrize(
    ("item", "pointer", "words"),
    [
        ({"id": "n1"}, "/items/0", "nothing that vectors text"),
        ({"id": "n1", "features": {"title": ""}}, "/items/0", "nothing that vectors text"),
        ({"id": "n1", "features": {"titel": "tea"}}, "/items/0/features/titel", "title"),
        (
            {"id": "n1", "features": {"title": "t", "price": "x"}},
            "/items/0/features/price",
            "price",
        ),
        ({"id": "n1", "features": {"title": ["t"]}}, "/items/0/features/title", "title"),
        ({"id": "n1", "vectors": {"text": [1.0]}}, "/items/0/vectors/text", "itself"),
        ({"id": "n1", "vectors": {"image": [1.0]}}, "/items/0/vectors/image", "text"),
        ({"id": "n1", "features": {"title": "t"}, "file": "/etc/passwd"}, "/items/0/file", "file"),
        ({"id": "n1", "features": {"title": {"a": 1}}}, "/items/0/features/title", ""),
        ({"id": "", "features": {}}, "/items/0/id", "empty"),
    ],
)
def test_what_cannot_be_taken_in_is_pointed_at(
    small: httpx.Client, item: dict[str, Any], pointer: str, words: str
) -> None:
    told = post(small, [item], 422)
    assert any(one["pointer"].startswith(pointer) for one in told["errors"]), told
    assert words in told["detail"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Neighbours by pictures, half of which are red and half blue."""
    from toys.pictures import as_file, plain

    raw, data, ids = tmp_path / "raw", tmp_path / "data", [f"i{n}" for n in range(12)]
    raw.mkdir()
    events = {"user": [f"u{n % 5}" for n in range(40)], "item": [ids[n % 12] for n in range(40)]}
    pl.DataFrame({**events, "time": range(40)}).write_csv(raw / "interactions.csv")
    pl.DataFrame({"id": ids, "price": range(12)}).write_csv(raw / "items.csv")
    (tmp_path / "study.toml").write_text(
        f'data = "{data}"\nbaselines = false\ncontent = [{{ kind = "ImageStatistics", dim = 4 }}]\n'
        '[method]\nkind = "ContentKNN"\n[split]\nkind = "LeaveLast"\n'
    )
    assert command(["data", "import", str(raw), str(data), "--quiet"]) == 0
    (data / "media" / "image").mkdir(parents=True)
    for n, one in enumerate(ids):
        colour = (200 + n, 20, 20) if n % 2 else (20, 20, 200 + n)
        (data / "media" / "image" / f"{one}.png").write_bytes(as_file(plain(colour)))
    words = ["run", str(tmp_path / "study.toml"), "--out", str(tmp_path / "shop"), "--quiet"]
    assert command(words) == 0
    return tmp_path / "shop"


RED, BLUE = (205, 20, 20), (20, 20, 205)


def picture(colour: tuple[int, int, int]) -> str:
    from toys.pictures import as_file, plain

    return b64encode(as_file(plain(colour))).decode()


def test_pictures_are_posted_and_read_by_the_encoder_of_the_run(pictures: Path) -> None:
    items = [
        {"id": "nred", "media": {"image": picture(RED)}},
        {"id": "nblue", "media": {"image": picture(BLUE)}},
    ]
    with serving(service_of(pictures)) as client:
        assert post(client, items)["added"] == ["nred", "nblue"]
        for new, old in (("nred", 1), ("nblue", 0)):
            near = client.post("/v1/similar", json={"item": new, "k": 6}).json()["items"]
            assert {one["id"] for one in near} == {f"i{n}" for n in range(old, 12, 2)}
        assert "nred" in ask(client, history=["i1"])


@pytest.mark.parametrize(
    ("media", "pointer", "words"),
    [
        ({"image": b64encode(b"no picture").decode()}, "/items/1/media/image", "decoded"),
        ({"image": "?"}, "/items/1/media/image", ""),
        ({"audio": b64encode(b"x").decode()}, "/items/1/media/audio", "read image"),
        ({"text": b64encode(b"x").decode()}, "/items/1/media/text", ""),
        ({}, "/items/1", "nothing that vectors image"),
    ],
)
def test_media_that_cannot_be_read_are_pointed_at(
    pictures: Path, media: dict[str, str], pointer: str, words: str
) -> None:
    good = {"id": "n0", "media": {"image": picture(BLUE)}}
    with serving(service_of(pictures)) as client:
        told = post(client, [good, {"id": "n1", "media": media}], 422)
        assert any(one["pointer"].startswith(pointer) for one in told["errors"]), told
        assert words in told["detail"]
        assert not new_of(ask(client, history=["i0"]))


def test_a_model_whose_vectors_came_with_its_data_asks_for_vectors(run: Path) -> None:
    Study.read(run / "study.toml").changed({"content": ()}).write(run / "study.toml")
    with serving(service_of(run)) as client:
        told = post(client, [{"id": "n1", "features": {"title": "tea"}}], 422)
    assert "came with its data" in told["cure"]
    assert "features" not in told["cure"]


def test_lists_that_cannot_be_taken_in(small: httpx.Client) -> None:
    good = {"id": "n1", "features": {"title": "tea"}}
    assert "same id" in post(small, [good, good], 422)["detail"]
    post(small, [], 422)
    post(small, "items", 422)
    told = post(small, [{**good, "id": f"n{n}"} for n in range(1001)], 422)
    assert "1000" in told["detail"]
    assert ask(small, history=["i26"])
    assert not new_of(ask(small, history=["i26"]))


@pytest.fixture(scope="module")
def small(fitted: Shop, tmp_path_factory: pytest.TempPathFactory) -> Any:
    copy = shutil.copytree(fitted.content, tmp_path_factory.mktemp("small") / "shop")
    with serving(service_of(copy)) as client:
        yield client


def test_it_takes_a_key_that_may_write(run: Path) -> None:
    keys = Keys.of({"read": [READ], "write": [WRITE]})
    with serving(service_of(run, keys=keys)) as client:
        post(client, TEN, 401)
        client.headers["Authorization"] = f"Bearer {READ}"
        post(client, TEN, 403)
        client.headers["Authorization"] = f"Bearer {WRITE}"
        assert post(client, TEN[:1])["added"] == [TEN[0]["id"]]  # nothing came of those before


def test_a_folder_that_holds_another_model_by_now_is_not_written_over(
    run: Path, fitted: Shop
) -> None:
    service = service_of(run)
    with serving(service) as client:
        shutil.rmtree(run / "model")
        shutil.copytree(fitted.events / "model", run / "model")
        told = post(client, TEN, 409)
        assert service.models.active.version.name in told["detail"]
        assert not (run / "model" / "lineage.json").exists()


def test_of_several_seeds_the_best_gets_them_and_its_copy_that_answers_for_all(
    fitted: Shop, tmp_path: Path
) -> None:
    short = ("--set", "dim=4", "--set", "schedule.epochs=1", "--seeds", "2")
    run = fit(fitted.data, "BM3", tmp_path / "shop", *short)
    service = service_of(run)
    with serving(service) as client:
        told = post(client, TEN)
        assert told["model"] == f"{service.models.active.version.stem}+1"
        manifest = Path(service.models.active.version.folder) / "model" / "manifest.json"
        assert (run / "model" / "manifest.json").read_bytes() == manifest.read_bytes()
        assert sum(name.endswith("+1") for name in service.models.versions()) == 2
        (copy,) = (name for name in service.models.versions() if name.startswith("shop-"))
        client.post("/v1/models/activate", json={"version": copy})
        assert new_of(ask(client, history=["i26"], where="price > 1")) == {*told["added"]}
        assert post(client, TEN)["added"] == []
        more = post(client, [{"id": "n10", "features": {"title": "tea mug 26"}}])
        assert more["model"] == f"{copy.partition('+')[0]}+2"
