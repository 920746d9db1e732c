"""Make examples/clothes, a small shop of real photographs, from `clothing-images-cc0`.

TESSEREC_DATA=... python scripts/make_clothes.py

The photographs are real and CC0. The purchases are made up: everybody likes two kinds of clothes
and now and then buys something else. Ten pieces arrive late and are never bought.
"""

import os
from pathlib import Path

import numpy as np
import polars as pl

FOLDER = Path(__file__).parent.parent / "examples" / "clothes"
EACH = 20  # photographs of each kind
PEOPLE = 120
BOUGHT = 8  # by each
TRUE_TO_TASTE = 0.85
START = 1_700_000_000


def main() -> None:
    """Choose the photographs, and write the folder."""
    source = Path(os.environ["TESSEREC_DATA"]) / "clothing-images-cc0"
    items = pl.read_parquet(source / "items.parquet").sort("item_id")
    chosen = items.group_by("category", maintain_order=True).head(EACH).sort("category", "item_id")
    pictures = dict(
        pl.read_parquet(source / "images.parquet").select("item_id", "webp").iter_rows()
    )
    (FOLDER / "images").mkdir(parents=True, exist_ok=True)
    kinds: dict[str, list[str]] = {}
    rows = []
    for name, kind in chosen.select("item_id", "category").iter_rows():
        item = f"{kind}-{len(kinds.setdefault(kind, [])) + 1:02d}"
        kinds[kind].append(item)
        (FOLDER / "images" / f"{item}.webp").write_bytes(pictures[name])
        rows.append({"id": item, "title": kind, "kind": kind})
    pl.DataFrame(rows).write_csv(FOLDER / "items.csv")
    _purchases(kinds).write_csv(FOLDER / "interactions.csv")


def _purchases(kinds: dict[str, list[str]]) -> pl.DataFrame:
    """customer, item, timestamp; the last piece of each kind is nobody's."""
    draw = np.random.default_rng(0)
    rows = []
    for person in range(PEOPLE):
        tastes = draw.choice(sorted(kinds), 2, replace=False)
        owned: set[str] = set()
        while len(owned) < BOUGHT:
            anything = draw.random() > TRUE_TO_TASTE
            kind = draw.choice(sorted(kinds)) if anything else draw.choice(tastes)
            item = str(draw.choice(kinds[kind][:-1]))
            if item not in owned:
                owned.add(item)
                hour = int(draw.integers(0, 24 * 90))
                rows.append((f"c{person:03d}", item, START + 3600 * hour))
    frame = pl.DataFrame(rows, schema=["customer", "item", "timestamp"], orient="row")
    return frame.sort("timestamp", "customer", "item")


if __name__ == "__main__":
    main()
