"""The nearest 10 of 100,000 items by their 384 numbers, beside the product of all pairs alone.

Made-up vectors in clusters of some 50. The peer is a matrix product block by block, whose blocks
are thrown away; finding neighbours multiplies each pair once, which is half of that and the floor.
"""

from statistics import median

from benchmarks.counting import similarities
from benchmarks.harness import Options, Result, Sides, against
from benchmarks.machine import Limits

ITEMS, WIDTH, COUNT = 100_000, 384, 10


def run(options: Options) -> list[Result]:
    with Sides(options, ()) as sides:
        sides.ours.ask("vectors", items=ITEMS, width=WIDTH)
        sides.ours.ask("nearest", count=COUNT, items=1000)  # compiles
        seconds: dict[str, list[float]] = {"ours": [], "product of all pairs": []}
        for _ in range(min(options.rounds, 2)):
            seconds["ours"] += sides.ours.ask("nearest", count=COUNT, items=ITEMS)["seconds"]
            memory = {"ours": [sides.ours.peak_mb or 0.0]}
            seconds["product of all pairs"] += sides.ours.ask("products")["seconds"]
        limits = Limits.told(sides.ours.ask("limits"))
    floor = limits.seconds(operations=similarities(ITEMS, WIDTH)) / median(seconds["ours"])
    results = against("neighbours_100000_items", "s", seconds, floor=floor)
    return results + against("neighbours_100000_items_peak_memory", "MB", memory)
