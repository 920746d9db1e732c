"""`tesserec forget`: data, model, files, and a receipt (promise 19)."""

from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from tesserec.lifecycle.forgetting.verifying import told_apart
from tesserec.recommenders import load

FIT = "--split last --quiet --seed 3 --set dim=8 --set batches.size=16 --set schedule.epochs=3"


@pytest.fixture
def run(tesserec, shop: Path) -> Path:
    """MF on a data folder in which everybody's id can be searched for."""
    path = shop / "interactions.csv"
    path.write_text(path.read_text().replace("c0", "customer-0"))
    assert tesserec("data import shop data").code == 0
    assert tesserec(f"fit data MF --out run {FIT}").code == 0
    return Path("run")


def test_a_forgotten_user_is_in_no_file_and_the_model_is_as_if_they_had_never_been(
    tesserec, run: Path, shop: Path
) -> None:
    assert tesserec("evaluate run --quiet").code == 0
    said = tesserec("forget run --user customer-03 --json")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["removed"] == {"events in the data": 5}
    assert len(said.json["checks"]) == 4
    for folder in (run, Path("data")):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"customer-03" not in path.read_bytes()
    users = pl.read_parquet("data/users.parquet")["id"].to_list()
    assert len(users) == 29
    assert "customer-03" not in users
    # The same study on a shop that never knew them.
    lines = (shop / "interactions.csv").read_text().splitlines(keepends=True)
    (shop / "interactions.csv").write_text("".join(x for x in lines if "customer-03" not in x))
    assert tesserec("data import shop never").code == 0
    assert tesserec(f"fit never MF --out other {FIT}").code == 0
    mine, theirs = (load_file(f"{one}/model/weights.safetensors") for one in ("run", "other"))
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert tesserec("recommend run --user customer-04 --json").code == 0
    assert tesserec("recommend run --user customer-03").code == 1
    assert tesserec("evaluate run --quiet").code == 0


def test_receipts_are_kept_and_a_second_call_says_that_nobody_is_known(tesserec, run: Path) -> None:
    assert tesserec("forget run --user customer-03 --quiet").code == 0
    first = (run / "forgotten" / "1.json").read_text()
    again = tesserec("forget run --user customer-03")
    assert again.code == 1
    assert "knows" in again.err
    said = tesserec("forget run --item p03 --json --quiet")
    assert said.code == 0, said.err
    assert said.json["inference"] is None
    assert (run / "forgotten" / "1.json").read_text() == first
    assert (run / "forgotten" / "2.json").is_file()
    assert "p03" not in pl.read_parquet("data/items.parquet")["id"].to_list()
    assert "p03" not in pl.read_parquet("data/interactions.parquet")["item"].to_list()
    assert tesserec("similar run --item p03").code == 1


def test_a_call_that_was_cut_off_after_the_data_goes_on_with_the_model(tesserec, run: Path) -> None:
    from tesserec.data import format
    from tesserec.data.transforms import without

    format.write(without(format.read(Path("data")), users=["customer-03"])[0], "data")
    said = tesserec("forget run --user customer-03 --json --quiet")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["removed"] == {"events in the data": 0}


def test_data_that_are_not_ours_are_left_as_they_are(tesserec, run: Path, shop: Path) -> None:
    assert tesserec(f"fit shop MF --out raw {FIT}").code == 0
    before = (shop / "interactions.csv").read_text()
    said = tesserec("forget raw --user customer-03")
    assert said.code == 1
    assert "tesserec data import" in said.err
    assert (shop / "interactions.csv").read_text() == before


def test_a_user_or_an_item_is_asked_for(tesserec, run: Path) -> None:
    assert tesserec("forget run").code == 2
    assert tesserec("forget run --user a --also NED").code == 2
    assert tesserec("forget run --user a --item b").code == 1


SRU = (
    "--split last --quiet --seed 3 --set shards=3 --set partition.slack=0 --set method.dim=8 "
    "--set method.batches.size=16 --set method.schedule.epochs=2 --set aggregate.schedule.epochs=2"
)


@pytest.fixture
def sharded(tesserec, run: Path) -> Path:
    assert tesserec(f"fit data SRU --out sru {SRU}").code == 0
    return Path("sru")


def shard_of(user: str, weights: dict[str, torch.Tensor]) -> str:
    known = pl.read_parquet("data/users.parquet")["id"].to_list()
    return str(int(weights["shard"][known.index(user)]))


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "weights.safetensors")


def shards_that_changed(
    before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]
) -> set[str]:
    names = [name for name in before if name.startswith("shards.")]
    return {name.split(".")[1] for name in names if not torch.equal(before[name], after[name])}


def test_of_sru_only_the_own_shard_is_learned_again(tesserec, sharded: Path) -> None:
    before = weights_of(sharded)
    own = shard_of("customer-03", before)
    assert tesserec("evaluate sru --quiet").code == 0
    said = tesserec("forget sru --user customer-03 --json")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert "1 shards that held them" in said.json["checks"][-1]["what"]
    assert "decided by a model that had seen them" in said.json["limits"][0]
    assert set(said.json["guessed"]) == {"before", "after"}
    after = weights_of(sharded)
    assert shards_that_changed(before, after) == {own}
    assert not torch.equal(before["together.out.weight"], after["together.out.weight"])
    for folder in (sharded, Path("data")):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"customer-03" not in path.read_bytes()
    assert tesserec("recommend sru --user customer-04 --json").code == 0
    again = tesserec("forget sru --user customer-09 --json --quiet")
    assert again.code == 0, again.err
    assert len(shards_that_changed(after, weights_of(sharded))) == 1
    assert (sharded / "forgotten" / "2.txt").read_text().count("What may be left:") == 1


def test_sru_is_fitted_again_whole_where_that_is_asked_for(tesserec, sharded: Path) -> None:
    said = tesserec("forget sru --user customer-03 --how exact --json --quiet")
    assert said.code == 0, said.err
    assert said.json["limits"] == []
    assert tesserec(f"fit data SRU --out never {SRU}").code == 0
    mine, theirs = weights_of(sharded), weights_of(Path("never"))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_cut_off_while_it_learns_nothing_is_lost_and_it_goes_on(
    tesserec, sharded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tesserec.methods.sequential.sru import SRU as Method

    before = weights_of(sharded)
    own = shard_of("customer-03", before)
    with monkeypatch.context() as broken:

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        broken.setattr(Method, "learned", stop)
        assert tesserec("forget sru --user customer-03 --quiet").code != 0
    still = weights_of(sharded)
    assert all(torch.equal(before[name], still[name]) for name in before)
    assert tesserec("recommend sru --history p01,p03 --json").code == 0
    assert not [path for path in Path().iterdir() if path.name.endswith(".part")]
    said = tesserec("forget sru --user customer-03 --json --quiet")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["guessed"] is None
    assert shards_that_changed(before, weights_of(sharded)) == {own}


def test_by_gradient_the_receipt_says_that_it_is_approximate(tesserec, run: Path) -> None:
    before = weights_of(run)
    said = tesserec("forget run --user customer-03 --how gradient --json --quiet")
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["how"].startswith("approximately")
    assert "--how exact" in said.json["limits"][0]
    assert set(said.json["valid"]) == set(said.json["inference"]) == {"before", "after"}
    for path in run.rglob("*"):
        assert not path.is_file() or b"customer-03" not in path.read_bytes()
    after = weights_of(run)
    assert {len(one) for one in after.values()} == {len(one) for one in before.values()} - {30} | {
        29
    }
    assert tesserec("recommend run --user customer-04 --json").code == 0
    assert tesserec("recommend run --user customer-03").code == 1


@pytest.mark.parametrize("how", ["gradient", "exact"])
def test_a_model_that_never_saw_them_is_fitted_to_compare_with(
    tesserec, run: Path, how: str
) -> None:
    chosen = session_of("customer-03")
    said = tesserec(f"forget run --user customer-03 --how {how} --compare --json --quiet")
    assert said.code == 0, said.err
    told, text = said.json["inference"], (run / "forgotten" / "1.txt").read_text()
    assert ("a model fitted without them has" in text) == (how == "gradient")
    if how == "exact":  # that is the model
        assert set(told) == {"before", "after"}
        return
    assert set(told) == set(said.json["guessed"]) == {"before", "after", "retrained"}
    assert tesserec(f"fit data MF --out never {FIT}").code == 0
    assert told["retrained"] == told_apart(load("never"), "customer-03", chosen)


def test_a_way_that_does_not_fit_is_refused_before_anything_is_touched(tesserec, run: Path) -> None:
    users = Path("data/users.parquet").read_bytes()
    said = tesserec("forget run --user customer-03 --how shards")
    assert said.code == 1
    assert "MF has no shards" in said.err
    assert Path("data/users.parquet").read_bytes() == users
    assert tesserec("forget run --user customer-03 --how anyhow").code == 2


def test_without_the_events_there_is_no_gradient_to_go_up(tesserec, run: Path) -> None:
    from tesserec.data import format
    from tesserec.data.transforms import without

    format.write(without(format.read(Path("data")), users=["customer-03"])[0], "data")
    said = tesserec("forget run --user customer-03 --how gradient")
    assert said.code == 1
    assert "--how exact" in said.err


def session_of(user: str) -> list[str]:
    users, items = (pl.read_parquet(f"data/{one}.parquet")["id"] for one in ("users", "items"))
    events = pl.read_parquet("data/interactions.parquet").sort("time")
    if events.schema["user"] != pl.String:
        events = events.with_columns(users.gather(events["user"]), items.gather(events["item"]))
    return events.filter(pl.col("user") == user)["item"].to_list()


@pytest.mark.parametrize(("also", "gone"), [("", 1), ("--also NED --count 2", 3)])
def test_one_event_is_forgotten_by_its_shard_and_what_goes_with_it(
    tesserec, sharded: Path, also: str, gone: int
) -> None:
    before, session = weights_of(sharded), session_of("customer-03")
    own = shard_of("customer-03", before)
    line = f"forget sru --user customer-03 --item {session[2]} {also} --json --quiet"
    said = tesserec(line)
    assert said.code == 0, said.err
    assert said.json["holds"]
    assert said.json["what"] == "event"
    assert said.json["removed"] == {"events in the data": gone}
    assert set(said.json["guessed"]["after"]) == {"hit@1", "hit@5", "hit@10", "hit@20"}
    left = session[:2] + session[3:] if gone == 1 else session[3:]
    assert session_of("customer-03") == left
    assert shards_that_changed(before, weights_of(sharded)) == {own}
    assert tesserec("recommend sru --user customer-03 --json").code == 0
    assert tesserec(line).code == 1


def test_what_is_alike_goes_by_the_vectors_of_the_model(tesserec, run: Path) -> None:
    session = session_of("customer-03")
    line = f"forget run --user customer-03 --item {session[2]} --also CED --quiet --json"
    said = tesserec(line)
    assert said.code == 0, said.err
    assert said.json["removed"] == {"events in the data": 2}
    left = session_of("customer-03")
    assert len(left) == 3
    assert session[2] not in left
