"""Asking a recommender everything in a holdout, and marking the answers.

`TopK` asks for ranked lists over the whole catalogue, or over `requests.candidates`, and, where a
metric needs them, for scores. Nothing here holds a user x item matrix: requests go in blocks.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import (
    Holdout,
    Progress,
    Recommendations,
    Recommender,
    Requests,
    Scorer,
    Silent,
)
from tesserec.core.errors import CannotAnswer
from tesserec.evaluation import metrics as measures
from tesserec.evaluation.metrics import Answers, Floats, Metric

HELD = 1 << 24  # answers held at once where all items that are allowed are ranked


@dataclass(frozen=True)
class Marks:
    """What was measured: values per request where a metric has them, and one number each."""

    each: Mapping[str, Floats]  # "recall@20" -> [B]
    overall: Mapping[str, float]  # "coverage@20", and the mean of every metric above
    answers: Answers
    seconds: float

    def __getitem__(self, name: str) -> float:
        return self.overall[str(measures.parse(name)[0])]


def mark(
    recommender: Recommender,
    holdout: Holdout,
    metrics: Sequence[str] | str,
    progress: Progress | None = None,
    block: int = 4096,
) -> Marks:
    """Ask every request of the holdout and compute the metrics.

    Raises `CannotAnswer` when a metric looks at scores and the recommender gives none.
    """
    began = time.perf_counter()
    wanted = measures.parse(metrics)
    deepest = max((metric.k for metric in wanted), default=1) or 1
    answers = _ask(recommender, holdout, deepest, progress or Silent(), block)
    each: dict[str, Floats] = {}
    overall: dict[str, float] = {}
    for metric in wanted:
        if metric.sort == "ranked":
            each[str(metric)] = measures.RANKED[metric.name](answers, metric.k)
        elif metric.sort == "overall":
            value = measures.OVERALL[metric.name]
            overall[str(metric)] = value(answers, metric.k, len(recommender.catalog.items))
    scored = [metric for metric in wanted if metric.sort == "scored"]
    if scored:
        _mark_scores(recommender, holdout, scored, each, overall)
    overall |= {name: float(np.nanmean(values)) for name, values in each.items() if len(values)}
    return Marks(each, overall, answers, time.perf_counter() - began)


def _ask(
    recommender: Recommender, holdout: Holdout, k: int, progress: Progress, block: int
) -> Answers:
    lists = []
    progress.start("evaluate", len(holdout))
    for start in range(0, len(holdout), block):
        part = holdout.requests[start : start + block]
        if part.allowed is None:
            lists.append(recommender.recommend(part, k).items)
        else:
            lists.append(_fairly(recommender, part, k, start))
        progress.advance(len(lists[-1]), {})
    progress.finish()
    items = torch.cat(lists) if lists else torch.zeros(0, k, dtype=torch.int64)
    popularity = None if holdout.popularity is None else holdout.popularity.numpy()
    return Answers(
        items=items.numpy(),
        hits=_right(items, holdout).numpy(),
        relevant=holdout.truth.lengths.numpy(),
        popularity=popularity,
        wanted=holdout.truth.pairs()[1].unique().numpy(),
        vectors=_content(recommender),
    )


def _fairly(recommender: Recommender, requests: Requests, k: int, seed: int) -> Tensor:
    """The first k among some items, equal scores in an order drawn anew for each request: [B, k]

    Where only new items are allowed, some methods score all alike. The order of rows, which breaks
    ties elsewhere, often tells what was popular or came first, and would count as their merit.
    """
    found = recommender.recommend(requests, k + 1)
    assert requests.allowed is not None
    everything = max(k, int(requests.allowed.sum()))
    if bool(_tied(found.scores).any()) and everything > k:
        size = max(1, HELD // everything)
        parts = (requests[slice(at, at + size)] for at in range(0, len(requests), size))
        found = Recommendations.joined([recommender.recommend(one, everything) for one in parts])
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(found.items.shape, generator=generator).argsort(1)
    drawn = found.scores.gather(1, order)
    order = order.gather(1, drawn.argsort(dim=1, descending=True, stable=True))
    return found.items.gather(1, order)[:, :k]


def _tied(scores: Tensor) -> Tensor:
    """Which of descending scores equal the one before: [B, k - 1] bool"""
    return (scores[:, 1:] == scores[:, :-1]) & (scores[:, 1:] > -torch.inf)


def _right(items: Tensor, holdout: Holdout) -> Tensor:
    """Which answers are in the truth of their request: [B, K]"""
    rows, true_items = holdout.truth.pairs()
    if not len(true_items) or not items.numel():
        return torch.zeros_like(items, dtype=torch.bool)
    width = 1 + int(torch.maximum(true_items.max(), items.max()))
    known = (rows * width + true_items).sort().values
    asked = torch.arange(len(items))[:, None] * width + items
    place = torch.searchsorted(known, asked).clamp(max=len(known) - 1)
    return (known[place] == asked) & (items >= 0)


def _content(recommender: Recommender) -> NDArray[np.float32] | None:
    """One unit vector per item: the first table of content vectors there is."""
    tables = recommender.catalog.items.vectors
    real = [table for name, table in sorted(tables.items()) if not table.is_meta]
    if not real:
        return None
    return torch.nn.functional.normalize(real[0].float(), dim=1).numpy()


def _mark_scores(
    recommender: Recommender,
    holdout: Holdout,
    metrics: Sequence[Metric],
    each: dict[str, Floats],
    overall: dict[str, float],
) -> None:
    if not isinstance(recommender, Scorer):
        raise CannotAnswer(
            f"{type(recommender).__name__} ranks but gives no scores.",
            f"Leave out {', '.join(map(str, metrics))}.",
        )
    names = {metric.name for metric in metrics}
    if holdout.requests.candidates is not None:
        overall |= _marks_of_logged(recommender, holdout, names)
        return
    if "logloss" in names:
        raise CannotAnswer("logloss needs logged candidates with labels.", "Leave it out.")
    own, sizes = _auc_over_catalogue(recommender, holdout)
    if "auc" in names:
        each["auc"] = own
    if "gauc" in names:
        usable = ~np.isnan(own)
        overall["gauc"] = float(np.average(own[usable], weights=sizes[usable]))


def _marks_of_logged(recommender: Scorer, holdout: Holdout, names: set[str]) -> dict[str, float]:
    """auc and logloss over all logged pairs; gauc per request, weighted by its pairs."""
    items = holdout.requests.candidates
    assert items is not None
    there = (items >= 0).numpy()
    scores = recommender.score(holdout.requests, items).double().numpy()
    labels = _right(items, holdout).numpy()
    found = {}
    if "auc" in names:
        found["auc"] = measures.auc(scores[there], labels[there])
    if "logloss" in names:
        found["logloss"] = measures.logloss(scores[there], labels[there])
    if "gauc" in names:
        own = np.array(
            [measures.auc(s[t], y[t]) for s, y, t in zip(scores, labels, there, strict=True)]
        )
        usable = ~np.isnan(own)  # a request needs a positive and a negative
        sizes = np.where(usable, there.sum(1), 0)
        found["gauc"] = float(np.nan_to_num(own) @ sizes / sizes.sum()) if usable.any() else np.nan
    return found


def _auc_over_catalogue(
    recommender: Scorer, holdout: Holdout, block: int = 256
) -> tuple[Floats, NDArray[np.int64]]:
    """Per request: the chance that a relevant item scores above another, and how many counted."""
    everything = torch.arange(len(holdout.popularity)) if holdout.popularity is not None else None
    if everything is None:
        raise CannotAnswer("auc needs a holdout made by a split.", "Leave it out.")
    values, sizes = [], []
    for start in range(0, len(holdout), block):
        part = holdout[slice(start, start + block)]
        scores = recommender.score(part.requests, everything.expand(len(part), -1)).double()
        # What cannot be answered scores lowest, but above what must not be.
        scores = scores.nan_to_num(nan=torch.finfo(scores.dtype).min)
        if part.requests.exclude is not None:
            scores[part.requests.exclude.pairs()] = -torch.inf
        if part.requests.allowed is not None:
            scores[:, ~part.requests.allowed] = -torch.inf
        hidden = (scores == -torch.inf).sum(1)
        truth = part.truth.padded(fill=-1)
        own = scores.gather(1, truth.clamp(min=0))
        ordered = scores.sort(1).values
        below = torch.searchsorted(ordered, own)
        upto = torch.searchsorted(ordered, own, right=True)
        rank = (below + upto + 1) / 2 - hidden[:, None]
        positives = part.truth.lengths
        negatives = len(everything) - hidden - positives
        total = torch.where(truth >= 0, rank, 0).sum(1)
        # Where nothing is left to compare with, 0 / 0 says so.
        values.append(((total - positives * (positives + 1) / 2) / (positives * negatives)).numpy())
        sizes.append((positives + negatives).numpy())
    return np.concatenate(values), np.concatenate(sizes)
