"""The next item for one live history: 50 events, d = 64, the best 20 of 100,000 items.

SASRec with two blocks and untrained weights, one request at a time, as a server would ask. `ids`:
with the raw ids of the history looked up first. Floor: reading the item vectors once.
"""

import numpy as np

from benchmarks.harness import Options, Result, Sides, say, spread
from benchmarks.machine import Limits

ITEMS, LENGTH, DIM, K = 100_000, 50, 64, 20
WARM, ANSWERS = 20, 200


def run(options: Options) -> list[Result]:
    with Sides(options, ()) as sides:
        sides.ours.ask("set_up_live", items=ITEMS, length=LENGTH, dim=DIM)
        sides.ours.ask("live", count=WARM, k=K)
        answers: dict[str, list[float]] = {"live_answer": [], "live_answer_ids": []}
        for _ in range(options.rounds):
            found = sides.ours.ask("live", count=ANSWERS, k=K)
            answers["live_answer"] += found["seconds"]
            answers["live_answer_ids"] += found["with_ids"]
        least = Limits.told(sides.ours.ask("limits")).seconds(bytes_moved=ITEMS * DIM * 4)
    results = []
    for name, seconds in answers.items():
        milliseconds = 1e3 * np.array(seconds)
        say(f"  {name}: {spread(milliseconds.tolist())} ms")
        for percentile in (50, 99):
            value = float(np.percentile(milliseconds, percentile))
            say(f"  {name}_p{percentile}: {value:.3f} ms")
            results.append(Result(f"{name}_p{percentile}", value, "ms", floor=1e3 * least / value))
    return results
