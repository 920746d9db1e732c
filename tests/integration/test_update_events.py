"""`tesserec update --events`: a model learns from what came after it was fitted."""

from pathlib import Path

import pytest

FIT = "--split last --quiet --seed 3 --set dim=8 --set batches.size=16 --set schedule.epochs=30"
SET = "--set epochs=40 --set replay=1.0 --set pace=5"


@pytest.fixture
def later(shop: Path) -> Path:
    """Three newcomers who like mugs and hoses, and somebody known who comes back."""
    lines = ["customer_id,product_id,timestamp,rating"]
    for person in range(3):
        for step in range(4):
            product = 2 * step + person % 2
            lines.append(f"n{person},p{product:02d},2024-03-{step + 1:02d},5")
    lines.append("c01,p11,2024-03-09,5")
    path = shop.parent / "later.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_newcomers_get_a_row_and_the_data_stay_as_they_are(
    tesserec, shop: Path, later: Path
) -> None:
    before = (shop / "interactions.csv").read_text()
    assert tesserec(f"fit shop MF --out run {FIT}").code == 0
    said = tesserec(f"update run --events later.csv --json {SET}")
    assert said.code == 0, said.err
    counts = {name: said.json[name] for name in ("users", "items", "events")}
    assert counts == {"users": 3, "items": 0, "events": 13}
    assert said.json["replayed"] > 0
    assert (shop / "interactions.csv").read_text() == before
    found = tesserec("recommend run --user n0 --data later.csv -k 2 --json")
    assert found.code == 0, found.err
    assert {one["id"] for one in found.json["items"]} <= {f"p{n:02d}" for n in range(8, 12)}
    assert tesserec("recommend run --user c05 --json").code == 0
    said = tesserec("evaluate run")
    assert said.code == 1
    assert "updated" in said.err


def test_a_second_update_has_the_events_of_the_first_among_the_old_ones(
    tesserec, shop: Path, later: Path
) -> None:
    assert tesserec(f"fit shop MF --out run {FIT}").code == 0
    first = tesserec(f"update run --events later.csv --json {SET}").json
    more = "customer_id,product_id,timestamp,rating\nlast,p01,2024-04-01,5\nlast,p03,2024-04-02,5\n"
    Path("more.csv").write_text(more)
    second = tesserec("update run --events more.csv --json --set epochs=1")
    assert second.code == 0, second.err
    assert second.json["users"] == 1
    assert second.json["replayed"] == first["replayed"] + first["events"]


def test_events_of_items_that_were_added_are_learned_from(
    tesserec, shop: Path, later: Path
) -> None:
    assert tesserec(f"fit shop BM3 --out run {FIT}").code == 0
    Path("new.csv").write_text("id,title\np90,garden hose number 90\n")
    assert tesserec("update run --items new.csv --quiet").code == 0
    later.write_text(later.read_text() + "n0,p90,2024-03-11,5\n")
    said = tesserec("update run --events later.csv --json --set epochs=2")
    assert said.code == 0, said.err
    assert (said.json["items"], said.json["events"]) == (0, 14)
    assert tesserec("similar run --item p90 --json").code == 0


def test_a_sequential_and_a_generative_model_go_on(tesserec, shop: Path, later: Path) -> None:
    small = "--split last --quiet --set dim=8 --set schedule.epochs=1"
    for method, more in (("SASRec", ""), ("TIGER", "--set ids.kind=RQKMeans --set ids.codes=4")):
        assert tesserec(f"fit shop {method} --out {method} {small} {more}").code == 0
        said = tesserec(f"update {method} --events later.csv --json --set epochs=1")
        assert said.code == 0, said.err
        assert tesserec(f"recommend {method} --history p01,p03 --json").code == 0
    later.write_text(later.read_text() + "n0,p90,2024-03-11,5\n")
    said = tesserec("update TIGER --events later.csv --json --set epochs=1")
    assert said.code == 1
    assert "--items" in said.json["cure"]


def test_data_that_have_changed_and_wrong_fields_are_refused(
    tesserec, shop: Path, later: Path
) -> None:
    assert tesserec(f"fit shop MF --out run {FIT}").code == 0
    before = Path("run/model/manifest.json").read_text()
    assert tesserec("update run --events later.csv --set replays=1").code == 2
    assert tesserec("update run --events later.csv --items later.csv").code == 2
    Path("bare.csv").write_text("customer_id,product_id\nn0,p01\n")
    assert tesserec("update run --events bare.csv").code == 1
    (shop / "interactions.csv").write_text(later.read_text())
    said = tesserec("update run --events later.csv")
    assert said.code == 1
    assert "changed" in said.err
    assert Path("run/model/manifest.json").read_text() == before
    assert not Path("run/updated").exists()
