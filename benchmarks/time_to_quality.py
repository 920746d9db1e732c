"""Recall on gowalla against wall time: what one gets for one's seconds.

The published split and protocol: everything is learned from the training part, and everything but
training items is ranked. The clock runs while a method learns and stops while it is asked; each
method runs until `--limit` seconds. Nothing is chosen by these numbers: they are a curve.
"""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.data import published
from benchmarks.harness import HERE, Options, Result, say
from benchmarks.steps import Steps
from tesserec.core import Answering, Dataset, Run, Split
from tesserec.evaluation.tasks import mark
from tesserec.methods.collaborative.als import ALS
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.training import Learner
from tesserec.training.devices import inference

METRICS = ("recall@20", "ndcg@20")
FAST = {"batches": {"size": 8192}, "schedule": {"rate": 5e-3}}
SHARED = {"negatives": 1024, "sampler": {"kind": "Shared"}}
MANY = {"batches": {"size": 8192, **SHARED}, "schedule": {"rate": 5e-3}, "decay": 0.0}
# Without a graph, whose cost large batches spread, small ones give more steps for the same seconds.
SMALL = {**MANY, "batches": {"size": 2048, **SHARED}}
CASES: dict[str, Callable[[], Any]] = {
    "ALS": lambda: ALS(epochs=15),
    "MF-Softmax": lambda: MF(objective={"kind": "Softmax"}, **SMALL),
    "MF-PSL": lambda: MF(objective={"kind": "PSL"}, **SMALL),
    "LightGCN": lambda: LightGCN(**FAST),
    "LightGCN-Softmax": lambda: LightGCN(objective={"kind": "Softmax"}, **MANY),
    "LightGCN-PSL": lambda: LightGCN(objective={"kind": "PSL"}, **MANY),
}
Point = dict[str, float]


def run(options: Options) -> list[Result]:
    split = published(options.folder("gowalla-lightgcn"))
    path = HERE / "curves.json"
    curves = json.loads(path.read_text()) if options.only and path.is_file() else {}
    results = []
    for name, described in CASES.items():
        if options.only and name not in options.only:
            continue
        method = described()
        points = []
        for point in _points(method, split, options.limit):
            points.append(point)
            say(f"  {name}: {point['seconds']:.1f} s, recall@20 {point['recall@20']:.4f}")
        curves[name] = {"method": method.to_dict(), "points": points}
        path.write_text(json.dumps(curves, indent=2) + "\n")
        best = max(points, key=lambda point: point["recall@20"])
        results.append(Result(f"recall@20_gowalla_{name}", best["recall@20"], "recall@20"))
        results.append(Result(f"seconds_to_it_{name}", best["seconds"], "s"))
    return results


def _points(method: Any, split: Split, limit: float) -> Iterator[Point]:
    if isinstance(method, Learner):
        yield from _trained(method, split, limit)
    else:
        began = time.perf_counter()
        recommender = method.fit(split.train, Run())
        yield _point(recommender, split, time.perf_counter() - began, method.epochs)


def _trained(method: Learner, split: Split, limit: float) -> Iterator[Point]:
    """A point after epochs 1, 2, 4, ... and whenever a tenth more time has passed."""
    began = time.perf_counter()
    steps = Steps(method, split.train, Run(device="cpu"))
    clock, asked, epoch = time.perf_counter() - began, 0.0, 0
    while clock < limit:
        clock += steps.epoch()
        epoch += 1
        if clock < asked + limit / 20 and clock < limit:
            continue
        asked = clock
        with inference(steps.network):
            yield _point(_answering(method, steps, split.train), split, clock, epoch)


def _answering(method: Learner, steps: Steps, data: Dataset) -> Answering:
    return method.answer(steps.network, data.catalog)


def _point(recommender: Any, split: Split, seconds: float, epoch: int) -> Point:
    marks = mark(recommender, split.test, METRICS)
    return {"seconds": seconds, "epoch": epoch, **{name: marks[name] for name in METRICS}}
