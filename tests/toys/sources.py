"""One small example of everything a source reads: three people, four items, what they chose.

The events are the same in all of them, so that what is imported can be compared.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from toys.files import written

EVENTS = [
    # user, item, time, part
    (1, 0, 1_400_000_000, "train"),
    (1, 2, 1_400_000_100, "train"),
    (1, 1, 1_400_000_200, "test"),
    (2, 1, 1_400_000_050, "train"),
    (2, 3, 1_400_000_150, "valid"),
    (3, 0, 1_400_000_075, "train"),
]
TITLES = ["apple", "berry", "cherry", "plum"]
VECTORS = np.eye(4, 3, dtype=np.float32) + 1


def events(names: tuple[str, ...] = ("user_id", "item_id", "timestamp", "split")) -> pl.DataFrame:
    """The events as a frame."""
    return pl.DataFrame(EVENTS, schema=list(names), orient="row")


def items(name: str = "item_id") -> pl.DataFrame:
    """The items and their titles."""
    return pl.DataFrame({name: range(4), "title": TITLES})


def csv(folder: Path) -> Path:
    """One file of comma-separated values."""
    return written(folder, "shop.csv", events().write_csv())


def packed(folder: Path) -> Path:
    """The same, packed."""
    return written(folder, "shop.csv.gz", events().write_csv())


def tsv(folder: Path) -> Path:
    """One file of tab-separated values."""
    return written(folder, "shop.tsv", events().write_csv(separator="\t"))


def jsonl(folder: Path) -> Path:
    """One object a line."""
    lines = "\n".join(json.dumps(row) for row in events().to_dicts())
    return written(folder, "shop.jsonl", lines)


def parquet(folder: Path) -> Path:
    """One parquet file."""
    folder.mkdir(parents=True, exist_ok=True)
    events().write_parquet(folder / "shop.parquet")
    return folder / "shop.parquet"


def tables(folder: Path) -> Path:
    """A folder of tables with everything that may lie beside them."""
    place = folder / "shop"
    for below in ("features", "graphs"):
        (place / below).mkdir(parents=True, exist_ok=True)
    events().write_parquet(place / "interactions.parquet")
    items().write_csv(place / "items.csv")
    pl.DataFrame({"user_id": [1, 2, 3], "age": [20, 30, 40]}).write_ndjson(place / "users.jsonl")
    np.save(place / "features" / "image_feat.npy", VECTORS)
    pl.DataFrame({"src": [1, 2], "dst": [2, 9]}).write_parquet(place / "graphs" / "trust.parquet")
    pl.DataFrame({"src": [0], "dst": [1], "weight": [0.5]}).write_csv(
        place / "graphs" / "image_knn10.csv"
    )
    links = {"item_id": [0, 1], "colour_id": [7, 8]}
    pl.DataFrame(links).write_parquet(place / "graphs" / "item_colour.parquet")
    triples = {"head": [0, 1], "relation": ["like", "made_by"], "tail": [3, 100]}
    pl.DataFrame(triples).write_parquet(place / "relations.parquet")
    pictures = {"item_id": [0, 2], "webp": [b"zero", b"two"]}
    pl.DataFrame(pictures).write_parquet(place / "images.parquet")
    written(place, "README.md", "A shop.")
    written(place, "dialogues.jsonl", "{}")
    return place


def recbole(folder: Path) -> Path:
    """Atomic files with types in their headers."""
    place = folder / "shop"
    renamed = events(("user_id:token", "item_id:token", "timestamp:float", "split:token"))
    written(place, "shop.inter", renamed.write_csv(separator="\t"))
    lines = [f"{n}\t{title} pie\t{n}.5 1" for n, title in enumerate(TITLES)]
    header = "item_id:token\ttitle:token_seq\tsize:float_seq"
    written(place, "shop.item", "\n".join([header, *lines, ""]))
    written(place, "shop.user", "user_id:token\tage:float\n1\t20\n2\t30\n3\t40\n")
    written(place, "shop.link", "item_id:token\tentity_id:token\n0\tm.0\n3\tm.3\n")
    triples = "m.0\tlike\tm.3\nm.3\tmade_by\tm.x\n"
    header = "head_id:token\trelation_id:token\ttail_id:token\n"
    written(place, "shop.kg", header + triples)
    written(place, "shop.net", "source_id:token\ttarget_id:token\n1\t2\n")
    return place


def mmrec(folder: Path) -> Path:
    """Numbers for ids, labels for parts, one row of an array per item number."""
    place = folder / "shop"
    labels = {"train": 0, "valid": 1, "test": 2}
    table = events(("userID", "itemID", "timestamp", "x_label")).with_columns(
        pl.col("x_label").replace_strict(labels)
    )
    written(place, "shop.inter", table.write_csv(separator="\t"))
    np.save(place / "image_feat.npy", VECTORS)
    asins = pl.DataFrame({"asin": ["A2", "A0", "A3", "A1"], "itemID": [2, 0, 3, 1]})
    written(place, "i_id_mapping.csv", asins.write_csv(separator="\t"))
    people = pl.DataFrame({"user_id": ["U3", "U1", "U2"], "userID": [3, 1, 2]})
    written(place, "u_id_mapping.csv", people.write_csv(separator="\t"))
    return place


EXAMPLES: dict[str, list[Callable[[Path], Path]]] = {
    "TableFile": [csv, packed, tsv, jsonl, parquet],
    "TableFolder": [tables],
    "RecBole": [recbole],
    "MMRec": [mmrec],
}
