"""Ten million interactions and a million items: load and train within 16 GB of memory.

Made-up interactions, written as a data folder, read back, and learned from for some steps; the
peak is that of the process that reads and learns. What is not timed here, a whole epoch, follows
from the seconds of a step.
"""

from benchmarks.harness import Options, Result, Sides, against

USERS, ITEMS, EVENTS = 500_000, 1_000_000, 10_000_000
CASES = ("MF", "LightGCN")
STEPS = 10


def run(options: Options) -> list[Result]:
    results = []
    for name in CASES:
        if options.only and name not in options.only:
            continue
        with Sides(options, ()) as writer:
            folder = writer.folder / "made-up"
            sizes = {"users": USERS, "items": ITEMS, "events": EVENTS}
            writer.ours.ask("write", folder=str(folder), **sizes)
            with Sides(options, ()) as learner:
                read = learner.ours.ask("read", folder=str(folder))
                ready = learner.ours.ask("begin", method=name)
                steps = learner.ours.ask("steps", count=STEPS)
        tag = name.lower()
        results += against("large_read", "s", {"ours": read["seconds"]})
        results += against(f"large_set_up_{tag}", "s", {"ours": ready["seconds"]})
        results += against(f"large_step_{tag}", "s", {"ours": steps["seconds"][1:]})
        results += against(f"large_peak_memory_{tag}", "MB", {"ours": [steps["peak_mb"]]})
    return results
