"""Our side, asked for the same work as the peers."""

import tesserec  # isort: skip  (before torch: it says how idle threads wait)

import time
from dataclasses import asdict, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.counting import lightgcn_step, ranking
from benchmarks.data import made_up
from benchmarks.machine import measure
from benchmarks.sides import content, generation, quantizing, sentences, sequences
from benchmarks.sides.wire import serve, timed
from benchmarks.steps import Steps
from tesserec.core import Run
from tesserec.data import format
from tesserec.data.build import from_tables
from tesserec.data.importing import import_data
from tesserec.data.splits import Published
from tesserec.evaluation.tasks import mark
from tesserec.methods.collaborative.als import ALS
from tesserec.methods.collaborative.ease import EASE
from tesserec.methods.collaborative.itemknn import ItemKNN
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.recommenders import LookupRecommender

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    return {"version": f"tesserec {version_of(tesserec.__name__)}, torch {torch.__version__}"}


def limits() -> dict[str, Any]:
    """Asked for last: it holds half a gigabyte, which is not the engine's."""
    return asdict(measure())


def load(folder: str) -> None:
    """The pairs that all sides get."""
    parts = []
    for name in ("train", "test"):
        pairs = np.load(Path(folder) / f"{name}.npy")
        frame = pl.DataFrame({"user": pairs[:, 0], "item": pairs[:, 1]})
        parts.append(frame.with_columns(split=pl.lit(name)))
    held["split"] = Published(valid=0, seen="exclude_train").split(from_tables(pl.concat(parts)))


def write(folder: str, users: int, items: int, events: int) -> None:
    """A data folder of made-up interactions."""
    format.write(made_up(users, items, events), Path(folder))


def write_table(path: str, users: int, items: int, rows: int) -> None:
    """A CSV file of purchases."""
    generator = np.random.default_rng(0)
    place = generator.random((2, rows)) ** 2.5  # crowds towards 0
    user, item = (place * [[users], [items]]).astype(np.int64)
    times = generator.integers(1_500_000_000, 1_600_000_000, rows)
    prices = generator.random(rows).round(2)
    frame = pl.DataFrame({"user": user, "item": item, "timestamp": times, "price": prices})
    named = (pl.format("u{}", "user").alias("user"), pl.format("p{}", "item").alias("item"))
    frame.with_columns(*named).write_csv(path)


def import_table(path: str, folder: str) -> dict[str, Any]:
    """The file as a data folder."""
    seconds, report = timed(lambda: import_data(Path(path), Path(folder)))
    return {"seconds": [seconds], "events": report.events}


def read(folder: str) -> dict[str, Any]:
    """The folder, all of it for training."""
    seconds, held["data"] = timed(lambda: format.read(Path(folder)))
    return {"seconds": [seconds]}


def begin(method: str) -> dict[str, Any]:
    """From a dataset to the first batch."""
    described = TRAINED[method]()
    seconds, held["steps"] = timed(lambda: Steps(described, held["data"], Run(device="cpu")))
    return {"seconds": [seconds]}


def set_up(batch: int) -> dict[str, Any]:
    """From a dataset to the first batch: graph, network and sampler."""
    method = LightGCN(batches={"size": batch})
    # Seen as new, so that nothing a dataset keeps is there yet.
    seconds, held["steps"] = timed(lambda: Steps(method, replace(held["split"].train), Run()))
    return {"seconds": [seconds]}


def steps(count: int) -> dict[str, Any]:
    """Whole steps: batch drawn, loss, backward, optimiser."""
    return {"seconds": [held["steps"].step() for _ in range(count)]}


def counted_step() -> dict[str, Any]:
    return {"bytes": lightgcn_step(held["steps"])}


def evaluate(folder: str, users: int) -> dict[str, Any]:
    """Rank everything for some users from given tables of vectors, and the metrics."""
    tables = {n: torch.from_numpy(np.load(f"{folder}/{n}.npy")) for n in ("users", "items")}
    known = torch.ones(len(tables["users"]), dtype=torch.bool)
    tables |= {"average": tables["users"].mean(0), "known": known}
    split = held["split"]
    asked = split.test[slice(0, users or None)]
    recommender = LookupRecommender(torch.nn.Module(), split.train.catalog).with_tables(tables)
    seconds, marks = timed(lambda: mark(recommender, asked, ["recall@20", "ndcg@20"]))
    counted = ranking(len(asked), len(tables["items"]), tables["items"].shape[1])
    quality = {name: marks[name] for name in ("recall@20", "ndcg@20")}
    return {"seconds": [seconds], "users": len(asked), "operations": counted, **quality}


def negatives() -> dict[str, Any]:
    """One epoch's batches with exact negatives: order, gathers and draws."""
    epochs = LightGCN().batches(held["split"].train)
    generator = torch.Generator().manual_seed(0)
    seconds, drawn = timed(lambda: sum(len(batch) for batch in epochs(generator)))
    return {"seconds": [seconds], "drawn": drawn}


METHODS = {"ALS": ALS, "ItemKNN": ItemKNN}
TRAINED = {"LightGCN": LightGCN, "MF": MF}


def fit(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Learn, and how good the answers are."""
    split = held["split"]
    described = METHODS[method](**fields)
    train = replace(split.train)
    seconds, held["fitted"] = timed(lambda: described.fit(train, Run()))
    marks = mark(held["fitted"], split.test, ["recall@20", "ndcg@20"])
    quality = {name: marks[name] for name in ("recall@20", "ndcg@20")}
    return {"seconds": [seconds], **quality}


def recommend() -> dict[str, Any]:
    """The best 20 of everything unseen, for everybody who is asked about."""
    requests = held["split"].test.requests
    began = time.perf_counter()
    for start in range(0, len(requests), 4096):
        held["fitted"].recommend(requests[slice(start, start + 4096)], 20)
    return {"seconds": [time.perf_counter() - began], "users": len(requests)}


def ease(items: int) -> dict[str, Any]:
    """Fit on made-up interactions: popularity falls with the rank, 50,000 people."""
    data = made_up(users=50_000, items=items, events=2_000_000)
    seconds, held["fitted"] = timed(lambda: EASE().fit(data, Run()))
    return {"seconds": [seconds]}


if __name__ == "__main__":
    serve(
        version=version,
        limits=limits,
        load=load,
        write=write,
        write_table=write_table,
        import_table=import_table,
        read=read,
        begin=begin,
        set_up=set_up,
        steps=steps,
        counted_step=counted_step,
        evaluate=evaluate,
        negatives=negatives,
        fit=fit,
        recommend=recommend,
        ease=ease,
        **content.OPERATIONS,
        **generation.OPERATIONS,
        **quantizing.OPERATIONS,
        **sentences.OPERATIONS,
        **sequences.OPERATIONS,
    )
