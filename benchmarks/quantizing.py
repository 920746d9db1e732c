"""Steps of RQ-VAE, and k-means level by level, beside RQ-VAE-Recommender.

768-512-256-128-32 and back, 3 x 256 codes, batches of 640 of 12,101 made-up vectors in clusters;
straight-through gradients, AdamW; every side makes its own batches, loss, backward pass and
optimiser step, all of it on the clock; `steps_bfloat16`: both sides multiply in bfloat16 (mixed
precision is a switch of the peer's, too). `clustering`: what both begin the codes with, on 12,000
latents of 32 numbers, of the same kind. Ours is k-means++ and at most 50 rounds; the peer draws
its first centres alike, and goes on until nothing moves (`its_own`), or is held to 50 rounds, too.
What is left after three levels, the mean squared residual, is said beside the times.
"""

from pathlib import Path

import numpy as np

from benchmarks.harness import Options, Result, Sides, against, say

PEER = "rq-vae-recommender"
LAYERS = {"hidden": [512, 256, 128], "dim": 32, "levels": 3, "codes": 256}
ITEMS, WIDTH, BATCH = 12_101, 768, 640
POINTS, DIM, ROUNDS = 12_000, 32, 50
WARM, STEPS = 2, 10
WAYS = {"clustering": ROUNDS, "clustering_to_the_end": None}
STEPS_IN = {"steps": "float32", "steps_bfloat16": "bfloat16"}
CASES = (*STEPS_IN, *WAYS)


def run(options: Options) -> list[Result]:
    chosen, results = options.only or CASES, []
    with Sides(options, (PEER,)) as sides:
        for side in sides.all:
            say(f"  {side.ask('version')['version']}")
        for name, precision in STEPS_IN.items():
            if name in chosen:
                results += _steps(name, precision, options, sides)
        for name in WAYS:
            if name in chosen:
                results += _clustering(name, options, sides)
    return results


def _steps(name: str, precision: str, options: Options, sides: Sides) -> list[Result]:
    path = _clusters(sides.folder / "vectors.npy", ITEMS, WIDTH)
    for side in sides.all:
        side.ask("set_up_quantizing", vectors=path, batch=BATCH, precision=precision, **LAYERS)
        side.ask("quantizing_steps", count=WARM)
    seconds: dict[str, list[float]] = {side.name: [] for side in sides.all}
    for _ in range(options.rounds):
        for side in sides.all:
            seconds[side.name] += side.ask("quantizing_steps", count=STEPS)["seconds"]
    return against(f"quantizing_{name}", "items/s", seconds, units=BATCH)


def _clustering(name: str, options: Options, sides: Sides) -> list[Result]:
    path = _clusters(sides.folder / "points.npy", POINTS, DIM)
    facts = {"points": path, "levels": LAYERS["levels"], "codes": LAYERS["codes"]}
    seconds: dict[str, list[float]] = {side.name: [] for side in sides.all}
    for _ in range(min(options.rounds, 2)):
        for side in sides.all:
            found = side.ask("cluster", rounds=WAYS[name], **facts)
            seconds[side.name] += found["seconds"]
            say(f"  {side.name}: {found['left']:.4f} left")
    return against(f"quantizing_{name}", "s", seconds)


def _clusters(path: Path, count: int, width: int) -> str:
    """Where they are: vectors around 400 centres, [n, D]"""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((400, width))
    near = centres[generator.integers(len(centres), size=count)]
    vectors = near + 0.5 * generator.standard_normal((count, width))
    np.save(path, (vectors / np.sqrt(width)).astype(np.float32))
    return str(path)
