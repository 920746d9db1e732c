from pathlib import Path

import tesserec as tr
from tesserec.data.sample import SAMPLE


def test_the_sample_holds_what_its_attribution_says():
    data = tr.sample()
    assert (len(data.catalog.users), len(data.catalog.items)) == (4334, 3852)
    assert len(data.interactions) == 396_337
    assert data.interactions.clock == "seconds"
    text = (SAMPLE / "ATTRIBUTION.md").read_text()
    for said in ("4,334 customers", "3,852 items", "396,337 purchases", "CC BY 4.0", "C5BW33"):
        assert said in text


def test_the_sample_is_split_by_time():
    frame = tr.sample().interactions.frame
    last = {part: rows["time"].max() for (part,), rows in frame.group_by("split")}
    first = {part: rows["time"].min() for (part,), rows in frame.group_by("split")}
    assert last["train"] <= first["valid"] <= last["valid"] <= first["test"]
    assert type(tr.Published(seen="allow").split(tr.sample())) is tr.Split


def test_the_sample_has_titles_prices_countries_and_quantities():
    data = tr.sample()
    assert data.catalog.items.features.columns == ["title", "price"]
    assert data.catalog.items.features["title"].null_count() == 0
    assert data.catalog.users.features.columns == ["country"]
    assert {"quantity", "price"} <= set(data.interactions.frame.columns)


def test_the_sample_is_small_and_whole():
    assert sum(one.stat().st_size for one in SAMPLE.iterdir() if one.is_file()) < 6_000_000
    assert tr.sample().fingerprint in (SAMPLE / "dataset.json").read_text()


def test_the_sample_is_part_of_the_package():
    assert Path(tr.__file__).parent in SAMPLE.parents
