"""Every folder below TESSEREC_DATA imports, with the figures of its README, or says why not."""

import os
import re
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.content import TfidfSVD, text_columns
from tesserec.content.audio import AudioStatistics
from tesserec.content.folder import encode_folder
from tesserec.content.image import ImageStatistics
from tesserec.core import Dataset
from tesserec.core.errors import BadData
from tesserec.data import format
from tesserec.data.describe import describe
from tesserec.data.importing import ImportReport, import_data

ROOT = os.environ.get("TESSEREC_DATA")
FOLDERS = sorted(one for one in Path(ROOT).iterdir() if one.is_dir()) if ROOT else []
WITH_EVENTS = [one for one in FOLDERS if (one / "interactions.parquet").is_file()]
REFUSED = {
    "open-bandit-small": "item is there twice",  # two campaigns number their items alike
    "redial-valid-kg": "no column that looks like the item",
}

EVENTS = (
    *("interactions", "ratings", "plays rows", "reviews"),
    *("clicks", "user-place pairs", "user-item"),
)
"""What the READMEs call events, the surest first."""
OTHERWISE = {"youshu-crosscbr": "its README counts users with bundles, too"}

pytestmark = pytest.mark.skipif(not FOLDERS, reason="TESSEREC_DATA names no folder of data sets")


def named(folder: Path) -> str:
    return folder.name


def stated(folder: Path, *words: str) -> int | None:
    """The number behind the first of these words in the statistics of a README."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    statistics = text.split("## Statistics")[1].split("\n## ")[0] if "## Statistics" in text else ""
    for word in words:
        found = re.search(rf"(?<!with )(?<![\w-]){word}:? ([\d,]*\d)(?![\d.]* %)", statistics)
        if found:
            return int(found[1].replace(",", ""))
    return None


def check_statistics(folder: Path, data: Dataset) -> int:
    """Compare with the README; how many figures were compared."""
    found = {
        "events": (len(data.interactions), stated(folder, *EVENTS)),
        "users": (int(data.active.sum()), stated(folder, "users", "sessions")),
        "items": (int((data.popularity > 0).sum()), stated(folder, "items with interactions")),
    }
    for part in ("train", "valid", "test"):
        if re.search(rf"split: .*{part} [\d,]+", (folder / "README.md").read_text("utf-8")):
            frame = data.interactions.frame
            found[part] = (frame.filter(pl.col("split") == part).height, stated(folder, part))
    compared = {name: pair for name, pair in found.items() if pair[1] is not None}
    assert {name: held for name, (held, _) in compared.items()} == {
        name: said for name, (_, said) in compared.items()
    }
    return len(compared)


@pytest.mark.parametrize("folder", WITH_EVENTS, ids=named)
def test_a_folder_with_interactions_imports_whole(folder: Path, tmp_path: Path):
    report = import_data(folder, tmp_path / "out")
    raw = pl.scan_parquet(folder / "interactions.parquet")
    assert report.events == raw.select(pl.len()).collect().item()
    assert not report.problems
    data = format.read(tmp_path / "out")
    assert data.fingerprint == report.fingerprint
    assert data.interactions.frame["time"].null_count() == 0 if report.clock != "none" else True
    check_beside(folder, report, data)
    if folder.name not in OTHERWISE:
        check_statistics(folder, data)
    assert describe(data, now=2_000_000_000).events == report.events


def check_beside(folder: Path, report: ImportReport, data: Dataset) -> None:
    """Nothing that lies beside the events is lost."""
    items = (
        pl.read_parquet(folder / "items.parquet") if (folder / "items.parquet").is_file() else None
    )
    if items is not None:
        known = set(data.catalog.items.ids.to_list())
        assert set(items["item_id"].to_list()) <= known
        assert set(items.columns) - {"item_id"} == set(data.catalog.items.features.columns)
    assert len(report.vectors) == len(list(folder.glob("features/*.npy")))
    graphs = {path.stem for path in folder.glob("graphs/*.parquet")}
    assert graphs <= set(report.relations)
    for name in graphs:
        rows = pl.read_parquet(folder / "graphs" / f"{name}.parquet")
        lists = [column for column, dtype in rows.schema.items() if isinstance(dtype, pl.List)]
        assert report.relations[name] == (rows.explode(lists) if lists else rows).height
    if (folder / "relations.parquet").is_file():
        triples = pl.read_parquet(folder / "relations.parquet").height
        told = sum(n for name, n in report.relations.items() if name.startswith("knowledge_"))
        assert told == triples
    media = {"images": "image", "audio": "audio"}
    there = {kind for stem, kind in media.items() if (folder / f"{stem}.parquet").is_file()}
    assert set(report.media) == there


@pytest.mark.parametrize("folder", [one for one in FOLDERS if one not in WITH_EVENTS], ids=named)
def test_a_folder_without_interactions_imports_its_items_or_says_why_not(
    folder: Path, tmp_path: Path
):
    items = folder / "items.parquet"
    if not items.is_file() or folder.name in REFUSED:
        with pytest.raises(BadData, match=REFUSED.get(folder.name, "neither interactions nor")):
            import_data(folder, tmp_path / "out")
        return
    report = import_data(folder, tmp_path / "out")
    assert report.items == pl.read_parquet(items).height
    assert (report.users, report.events) == (0, 0)
    assert format.read(tmp_path / "out").fingerprint == report.fingerprint


def test_most_readmes_state_figures_that_are_compared():
    compared = [stated(folder, *EVENTS) is not None for folder in WITH_EVENTS]
    assert sum(compared) >= 0.9 * len(WITH_EVENTS)


def test_vectors_lie_beside_their_items():
    """Items that are bought together are alike: far more than random pairs are."""
    folder = Path(ROOT or "") / "amazon-baby-mmrec"
    if not folder.is_dir():
        pytest.skip("needs amazon-baby-mmrec")
    data = tr.read(folder)
    table = data.catalog.items.vectors["text_knn_spectral128"]
    users, items = data.positives.pairs()
    together = (users[1:] == users[:-1]).nonzero()[:, 0]
    alike = (table[items[together]] * table[items[together + 1]]).sum(1).mean()
    strange = (table[items[together]] * table[items[together + 1].flip(0)]).sum(1).mean()
    assert alike > 2 * strange


def titled(folder: Path) -> bool:
    """Whether the items have a column of text that is taken where nobody names one."""
    items = folder / "items.parquet"
    if not items.is_file() or folder.name in REFUSED:
        return False
    return bool(text_columns(pl.read_parquet(items, n_rows=1)))


WITH_MEDIA = [
    f for f in FOLDERS if (f / "images.parquet").is_file() or (f / "audio.parquet").is_file()
]


@pytest.mark.parametrize("folder", [one for one in FOLDERS if titled(one)], ids=named)
def test_texts_of_a_real_set_are_encoded(folder: Path, tmp_path: Path):
    import_data(folder, tmp_path / "data")
    done = encode_folder(tmp_path / "data", TfidfSVD())
    items = format.read(tmp_path / "data").catalog.items
    told = items.features[text_columns(items.features)[0]].fill_null("").str.strip_chars() != ""
    assert items.present("text").tolist() == told.to_list()
    assert done.facts["present"] == told.sum() > 0.5 * len(items)
    lengths = items.vectors["text"].norm(dim=1)
    is_unit = (lengths - 1).abs() < 1e-4
    assert (is_unit | (lengths == 0)).all()  # zero: nothing that training items have
    assert is_unit[items.present("text")].float().mean() > 0.9


@pytest.mark.parametrize("folder", WITH_MEDIA, ids=named)
def test_pictures_and_sounds_of_a_real_set_are_encoded(folder: Path, tmp_path: Path):
    import_data(folder, tmp_path / "data")
    encoder = ImageStatistics() if (folder / "images.parquet").is_file() else AudioStatistics()
    done = encode_folder(tmp_path / "data", encoder)
    assert done.facts["failed"] == {}
    assert done.facts["present"] == done.facts["items"]
    table = format.read(tmp_path / "data").catalog.items.vectors[encoder.modality]
    torch.testing.assert_close(table.norm(dim=1), torch.ones(len(table)))
