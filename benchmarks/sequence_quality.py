"""What SASRec finds after equal epochs and after equal seconds, ours and public implementations.

Everything but each person's last event is learned from, and the last one is asked for: full
ranking, what was chosen before left out. The clock runs while a side learns, its own batches and
sampling included, and stops while it is asked. Each side learns until `--limit` seconds or 64
epochs. Nothing is chosen by these numbers: they are a curve.
"""

import json
from typing import Any

import polars as pl

from benchmarks.data import hand_over_sequences
from benchmarks.harness import HERE, Options, Result, Sides, say
from tesserec.core import Split
from tesserec.data import reading
from tesserec.data.splits import Published

K, MOST = 10, 64
SIZE = {"model": "SASRec", "length": 50, "batch": 128, "heads": 1}
SOFTMAX = {**SIZE, "loss": "softmax", "dim": 64}
BCE = {**SIZE, "loss": "bce", "dim": 50}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "beauty_softmax": ("amazon-beauty-s3rec", "rectools", SOFTMAX),
    "beauty_bce": ("amazon-beauty-s3rec", "sasrec-pytorch", BCE),
    "ml_1m_softmax": ("ml-1m-gsasrec-nearly", "rectools", SOFTMAX),
    "ml_1m_bce": ("ml-1m-gsasrec-nearly", "sasrec-pytorch", BCE),
}
Curve = list[dict[str, float]]


def run(options: Options) -> list[Result]:
    results = []
    path = HERE / "sequence_curves.json"
    curves = json.loads(path.read_text()) if options.only and path.is_file() else {}
    for name, (data, peer, facts) in CASES.items():
        if options.only and name not in options.only:
            continue
        split = _all_but_the_last(options.folder(data))
        with Sides(options, (peer,)) as sides:
            hand_over_sequences(split, sides.folder)
            found: dict[str, Curve] = {}
            for side in sides.all:  # one after the other: each has the machine to itself
                side.ask("load_sequences", folder=str(sides.folder))
                wanted = {"limit": options.limit, "epochs": MOST, "k": K}
                found[side.name] = side.ask("sequence_curve", **facts, **wanted)["points"]
                _show(f"{name}, {side.name}", found[side.name])
        curves[name] = found
        path.write_text(json.dumps(curves, indent=2) + "\n")
        results += _compared(name, found)
    return results


def _all_but_the_last(folder: Any) -> Split:
    """What validates elsewhere is learned from: nothing is chosen here."""
    data = reading.read(folder)
    part = pl.col("split").cast(pl.String)
    frame = data.interactions.frame.with_columns(
        split=pl.when(part == "test").then(part).otherwise(pl.lit("train"))
    )
    events = type(data.interactions)(frame, data.interactions.clock)
    whole = type(data)(data.catalog, events, data.name)
    return Published(valid=0.0, seen="exclude_train").split(whole)


def _show(title: str, points: Curve) -> None:
    for point in points:
        say(
            f"  {title}: epoch {point['epoch']:.0f}, {point['seconds']:.0f} s, "
            f"recall@{K} {point['recall']:.4f}, ndcg@{K} {point['ndcg']:.4f}"
        )


def _compared(name: str, found: dict[str, Curve]) -> list[Result]:
    """At the last epoch both reached, and at the last second both did."""
    epoch = min(curve[-1]["epoch"] for curve in found.values())
    seconds = min(curve[-1]["seconds"] for curve in found.values())
    results = []
    for side, curve in found.items():
        same = _last(curve, "epoch", epoch)
        results.append(Result(f"{name}_ndcg_after_{epoch:.0f}_epochs_{side}", same, "ndcg@10"))
        same = _last(curve, "seconds", seconds)
        results.append(Result(f"{name}_ndcg_after_{seconds:.0f}_s_{side}", same, "ndcg@10"))
    return results


def _last(curve: Curve, axis: str, upto: float) -> float:
    """Where the curve is at a place of its axis; 0 before its first point."""
    return max(
        (point for point in curve if point[axis] <= upto),
        key=lambda p: p[axis],
        default={"ndcg": 0.0},
    )["ndcg"]
