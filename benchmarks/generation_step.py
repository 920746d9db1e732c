"""TIGER's training step, beside transformers' T5 of the same shape, weights and batch.

T5 of 4 + 4 layers, d = 128, 6 heads of 64, 1,024 inside; 64 histories of ids of 4 x 256 tokens,
AdamW, dropout 0.1 on both sides. Every side computes its own loss: ours over the tokens of a
level, the peer's over all; before the clock runs both are asked for ours, without dropout, which
must be equal. `even`: each history has 20 items, 80 tokens. `ragged`: 1 to 20 items, few of them
long, which the peer pads.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.decoding import ITEMS, PEER, SIZE
from benchmarks.harness import Options, Peer, Result, Sides, against, in_turns, say

BATCH, WARM, STEPS = 64, 1, 2
CASES = ("even", "ragged")


def run(options: Options) -> list[Result]:
    options = replace(options, peers={PEER: Peer(sys.executable), **options.peers})
    results = []
    with Sides(options, (PEER,)) as sides:
        sides.ours.ask("make_generator", folder=str(sides.folder), items=ITEMS, **SIZE)
        for side in sides.peers:
            side.ask("load_generator", folder=str(sides.folder))
        for side in sides.all:
            say(f"  {side.ask('version')['version']}")
        for name in CASES:
            if name in (options.only or CASES):
                results += _case(name, options, sides)
    return results


def _case(name: str, options: Options, sides: Sides) -> list[Result]:
    batch = str(_batch(name, sides.folder))
    for side in sides.all:
        side.ask("begin_learning", batch=batch, dropout=0.0)
    _check([side.ask("loss_now")["loss"] for side in sides.all])
    for side in sides.all:
        side.ask("begin_learning", batch=batch, dropout=0.1)
        side.ask("learn", count=WARM)
    seconds = in_turns(sides.all, options.rounds, "learn", count=STEPS)
    return against(f"generation_step_{name}", "sequences/s", seconds, units=BATCH)


def _batch(name: str, folder: Path) -> Path:
    """Histories [64, 20], how much of each counts [64], and what came next [64]."""
    generator = np.random.default_rng(1)
    longest = SIZE["longest"]
    lengths = np.full(BATCH, longest)
    if name == "ragged":
        lengths = generator.geometric(1 / 6, BATCH).clip(1, longest)
    histories = generator.integers(ITEMS, size=(BATCH, longest))
    path = folder / f"{name}.npz"
    np.savez(path, histories=histories, lengths=lengths, next=generator.integers(ITEMS, size=BATCH))
    return path


def _check(losses: list[float]) -> None:
    say(f"  losses before the first step: {losses}")
    if max(losses) - min(losses) > 1e-4 * max(losses):
        raise RuntimeError("the losses differ")
