"""Data for benchmarks: a published split, and the same pairs handed over to peers."""

from pathlib import Path

import numpy as np
import polars as pl
import torch

from tesserec.core import Dataset, Split
from tesserec.data import reading
from tesserec.data.build import from_tables
from tesserec.data.splits import Published

SEQUENCES = "ml-1m-gsasrec-nearly"  # 6,040 people, 3,416 items, 987,531 events to learn from


def read(folder: Path, vectors: bool = False) -> Dataset:
    """A data folder with raw ids; `vectors` reads its feature files, too."""
    frame = pl.read_parquet(folder / "interactions.parquet")
    frame = frame.rename({"user_id": "user", "item_id": "item"})
    if not vectors:
        return from_tables(frame, name=folder.name)
    items = pl.read_parquet(folder / "items.parquet").rename({"item_id": "id"})
    tables = {
        path.stem: torch.from_numpy(np.load(path, allow_pickle=False)).float()
        for path in sorted((folder / "features").glob("*.npy"))
    }
    return from_tables(frame, items, vectors=tables, name=folder.name)


def published(folder: Path, valid: float = 0.0, vectors: bool = False) -> Split:
    """The published split as published evaluators take it: training items are not answered."""
    return Published(valid=valid, seen="exclude_train").split(read(folder, vectors))


def hand_over(split: Split, folder: Path) -> None:
    """`train.npy` and `test.npy` for peers: pairs of user and item rows, [n, 2]."""
    train = torch.stack([split.train.interactions.users, split.train.interactions.items], 1)
    rows, items = split.test.truth.pairs()
    test = torch.stack([split.test.requests.user[rows], items], 1)
    np.save(folder / "train.npy", train.numpy())
    np.save(folder / "test.npy", test.numpy())


def sequences(folder: Path) -> Split:
    """The published split of ordered events: each person's last one is the test."""
    return Published(valid=0.0, seen="exclude_train").split(reading.read(folder))


def hand_over_sequences(split: Split, folder: Path) -> None:
    """`train.npy` and `test.npy`: pairs of rows, [n, 2], each person's oldest first."""
    users, items = split.train.histories.items.pairs()
    np.save(folder / "train.npy", torch.stack([users, items], 1).numpy())
    rows, true = split.test.truth.pairs()
    np.save(folder / "test.npy", torch.stack([split.test.requests.user[rows], true], 1).numpy())


def made_up(users: int, items: int, events: int, seed: int = 0) -> Dataset:
    """Distinct pairs of people and items, in the order they happened; few are met often."""
    generator = np.random.default_rng(seed)
    place = generator.random((2, 2 * events)) ** 2.5  # crowds towards 0
    user, item = (place * [[users], [items]]).astype(np.int64)
    frame = pl.DataFrame({"user": user, "item": item}).unique(maintain_order=True).head(events)
    frame = frame.with_columns(time=pl.int_range(frame.height, dtype=pl.Int64))
    known = [pl.DataFrame({"id": np.arange(count)}) for count in (items, users)]
    return from_tables(frame, *known, name="made-up")
