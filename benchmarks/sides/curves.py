"""Points of a learning curve, for sides that rank with tables of scores."""

from collections.abc import Callable

import numpy as np


def due(epoch: int, seconds: float, last: float, limit: float) -> bool:
    """After epochs 1, 2, 4, 8, ... and whenever a tenth of the time has passed, and at the end."""
    return epoch & (epoch - 1) == 0 or seconds >= last + limit / 10 or seconds >= limit


def marks(
    score: Callable[[np.ndarray], np.ndarray],
    seen: dict[int, np.ndarray],
    test: np.ndarray,
    k: int,
    block: int = 512,
) -> dict[str, float]:
    """Recall and NDCG of one item to find per user; scores [B, I] of some users come at a time."""
    gains = []
    for first in range(0, len(test), block):
        users, items = test[first : first + block].T
        table = score(users)
        own = table[np.arange(len(users)), items]
        for row, user in enumerate(users):
            table[row, seen[int(user)]] = -np.inf
        rank = (table > own[:, None]).sum(1)
        gains.append(np.where(rank < k, 1 / np.log2(rank + 2.0), 0.0))
    gain = np.concatenate(gains)
    return {"recall": float((gain > 0).mean()), "ndcg": float(gain.mean())}
