"""A LightGCN training step: 3 layers, 64 dimensions, batch 2048, BPR, on gowalla.

Every side does its own loss, backward pass and optimiser step on the same interactions; peers get
their batches ready-made, ours draws its own within the step. Floor: the bytes that three products
forward, three back and one Adam sweep must move if every row is read and written once.
"""

from statistics import median

from benchmarks.data import hand_over, published
from benchmarks.harness import Options, Result, Sides, against, in_turns, say
from benchmarks.machine import Limits

PEERS = ("recbole", "selfrec", "lightgcn-pytorch")
BATCH, WARM, STEPS = 2048, 2, 8


def run(options: Options) -> list[Result]:
    split = published(options.folder("gowalla-lightgcn"))
    with Sides(options, PEERS) as sides:
        hand_over(split, sides.folder)
        set_ups, memory = {}, {}
        for side in sides.all:
            side.ask("load", folder=str(sides.folder))
            set_ups[side.name] = side.ask("set_up", batch=BATCH)["seconds"]
            side.ask("steps", count=WARM)
            say(f"  {side.ask('version')['version']}")
        seconds = in_turns(sides.all, options.rounds, "steps", count=STEPS)
        memory = {side.name: side.peak_mb or 0.0 for side in sides.all}
        counted = sides.ours.ask("counted_step")["bytes"]
        limits = Limits.told(sides.ours.ask("limits"))
    floor = limits.seconds(counted) / median(seconds["ours"])
    results = against("lightgcn_step", "s", seconds, floor=floor)
    results += against("lightgcn_set_up", "s", set_ups)
    return results + against("lightgcn_peak_memory", "MB", {n: [m] for n, m in memory.items()})
