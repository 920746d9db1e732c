"""implicit's own ALS and item neighbours."""

import os
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender

from benchmarks.sides.wire import serve, timed

THREADS = int(os.environ["OMP_NUM_THREADS"])
# It wants the products inside a thread to stay there.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

held: dict[str, Any] = {}


def version() -> dict[str, Any]:
    return {"version": f"implicit {version_of('implicit')}, numpy {np.__version__}"}


def load(folder: str) -> None:
    train = np.load(Path(folder) / "train.npy")
    ones = np.ones(len(train), np.float32)
    held["train"] = sp.csr_matrix((ones, (train[:, 0], train[:, 1])))
    test = np.load(Path(folder) / "test.npy")
    held["users"] = np.unique(test[:, 0])
    order = np.argsort(test[:, 0], kind="stable")
    starts = np.unique(test[order, 0], return_index=True)[1]
    held["truth"] = np.split(test[order, 1], starts[1:])


def fit(method: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Learn, and how good the answers are."""
    if method == "ALS":
        settings = {"factors": fields["dim"], "iterations": fields["epochs"]}
        more = {"alpha": fields["alpha"], "regularization": fields["regularization"]}
        model = AlternatingLeastSquares(**settings, **more, num_threads=THREADS, random_state=0)
    else:
        model = CosineRecommender(K=fields["neighbours"], num_threads=THREADS)
    seconds, _ = timed(lambda: model.fit(held["train"], show_progress=False))
    held["fitted"] = model
    return {"seconds": [seconds], "recall@20": _recall(_lists())}


def recommend() -> dict[str, Any]:
    """The best 20 of everything unseen, for everybody who is asked about."""
    seconds, _ = timed(_lists)
    return {"seconds": [seconds], "users": len(held["users"])}


def _lists() -> np.ndarray:
    users = held["users"]
    found = held["fitted"].recommend(
        users, held["train"][users], N=20, filter_already_liked_items=True
    )
    return np.asarray(found[0])


def _recall(lists: np.ndarray) -> float:
    pairs = zip(lists, held["truth"], strict=True)
    return float(np.mean([np.isin(true, best).mean() for best, true in pairs]))


if __name__ == "__main__":
    serve(version=version, load=load, fit=fit, recommend=recommend)
