"""What claims share: real data where there are some, several seeds, and figures that are kept.

`make claims` runs them and renews docs/methods/figures, from which the methods' pages are made.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import tesserec as tr
from tesserec.core import Dataset, Method, Recommender, Run, Split
from tesserec.evaluation import mark

FIGURES = Path(__file__).parent.parent.parent / "docs" / "methods" / "figures"
SEEDS = (0, 1, 2)


def folder(name: str) -> Path:
    """A folder below TESSEREC_DATA; the test is skipped where there is none."""
    root = os.environ.get("TESSEREC_DATA")
    if not root or not (Path(root) / name).is_dir():
        pytest.skip(f"needs {name} in the folder that TESSEREC_DATA names")
    return Path(root) / name


def real(name: str) -> Dataset:
    """A data set below TESSEREC_DATA; the test is skipped where there is none."""
    return tr.read(folder(name))


_fitted: dict[tuple[str, int, int], tuple[Split, Recommender]] = {}


def fitted(method: Method, split: Split, seed: int) -> Recommender:
    """Fit with early stopping on validation; a row that several claims share is fitted once."""
    key = json.dumps(method.to_dict(), sort_keys=True), id(split), seed
    if key not in _fitted:
        model = method.fit(split.train, Run(seed=seed, valid=split.valid))
        _fitted[key] = split, model  # the split stays, so that no other gets its id
    return _fitted[key][1]


def reached(method: Method, split: Split, metric: str, seed: int) -> float:
    """The metric on the test part."""
    return mark(fitted(method, split, seed), split.test, [metric])[metric]


def check_claim(
    *,
    method: str,
    claim: str,
    setting: str,
    metric: str,
    rows: Mapping[str, Callable[[int], float]],
    holds: Callable[[Mapping[str, float]], bool],
    seeds: tuple[int, ...] = SEEDS,
) -> None:
    """Measure every row with every seed, keep the figures, and assert the claim of the means."""
    began = time.perf_counter()
    values = {name: [measure(seed) for seed in seeds] for name, measure in rows.items()}
    means = {name: float(np.mean(row)) for name, row in values.items()}
    verdict = holds(means)
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]
    figures = {
        "claim": claim,
        "setting": f"{setting}; seeds {', '.join(map(str, seeds))}.",
        "metric": metric,
        "holds": verdict,
        "rows": [
            {
                "name": name,
                "mean": means[name],
                "spread": float(np.std(row, ddof=1)) if len(row) > 1 else 0.0,
                "values": ", ".join(f"{value:.4f}" for value in row),
            }
            for name, row in values.items()
        ],
        "command": f"make claims ARGS={test}",
        "seconds": time.perf_counter() - began,
    }
    _keep(method, test.rpartition("::")[2], figures)
    assert verdict, f"{claim}: {means}"


def _keep(method: str, name: str, figures: Mapping[str, object]) -> None:
    path = FIGURES / f"{method.lower()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**known, name: figures}, indent=1, sort_keys=True) + "\n")
