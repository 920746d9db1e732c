"""Our side's work with ordered histories: training steps, full ranking, one answer at a time."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

import tesserec as tr
from benchmarks.data import made_up
from benchmarks.sides.curves import due
from benchmarks.sides.wire import timed
from benchmarks.steps import Steps
from tesserec.evaluation.tasks import mark
from tesserec.training.devices import inference

SOFTMAX = {"kind": "Softmax", "temperature": 1.0, "cosine": False}
MASKED = {"batches": {"share": 0.2, "most": 10}}  # the peer's; the loss is a full softmax
LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"objective": SOFTMAX, "batches": {"sampler": {"kind": "Everything"}}},
    "bce": {"objective": {"kind": "BCE"}, "batches": {"negatives": 1}},
    "masked": MASKED,
    "masked_as_shipped": MASKED,  # only the peer has two kinds of batches
}

held: dict[str, Any] = {}


def load_sequences(folder: str) -> None:
    """The same events in the same order as the peers get."""
    parts = []
    for name in ("train", "test"):
        pairs = np.load(Path(folder) / f"{name}.npy")
        frame = pl.DataFrame({"user": pairs[:, 0], "item": pairs[:, 1]})
        parts.append(frame.with_columns(split=pl.lit(name)))
    events = pl.concat(parts).with_row_index("time").with_columns(pl.col("time").cast(pl.Int64))
    data = tr.from_tables(events, clock="order")
    held["split"] = tr.Published(valid=0, seen="exclude_train").split(data)


def set_up_sequences(model: str, loss: str, length: int, batch: int, **fields: Any) -> None:
    """A network of this kind, about to be trained; fields with the peers' dropout and heads."""
    said = LOSSES[loss]
    batches = {"size": batch, "length": length, **said.get("batches", {})}
    method = getattr(tr, model)(**{**said, "batches": batches, "dropout": 0.2, **fields})
    held["steps"] = Steps(method, held["split"].train, tr.Run(device="cpu"))


def sequence_steps(count: int) -> dict[str, Any]:
    """Whole steps: batch drawn, loss, backward, optimiser."""
    steps = held["steps"]
    seconds, sequences, targets = [], [], []
    for _ in range(count):
        seconds.append(steps.step())
        sequences.append(len(steps.last.events))
        targets.append(len(steps.last))
    return {"seconds": seconds, "sequences": sequences, "targets": targets}


def rank_sequences(k: int) -> dict[str, Any]:
    """Rank everything for everybody by a network as it was set up, and the metrics."""
    steps, split = held["steps"], held["split"]
    with inference(steps.network):
        recommender = steps.method.answer(steps.network, split.train.catalog)
        wanted = [f"recall@{k}", f"ndcg@{k}"]
        seconds, marks = timed(lambda: mark(recommender, split.test, wanted))
    return {"seconds": [seconds], "users": [len(split.test)], "recall": marks[wanted[0]]}


def sequence_curve(limit: float, epochs: int, k: int, **facts: Any) -> dict[str, Any]:
    """Learn epoch by epoch, and be asked now and then with the clock stopped."""
    began = time.perf_counter()
    set_up_sequences(**facts)
    clock, asked = time.perf_counter() - began, 0.0
    points = []
    for epoch in range(1, epochs + 1):
        clock += held["steps"].epoch()
        over = clock >= limit or epoch == epochs
        if due(epoch, clock, asked, limit) or over:
            asked = clock
            points.append({"epoch": epoch, "seconds": clock, **_asked(k)})
        if over:
            break
    return {"points": points}


def _asked(k: int) -> dict[str, float]:
    steps, split = held["steps"], held["split"]
    with inference(steps.network):
        recommender = steps.method.answer(steps.network, split.train.catalog)
        found = mark(recommender, split.test, [f"recall@{k}", f"ndcg@{k}"])
    return {"recall": found[f"recall@{k}"], "ndcg": found[f"ndcg@{k}"]}


def set_up_live(items: int, length: int, dim: int) -> None:
    """An untrained SASRec of many items; places count from the first, so that it can read on."""
    data = made_up(users=2 * items // 10, items=items, events=4 * items)
    method = tr.SASRec(dim=dim, batches={"length": length}, positions="start")
    held["live"] = method.answer(method.network(data).eval(), data.catalog)
    held["length"] = length


def live(count: int, k: int) -> dict[str, Any]:
    """Answers for histories one by one: alone, with the raw ids looked up first, and by reading on.

    What reads on has read all events but the last before.
    """
    model, generator = held["live"], np.random.default_rng(0)
    ids = model.catalog.items.ids
    seconds: dict[str, list[float]] = {"answer": [], "answer_with_ids": [], "read_on": []}
    for _ in range(count):
        history = ids.gather(generator.choice(len(ids), held["length"], replace=False)).to_list()
        began = time.perf_counter()
        requests = tr.Requests.of(model.catalog, histories=[history])
        asked = time.perf_counter()
        found = model.recommend(requests, k)
        seconds["answer"].append(time.perf_counter() - asked)
        seconds["answer_with_ids"].append(time.perf_counter() - began)
        person = model.live(tr.Requests.of(model.catalog, histories=[history[:-1]]))
        last = int(requests.history.items.values[-1])

        def read_on(person: Any = person, last: int = last) -> Any:
            person.add(last)
            return person.recommend(k)

        taken, further = timed(read_on)
        seconds["read_on"].append(taken)
        if not torch.allclose(found.scores, further.scores, rtol=1e-3, atol=1e-5):
            raise RuntimeError("reading on gives another answer")
    return dict(seconds)


OPERATIONS = {
    "load_sequences": load_sequences,
    "set_up_sequences": set_up_sequences,
    "sequence_steps": sequence_steps,
    "rank_sequences": rank_sequences,
    "sequence_curve": sequence_curve,
    "set_up_live": set_up_live,
    "live": live,
}
