"""How much of an epoch one validation takes; less than a whole one is promised.

The times are those that `fit` itself writes into its log.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.data import published
from benchmarks.harness import Options, Result, say
from tesserec.core import Run
from tesserec.methods.collaborative.lightgcn import LightGCN
from tesserec.methods.collaborative.mf import MF
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.training.log import read_log

CASES: dict[str, tuple[Any, str, bool]] = {
    "MF": (MF, "gowalla-lightgcn", False),
    "LightGCN": (LightGCN, "gowalla-lightgcn", False),
    "BM3": (BM3, "amazon-baby-mmrec", True),
}
EPOCHS = 3


def run(options: Options) -> list[Result]:
    results = []
    for name, (method, data, vectors) in CASES.items():
        if options.only and name not in options.only:
            continue
        split = published(options.folder(data), valid=0.1, vectors=vectors)
        described = method(schedule={"epochs": EPOCHS, "patience": None})
        with tempfile.TemporaryDirectory() as folder:
            run = replace(Run(valid=split.valid, device="cpu"), folder=Path(folder))
            described.fit(split.train, run)
            events = read_log(Path(folder))
        # The first epoch compiles.
        epochs = [one["seconds"] for one in events if one["event"] == "epoch"][1:]
        checks = [one["seconds"] for one in events if one["event"] == "validation"][1:]
        say(f"  {name}: epoch {median(epochs):.2f} s, validation {median(checks):.2f} s")
        share = median(checks) / median(epochs)
        results.append(Result(f"validation_share_{name.lower()}", share, "epochs"))
    return results
