"""Answering: many questions, one forward pass, and the bytes of each answer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from tesserec.core import Explainer, Neighbours, Ragged, Recommendations, Requests
from tesserec.core.errors import BadRequest, CannotAnswer, UnknownId
from tesserec.serve.people import NOTHING, Past, joined
from tesserec.serve.questions import Near, Question, Why
from tesserec.serve.rows import Event
from tesserec.serve.served import Served

REASONS = 3  # items of the history that are named beside each answer
PAIRS = 1 << 18  # of answers and items of histories that are compared at once
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Since:
    """What the server was told of somebody; of the forgotten, all there is."""

    events: list[Event]
    is_forgotten: bool = False


Later = Callable[[Sequence[str]], list[Since]]


def recommend(questions: Sequence[Question], later: Later) -> list[bytes | Exception]:
    """Answers to questions of one group; `later` says what users did after the data.

    Raises `BadRequest` for a filter that cannot be read.
    """
    answers: list[bytes | Exception | None] = []
    asked, pasts = [], []
    for question, past in zip(questions, _pasts(questions, later), strict=True):
        answers.append(past if isinstance(past, Exception) else None)
        if isinstance(past, Past):
            asked.append(question)
            pasts.append(past)
    if asked:
        served = asked[0].served
        requests = _requests(asked, pasts)
        found = served.model.recommend(requests, max(question.k for question in asked))
        whys = reasons(served, requests, found) if asked[0].reasons else None
        bodies = iter(_bodies(asked, found, whys))
        answers = [next(bodies) if answer is None else answer for answer in answers]
    return [answer for answer in answers if answer is not None]


def similar(questions: Sequence[Near]) -> list[bytes | Exception]:
    """Answers to questions about one model. Raises `CannotAnswer` if it does not compare items."""
    served = questions[0].served
    if not isinstance(served.model, Neighbours):
        raise CannotAnswer(f"{name_of(served)} does not compare items.")
    items = torch.tensor([question.row for question in questions])
    found = served.model.similar(items, max(question.k for question in questions))
    heads = [_head(one.request_id, served, "item", one.item) for one in questions]
    ks = [question.k for question in questions]
    return list(_written(heads, ks, served, found, None))


def explain(questions: Sequence[Why], later: Later) -> list[bytes | Exception]:
    """The answer to one question about reasons. Raises what was wrong with it."""
    why = questions[0]
    question, served = why.question, why.question.served
    past = _pasts([question], later)[0]
    if isinstance(past, Exception):
        raise past
    if not len(past.items):
        raise BadRequest("Nothing is known of this user, so there are no reasons.")
    requests = _requests([question], [past])
    found = Recommendations(torch.tensor([[why.row]]), torch.zeros(1, 1))
    told = reasons(served, requests, found, question.k)[0]
    head = _head(question.request_id, served, "user", question.user)
    item = json.dumps(why.item, ensure_ascii=False)
    return [f'{head},"item":{item},"reasons":[{told}]}}'.encode()]


def reasons(
    served: Served, requests: Requests, found: Recommendations, most: int = REASONS
) -> list[str]:
    """For each answer [B, k], row after row, the items of the history that speak for it, as JSON.

    Raises `CannotAnswer` for models that do not know.
    """
    if not isinstance(served.model, Explainer):
        raise CannotAnswer(f"{name_of(served)} cannot explain its answers.")
    told = [""] * found.items.numel()
    lengths = requests.history.items.lengths
    there = (found.items >= 0) & (lengths > 0)[:, None]
    if not there.any():
        return told
    rows, places = torch.nonzero(there, as_tuple=True)
    parts = []
    for part in _parts(lengths[rows]):
        again = requests[rows[part]]
        shares = served.model.shares(again, found.items[there][part]).double()
        answers, history = (one.numpy() for one in again.history.items.pairs())
        columns = {"answer": answers + part.start, "row": history, "share": shares.numpy()}
        parts.append(pl.DataFrame(columns))
    best = (
        pl.concat(parts)
        .group_by("answer", "row")
        .agg(pl.col("share").sum())
        .filter(pl.col("share") > 0)
        .sort("answer", "share", "row", descending=[False, True, False])
        .group_by("answer", maintain_order=True)
        .head(most)
    )
    cells = (rows * found.items.shape[1] + places).tolist()
    shown = served.shown.gather(best["row"]).to_list()
    texts: dict[int, list[str]] = {}
    for answer, share, begun in zip(best["answer"], best["share"], shown, strict=True):
        texts.setdefault(answer, []).append(f'{begun},"share":{share:.6g}}}')
    for answer, several in texts.items():
        told[cells[answer]] = ",".join(several)
    return told


def _parts(lengths: Tensor) -> list[slice]:
    """Answers whose histories hold at most `PAIRS` items together, or one answer."""
    part = lengths.cumsum(0) // PAIRS
    ends = torch.unique_consecutive(part, return_counts=True)[1].cumsum(0).tolist()
    return [slice(first, end) for first, end in pairwise([0, *ends])]


def name_of(served: Served) -> str:
    """What the model's method is called, or its kind of pipeline."""
    return type(served.model.method or served.model).__name__


def _pasts(questions: Sequence[Question], later: Later) -> list[Past | Exception]:
    """What each person did, with what the server was told since."""
    served = questions[0].served
    users = [question.user for question in questions if question.user is not None]
    if not users or served.people is None:
        return [_given(question.history) for question in questions]
    people, items = served.people, served.items
    pasts: list[Past | Exception] = []
    for user, since in zip(users, later(users), strict=True):
        is_stranger = since.is_forgotten or user not in people.rows
        if is_stranger and not since.events:
            pasts.append(UnknownId(f"There is no user {user!r}.", "Ask with a history instead."))
        else:
            pasts.append(people.past(user, since.events, items, since.is_forgotten))
    return pasts


def _given(history: Sequence[int]) -> Past:
    return Past(np.array(history, np.int64)) if history else NOTHING


def _requests(questions: Sequence[Question], pasts: Sequence[Past]) -> Requests:
    """One batch of questions of a group."""
    served = questions[0].served
    history = joined(pasts)
    rows = [
        -1 if one.user is None or past.is_forgotten else served.row_of_user(one.user)
        for one, past in zip(questions, pasts, strict=True)
    ]
    candidates = None
    if questions[0].candidates is not None:
        candidates = Ragged.of([question.candidates or () for question in questions]).padded()
    exclude = None if served.seen == "allow" else history.items
    if any(question.exclude for question in questions):
        exclude = _with(exclude, questions)
    contexts = [question.context for question in questions]
    context = None if contexts[0] is None else pl.DataFrame(contexts)
    return Requests(
        torch.tensor(rows),
        history,
        context=context,
        candidates=candidates,
        exclude=exclude,
        allowed=served.allowed(questions[0].where),
    )


def _with(exclude: Ragged | None, questions: Sequence[Question]) -> Ragged:
    """What was seen, and what each question excludes beside it."""
    more = Ragged.of([question.exclude for question in questions])
    if exclude is None:
        return more
    (rows, items), (others, excluded) = exclude.pairs(), more.pairs()
    return Ragged.grouped(torch.cat([rows, others]), torch.cat([items, excluded]), len(questions))


def _bodies(
    questions: Sequence[Question], found: Recommendations, whys: list[str] | None
) -> list[bytes]:
    served = questions[0].served
    heads = [_head(one.request_id, served, "user", one.user) for one in questions]
    return _written(heads, [question.k for question in questions], served, found, whys)


def _head(request_id: str, served: Served, name: str, value: str | None) -> str:
    told = json.dumps(value, ensure_ascii=False)
    version = json.dumps(served.version.name, ensure_ascii=False)
    return f'{{"request_id":"{request_id}","model":{version},"{name}":{told}'


def _written(
    heads: Sequence[str],
    ks: Sequence[int],
    served: Served,
    found: Recommendations,
    whys: list[str] | None,
) -> list[bytes]:
    """Each answer as JSON: its head, and its own k best items."""
    items, scores = _cut(found.items, ks), found.scores
    there = items >= 0
    counts = there.sum(1).tolist()
    shown = served.shown.gather(items[there]).to_list()
    numbers = np.clip(scores.double().numpy()[there], -LARGEST, LARGEST).tolist()
    if whys is None:
        texts = [f'{one},"score":{x:.7g}}}' for one, x in zip(shown, numbers, strict=True)]
    else:
        told = [whys[cell] for cell in np.flatnonzero(there).tolist()]
        three = zip(shown, numbers, told, strict=True)
        texts = [f'{one},"score":{x:.7g},"reasons":[{why}]}}' for one, x, why in three]
    bodies, at = [], 0
    for head, count in zip(heads, counts, strict=True):
        bodies.append(f'{head},"items":[{",".join(texts[at : at + count])}]}}'.encode())
        at += count
    return bodies


def _cut(items: Tensor, ks: Sequence[int]) -> NDArray[np.int64]:
    """The first k of each row, nothing behind them: [B, most] -> [B, most]"""
    table = items.numpy()
    if all(k == table.shape[1] for k in ks):
        return table
    return np.where(np.arange(table.shape[1]) < np.array(ks)[:, None], table, -1)
