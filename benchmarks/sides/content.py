"""Our side's work with content: texts encoded, vectors compared, vectors learned from."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.sides.wire import Anonymous, timed
from benchmarks.steps import Steps
from tesserec.content import TfidfSVD
from tesserec.core import Run
from tesserec.data import format
from tesserec.data.build import from_tables
from tesserec.data.sample import sample
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.graphs import nearest as nearest_items

held: dict[str, torch.Tensor] = {}


def tfidf(count: int) -> dict[str, Any]:
    """Vectors of made-up titles: four to nine words of the shipped sample's, common ones often."""
    titles = sample().catalog.items.features["title"].drop_nulls().to_list()
    words = np.array(sorted({word for title in titles for word in title.split()}))
    generator = np.random.default_rng(0)
    lengths = generator.integers(4, 10, count)
    drawn = words[(generator.random(lengths.sum()) ** 3 * len(words)).astype(np.int64)]
    parts = np.split(drawn, lengths.cumsum()[:-1])
    items = pl.DataFrame({"id": range(count), "title": [" ".join(part) for part in parts]})
    data = from_tables(pl.DataFrame({"user": range(count), "item": range(count)}), items)
    seconds, _ = timed(lambda: TfidfSVD().encode(data))
    return {"seconds": [seconds]}


def write_vectors(folder: str, items: int, width: int) -> None:
    """Half floats beside the data, drawn block by block."""
    path = Path(folder) / "vectors" / "items.image.npy"
    path.parent.mkdir()
    table = np.lib.format.open_memmap(path, "w+", np.float16, (items, width))
    generator = np.random.default_rng(0)
    for first in range(0, items, 10_000):
        table[first : first + 10_000] = generator.standard_normal((10_000, width), np.float32)
    np.save(path.with_name("items.image.mask.npy"), np.ones(items, np.bool_))
    format.add_vectors(Path(folder), "image")


def learn_from_vectors(folder: str, steps: int) -> dict[str, Any]:
    """Read the folder, take some steps of BM3, and make the tables it answers from."""
    with Anonymous() as held:
        data = format.read(Path(folder))
        learning = Steps(BM3(train_features=False), data, Run(device="cpu"))
        seconds = [learning.step() for _ in range(steps)]
        with torch.inference_mode():
            learning.network.eval().vectors()
    return {"step": float(np.median(seconds)), "anonymous_mb": held.peak_mb}


def vectors(items: int, width: int) -> None:
    """Made-up vectors of unit length, in clusters of some 50."""
    source = torch.Generator().manual_seed(0)
    centres = torch.randn(items // 50, width, generator=source)
    table = torch.randn(items, width, generator=source).mul_(0.7)
    table += centres[torch.randint(len(centres), (items,), generator=source)]
    held["vectors"] = torch.nn.functional.normalize(table, out=table)


def nearest(count: int, items: int) -> dict[str, Any]:
    """The nearest of each of the first items."""
    seconds, _ = timed(lambda: nearest_items(held["vectors"][:items], count))
    return {"seconds": [seconds]}


def products() -> dict[str, Any]:
    """Every item times every item, a block that fits the cache at a time, nothing kept."""
    table = held["vectors"]
    memory = torch.empty(1024 * 1024)

    def multiply() -> None:
        for rows in table.split(1024):
            for columns in table.split(1024):
                size = len(rows), len(columns)
                torch.mm(rows, columns.T, out=memory[: size[0] * size[1]].view(size))

    seconds, _ = timed(multiply)
    return {"seconds": [seconds]}


OPERATIONS = {
    "tfidf": tfidf,
    "write_vectors": write_vectors,
    "learn_from_vectors": learn_from_vectors,
    "vectors": vectors,
    "nearest": nearest,
    "products": products,
}
