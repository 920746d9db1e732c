"""Full-ranking evaluation on gowalla: scores of all items, mask, top 20, recall and NDCG.

All sides answer for the same tables of vectors. Peers are asked about fewer users, for their
patience's sake; what they take per user is what counts. RecBole is timed as it ships, where a
batch is 4,096 scores and so one user, and with batches of 256 users. LightGCN-PyTorch spreads the
vectors over its graph again for each batch of 100. Floor: the matrix product of all scores.
"""

from statistics import median
from typing import Any

import numpy as np

from benchmarks.counting import ranking
from benchmarks.data import hand_over, published
from benchmarks.harness import Options, Result, Side, Sides, against, say
from benchmarks.machine import Limits
from tesserec.core import Run, Split
from tesserec.methods.collaborative.als import ALS

PEERS = ("recbole", "lightgcn-pytorch")
USERS_OF_PEERS = 1999  # LightGCN-PyTorch wants its last batch of 100 to be incomplete
SANE = 256  # users in a batch


def run(options: Options) -> list[Result]:
    split = published(options.folder("gowalla-lightgcn"))
    items = len(split.train.catalog.items)
    with Sides(options, PEERS) as sides:
        folder = str(sides.folder)
        hand_over(split, sides.folder)
        _write_vectors(split, folder)
        for side in sides.all:
            side.ask("load", folder=folder)
            side.ask("set_up", batch=2048)
        _compare(sides, folder)
        ways = _ways(sides, items)
        per_user: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, (side, facts) in ways.items():
                found = side.ask("evaluate", folder=folder, **facts)
                per_user[name].append(found["seconds"][0] / found["users"])
        limits = Limits.told(sides.ours.ask("limits"))
    floor = limits.seconds(operations=ranking(1, items, 64)) / median(per_user["ours"])
    return against("full_ranking_evaluation", "users/s", per_user, units=1.0, floor=floor)


def _ways(sides: Sides, items: int) -> dict[str, tuple[Side, dict[str, Any]]]:
    """Who is asked, and for what: we rank for everybody."""
    ways = {side.name: (side, {"users": USERS_OF_PEERS}) for side in sides.peers}
    if "recbole" in ways:
        sane = {"users": USERS_OF_PEERS, "batch": SANE * items}
        ways["recbole-sane"] = (ways["recbole"][0], sane)
    return {"ours": (sides.ours, {"users": 0}), **ways}


def _write_vectors(split: Split, folder: str) -> None:
    """Vectors that rank with some sense, so that the sides' figures can be compared."""
    tables = ALS(epochs=3).fit(split.train, Run()).tables()
    for name in ("users", "items"):
        np.save(f"{folder}/{name}.npy", tables[name].numpy())


def _compare(sides: Sides, folder: str) -> None:
    """Same vectors, same users: the same recall, but for LightGCN-PyTorch's own vectors."""
    for side in sides.all:
        found = side.ask("evaluate", folder=folder, users=USERS_OF_PEERS)["recall@20"]
        say(f"  recall@20 of {USERS_OF_PEERS} users: {found:.4f} by {side.name}")
