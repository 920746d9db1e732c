"""Metrics: pure functions on arrays of answers.

Conventions, equal to trec_eval: binary gain, log2 discount, the ideal list cut at k, average
precision and recall divided by the number of relevant items. Answers come already ordered; ties
were broken by item row. Letters: B requests, K answers each, I items.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tesserec.core.errors import BadSpec, NoContent
from tesserec.core.spec import nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """B ranked lists, what in them was right, and what is known about the items."""

    items: Ints  # [B, K], -1 pads
    hits: NDArray[np.bool_]  # [B, K]
    relevant: Ints  # [B] how many items would have been right
    popularity: Ints | None = None  # [I] training events
    wanted: Ints | None = None  # the distinct items that were to be found by anybody
    vectors: NDArray[np.float32] | None = None  # [I, D] of unit length, or 0 where missing


def recall(answers: Answers, k: int) -> Floats:
    """Share of the relevant items that are among the first k."""
    return np.asarray(answers.hits[:, :k].sum(1) / answers.relevant)


def precision(answers: Answers, k: int) -> Floats:
    """Share of the first k places that hold a relevant item."""
    return np.asarray(answers.hits[:, :k].sum(1) / k)


def hit(answers: Answers, k: int) -> Floats:
    """1 if a relevant item is among the first k."""
    return np.asarray(answers.hits[:, :k].any(1), np.float64)


def ndcg(answers: Answers, k: int) -> Floats:
    """Discounted gain of the first k places over that of the best possible list cut at k."""
    hits = answers.hits[:, :k]
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(answers.relevant, k) - 1]
    return np.asarray((hits @ discount[: hits.shape[1]]) / ideal)


def map_(answers: Answers, k: int) -> Floats:
    """Average precision at the relevant places among the first k, over all relevant items."""
    hits = answers.hits[:, :k]
    at = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((at * hits).sum(1) / answers.relevant)


def mrr(answers: Answers, k: int) -> Floats:
    """One over the place of the first relevant item, 0 if it is not among the first k."""
    hits = answers.hits[:, :k]
    return np.where(hits.any(1), 1 / (1 + hits.argmax(1)), 0.0)


def novelty(answers: Answers, k: int) -> Floats:
    """Mean surprise -log2 p(item) of the first k; p is the share of training events plus one."""
    counts = _popularity(answers) + 1
    return _mean_over_list(answers, k, -np.log2(counts / counts.sum()))


def popularity(answers: Answers, k: int) -> Floats:
    """Mean number of training events of the first k items."""
    return _mean_over_list(answers, k, _popularity(answers).astype(np.float64))


def cold(answers: Answers, k: int) -> Floats:
    """Share of the first k items that no training event told of."""
    return _mean_over_list(answers, k, (_popularity(answers) == 0).astype(np.float64))


def ild(answers: Answers, k: int) -> Floats:
    """Intra-list diversity: mean cosine distance between the content vectors of the first k."""
    if answers.vectors is None:
        raise NoContent("ild@k compares item vectors, and there are none.", "Leave it out.")
    items = answers.items[:, :k]
    there = items >= 0
    vectors = answers.vectors[np.maximum(items, 0)] * there[:, :, None]
    total = vectors.sum(1)
    own = (vectors**2).sum((1, 2))
    pairs = there.sum(1) * (there.sum(1) - 1)
    likeness = ((total**2).sum(1) - own) / np.maximum(pairs, 1)
    return np.where(pairs > 0, 1 - likeness, 0.0)


def coverage(answers: Answers, k: int, items: int) -> float:
    """Share of the catalogue that is among anybody's first k."""
    shown = np.unique(answers.items[:, :k])
    return float((shown >= 0).sum() / items)


def gini(answers: Answers, k: int, items: int) -> float:
    """How unequally places are shared among items: 0 all alike, towards 1 one item takes all."""
    shown = answers.items[:, :k].ravel()
    counts = np.sort(np.bincount(shown[shown >= 0], minlength=items))
    if counts.sum() == 0:
        return 0.0
    place = np.arange(1, items + 1)
    return float(((2 * place - items - 1) * counts).sum() / (items * counts.sum()))


def reach(answers: Answers, k: int, items: int) -> float:
    """Share of the items that were to be found by somebody that are among anybody's first k."""
    if answers.wanted is None:
        raise NoContent("reach@k needs to know what was to be found.", "Leave it out.")
    return float(np.isin(answers.wanted, answers.items[:, :k]).mean())


def auc(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Chance that a positive scores above a negative, ties counting half; NaN without both."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]  # mean rank among equals, from 1
    return float((rank[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def logloss(scores: Floats, labels: NDArray[np.bool_]) -> float:
    """Mean cross-entropy, scores being logits."""
    return float((np.logaddexp(0, scores) - scores * labels).mean())


def _popularity(answers: Answers) -> Ints:
    if answers.popularity is None:
        raise NoContent("This metric needs the training events per item.", "Leave it out.")
    return answers.popularity


def _mean_over_list(answers: Answers, k: int, value: Floats) -> Floats:
    items = answers.items[:, :k]
    there = items >= 0
    total = np.where(there, value[np.maximum(items, 0)], 0).sum(1)
    return np.asarray(total / np.maximum(there.sum(1), 1))


RANKED: Mapping[str, Callable[[Answers, int], Floats]] = {
    "recall": recall,
    "precision": precision,
    "hit": hit,
    "ndcg": ndcg,
    "map": map_,
    "mrr": mrr,
    "novelty": novelty,
    "popularity": popularity,
    "cold": cold,
    "ild": ild,
}
OVERALL: Mapping[str, Callable[[Answers, int, int], float]] = {
    "coverage": coverage,
    "gini": gini,
    "reach": reach,
}
SCORED = ("auc", "gauc", "logloss")

Sort = Literal["ranked", "overall", "scored"]


@dataclass(frozen=True)
class Metric:
    """A metric and where its list is cut; `k` is 0 for those that look at scores."""

    name: str
    k: int = 0

    @property
    def sort(self) -> Sort:
        """Whether it is a number per request, one for all lists, or looks at scores."""
        if self.name in RANKED:
            return "ranked"
        return "overall" if self.name in OVERALL else "scored"

    def __str__(self) -> str:
        return f"{self.name}@{self.k}" if self.k else self.name


def parse(names: Sequence[str] | str) -> list[Metric]:
    """Metrics from `recall@20`, `NDCG@10`, `auc`; commas separate. Raises `BadSpec`."""
    if isinstance(names, str):
        names = names.split(",")
    return [_one(part.strip()) for name in names for part in name.split(",") if part.strip()]


def _one(text: str) -> Metric:
    match = re.fullmatch(r"([a-z]+)(?:@(\d+))?", text.lower())
    name = match[1] if match else text
    known = [*RANKED, *OVERALL, *SCORED]
    if match is None or name not in known:
        raise BadSpec(f"There is no metric {text!r}{nearest(name, known)}.")
    if (match[2] is None) != (name in SCORED) or match[2] == "0":
        wanted = name if name in SCORED else f"{name}@10"
        raise BadSpec(f"{text!r} is not a metric.", f"Write {wanted!r}.")
    return Metric(name, int(match[2] or 0))
