"""The next item for one live history: 50 events, d = 64, the best 20 of 100,000 items.

SASRec with two blocks and untrained weights, one request at a time, as a server would ask.
`answer_with_ids`: with the raw ids of the history looked up first. `read_on`: 49 events have been
read and one more happens. Floor: reading the item vectors once.
"""

import numpy as np

from benchmarks.harness import Options, Result, Sides, say, spread
from benchmarks.machine import Limits

ITEMS, LENGTH, DIM, K = 100_000, 50, 64, 20
WARM, ANSWERS = 20, 200
WAYS = ("answer", "answer_with_ids", "read_on")


def run(options: Options) -> list[Result]:
    with Sides(options, ()) as sides:
        sides.ours.ask("set_up_live", items=ITEMS, length=LENGTH, dim=DIM)
        sides.ours.ask("live", count=WARM, k=K)
        answers: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(options.rounds):
            found = sides.ours.ask("live", count=ANSWERS, k=K)
            for name in WAYS:
                answers[name] += found[name]
        least = Limits.told(sides.ours.ask("limits")).seconds(bytes_moved=ITEMS * DIM * 4)
    results = []
    for name, seconds in answers.items():
        milliseconds = 1e3 * np.array(seconds)
        say(f"  live_{name}: {spread(milliseconds.tolist())} ms")
        for percentile in (50, 99):
            value = float(np.percentile(milliseconds, percentile))
            say(f"  live_{name}_p{percentile}: {value:.3f} ms")
            floor = 1e3 * least / value
            results.append(Result(f"live_{name}_p{percentile}", value, "ms", floor=floor))
    return results
