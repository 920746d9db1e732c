"""The best 20 of 12,000 items written as semantic ids, beside transformers' `generate`.

T5 of 4 + 4 layers, d = 128, 6 heads of 64, 1,024 inside, untrained; ids of 4 x 256 tokens, a
history of 20 items, 20 beams. The peer has the same weights, and a dictionary of what may follow
each prefix for its `prefix_allowed_tokens_fn`; both sides let those tokens alone compete, and must
give the same items in the same order. Each side answers several times a turn, and the median is of
all these times: what somebody pays who is not the first to ask. `decoding_of_120000_items`: ours
with ten times the items, which should take the time of 12,000.
"""

import sys
from dataclasses import replace
from typing import cast

import numpy as np

from benchmarks.harness import Options, Peer, Result, Side, Sides, against, in_turns, say

PEER = "transformers"
SIZE = {"levels": 4, "codes": 256, "longest": 20}
ITEMS, K = 12_000, 20
CASES = {"batch_1": (1, 16), "batch_16": (16, 4), "batch_64": (64, 2)}  # histories, times a turn
CATALOGUES, BATCH, TIMES = (12_000, 120_000), 16, 4


def run(options: Options) -> list[Result]:
    options = replace(options, peers={PEER: Peer(sys.executable), **options.peers})
    results = []
    with Sides(options, (PEER,)) as sides:
        sides.ours.ask("make_generator", folder=str(sides.folder), items=ITEMS, **SIZE)
        for side in sides.peers:
            side.ask("load_generator", folder=str(sides.folder))
        for side in sides.all:
            say(f"  {side.ask('version')['version']}")
        for name, (batch, times) in CASES.items():
            if name in (options.only or CASES):
                results += _beside(options, sides, name, batch, times)
    if "catalogue" in (options.only or ("catalogue",)):
        results += _catalogues(options)
    return results


def _beside(options: Options, sides: Sides, name: str, batch: int, times: int) -> list[Result]:
    """Answers compared, then times."""
    asked = _histories(sides, ITEMS, batch)
    for side in sides.all:
        _write(side, sides, asked)
    _check(*(np.load(sides.folder / f"{side.name}.npz") for side in sides.all))
    facts = {"histories": asked, "out": str(sides.folder / "again.npz"), "k": K, "times": times}
    seconds = in_turns(sides.all, options.rounds, "write_items", **facts)
    return against(f"decoding_{name}", "users/s", seconds, units=batch)


def _catalogues(options: Options) -> list[Result]:
    """Ours alone, for two catalogues in turns."""
    with Sides(options, ()) as few, Sides(options, ()) as many:
        both = dict(zip(CATALOGUES, (few, many), strict=True))
        asked = {items: _histories(sides, items, BATCH) for items, sides in both.items()}
        for items, sides in both.items():
            sides.ours.ask("make_generator", folder=str(sides.folder), items=items, **SIZE)
            _write(sides.ours, sides, asked[items])
        seconds: dict[int, list[float]] = {items: [] for items in both}
        for _ in range(options.rounds):
            for items, sides in both.items():
                seconds[items] += _write(sides.ours, sides, asked[items], TIMES)
    results = []
    for items, taken in seconds.items():
        name = f"decoding_of_{items}_items"
        results += against(name, "ms/user", {"ours": [1e3 * one / BATCH for one in taken]})
    return results


def _write(side: Side, sides: Sides, asked: str, times: int = 1) -> list[float]:
    out = str(sides.folder / f"{side.name}.npz")
    found = side.ask("write_items", histories=asked, out=out, k=K, times=times)
    return cast(list[float], found["seconds"])


def _histories(sides: Sides, items: int, batch: int) -> str:
    """Where they are: rows of items, [B, 20]"""
    path = sides.folder / f"histories_{batch}.npy"
    np.save(path, np.random.default_rng(1).integers(items, size=(batch, SIZE["longest"])))
    return str(path)


def _check(ours: dict[str, np.ndarray], *theirs: dict[str, np.ndarray]) -> None:
    for one in theirs:
        apart = float(np.abs(ours["scores"] - one["scores"]).max())
        say(f"  scores lie {apart:.1e} apart")
        if not np.array_equal(ours["items"], one["items"]) or apart > 1e-3:
            raise RuntimeError("the answers differ")
