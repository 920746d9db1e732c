"""Methods that are computed, not trained: fit, answers and quality, beside implicit on gowalla.

ALS has the same settings on both sides. EASE is ours alone, on a made-up set of 20,000 items, with
its memory. Floors: the multiplications and additions that the fit needs; ItemKNN adds up counts
in tables that fit the cache, which neither memory nor products limit.
"""

from statistics import median

from benchmarks.counting import conjugate_gradient, inverse
from benchmarks.data import hand_over, published
from benchmarks.harness import Options, Result, Sides, against, in_turns, say
from benchmarks.machine import Limits

PEERS = ("implicit",)
CASES = {
    "ItemKNN": {"neighbours": 50},
    "ALS": {"dim": 64, "epochs": 15, "alpha": 10.0, "regularization": 0.01},
}
ITEMS = 20_000  # of the made-up set


def run(options: Options) -> list[Result]:
    results = []
    wanted = options.only or (*CASES, "EASE")
    if set(wanted) & set(CASES):
        results += _beside_implicit(options, [name for name in CASES if name in wanted])
    if "EASE" in wanted:
        results += _ease(options)
    return results


def _beside_implicit(options: Options, names: list[str]) -> list[Result]:
    split = published(options.folder("gowalla-lightgcn"))
    results = []
    with Sides(options, PEERS) as sides:
        hand_over(split, sides.folder)
        for side in sides.all:
            side.ask("load", folder=str(sides.folder))
            say(f"  {side.ask('version')['version']}")
        for name in names:
            facts = {"method": name, "fields": CASES[name]}
            for side in sides.all:  # compiles, and says how good the answers are
                found = side.ask("fit", **facts)
                say(f"  {name} | {side.name}: recall@20 {found['recall@20']:.4f}")
            rounds = min(options.rounds, 3)
            fits = in_turns(sides.all, rounds, "fit", **facts)
            answers = in_turns(sides.all, rounds, "recommend")
            users = len(split.test)
            floor = None
            if name == "ALS":
                counted = conjugate_gradient(split.train, steps=3, dim=64, epochs=15)
                limits = Limits.told(sides.ours.ask("limits"))
                floor = limits.seconds(operations=counted) / median(fits["ours"])
            results += against(f"{name.lower()}_fit", "s", fits, floor=floor)
            results += against(f"{name.lower()}_recommend", "users/s", answers, units=users)
    return results


def _ease(options: Options) -> list[Result]:
    with Sides(options, ()) as sides:
        found = sides.ours.ask("ease", items=ITEMS)
        limits = Limits.told(sides.ours.ask("limits"))
    floor = limits.seconds(operations=inverse(ITEMS)) / found["seconds"][0]
    memory = {"ours": [found["peak_mb"]]}
    results = against("ease_fit_20000_items", "s", {"ours": found["seconds"]}, floor=floor)
    return results + against("ease_peak_memory_20000_items", "MB", memory)
