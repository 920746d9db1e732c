"""VSKNN: people whose sessions hold what this one holds, its latest events above all.

Vector multiplication session-based kNN (V-SKNN in Ludewig and Jannach, UMUAI 2018,
arXiv:1803.09587). The session at hand is a vector in which later events weigh more, a training
session the set of its items, and their product is the similarity. Items are scored by the
`neighbours` most similar among the `sample` latest sessions that share an item.
"""

from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from tesserec.core import Answering, Catalog, Dataset, Ragged, Requests, Run
from tesserec.core.kernels import kernel
from tesserec.core.parallel import balanced, in_parallel
from tesserec.recommenders import ScoreRecommender
from tesserec.training import ClosedForm

Count = Annotated[int, Field(ge=1)]
Power = Annotated[float, Field(ge=0)]

UNMET = 1e-6  # what the most popular item scores where no neighbour has it


class VSKNN(ClosedForm):
    """Recommend what the most similar of the latest sessions hold."""

    needs: ClassVar = frozenset({"order"})
    keeps_events: ClassVar = True

    neighbours: Count = 100  # k, as in the authors' code, whose defaults all of these are
    sample: Count = 1000  # m, latest sessions that are compared
    decay: Power = 1.0  # event x of n weighs (x / n) ** decay; 0: all alike, as in S-KNN
    match_decay: Power = 1.0  # a session whose last shared event is y-th from the end: y ** -this
    idf: Power = 0.0  # an item in n of S sessions scores 1 + idf log(S / n) times as much
    length: Count = 50  # events of a request that count, the last ones; ours

    def network(self, data: Dataset) -> nn.Module:
        return Network(self, data)

    def solve(self, network: nn.Module, data: Dataset, run: Run) -> None:
        assert isinstance(network, Network)
        network.fill(data)

    def answer(self, network: nn.Module, catalog: Catalog) -> Answering:
        return ScoreRecommender(network, catalog)


class Network(nn.Module):
    """Every training session, oldest first: which items it holds, and which sessions hold an item.

    A session is what one user did. Nobody is their own neighbour.
    """

    def __init__(self, method: VSKNN, data: Dataset) -> None:
        super().__init__()
        self.method = method
        sessions, items = len(data.catalog.users), len(data.catalog.items)
        nothing, whole = torch.zeros(0, dtype=torch.int64), torch.int64
        self.user: Tensor
        self.item_ends: Tensor
        self.items: Tensor
        self.session_ends: Tensor
        self.sessions: Tensor
        self.factor: Tensor
        self.share: Tensor
        self.register_buffer("user", torch.zeros(sessions, dtype=whole))  # [S] whose session it is
        self.register_buffer("item_ends", torch.zeros(sessions, dtype=whole))  # [S]
        self.register_buffer("items", nothing)  # [n] of each session
        self.register_buffer("session_ends", torch.zeros(items, dtype=whole))  # [I]
        self.register_buffer("sessions", nothing.clone())  # [n] of each item
        self.register_buffer("factor", torch.ones(items))  # [I]
        self.register_buffer("share", torch.zeros(items))  # [I] scores where nobody is alike

    def fill(self, data: Dataset) -> None:
        """Keep the sessions."""
        self.user.copy_(_by_age(data))
        kept = data.positives[self.user].compact()
        rows, items = kept.pairs()
        by_item = Ragged.grouped(items, rows, len(self.share))
        self.items, self.sessions = kept.values, by_item.values
        self.item_ends.copy_(kept.ends)
        self.session_ends.copy_(by_item.ends)
        rarity = (data.active.sum() / by_item.lengths.clamp(min=1)).log()
        self.factor.copy_(1 + self.method.idf * rarity)
        self.share.copy_(UNMET * data.popularity / data.popularity.max())

    def score_all(self, requests: Requests) -> Tensor:
        """[B, I]"""
        return self.sums(requests.history.items, requests.user)

    def likeness(self, items: Tensor) -> Tensor:
        """What a session of one item leads to: [n, I]"""
        return self.sums(Ragged.packed(items, torch.ones_like(items)), torch.full_like(items, -1))

    def sums(self, histories: Ragged, askers: Tensor) -> Tensor:
        """The similarities of the neighbours that hold an item, added up: [B, I]"""
        scores = self.share.repeat(len(histories), 1)
        near, similarity, fading = self._neighbours(histories, askers)
        arrays = (near, similarity * fading, *self._arrays("item_ends", "items", "factor"))
        bounds = _bounds(histories, self.method.neighbours)
        in_parallel(_add_up, bounds, *arrays, scores.numpy())
        return scores

    def contributions(self, requests: Requests, items: Tensor) -> Tensor:
        """What each event adds to the score of one item, by its part of the similarities: [n]"""
        histories = requests.history.items
        near, _, fading = self._neighbours(histories, requests.user)
        added = torch.zeros(int(histories.lengths.sum()))
        arrays = self._arrays("item_ends", "items", "factor")
        packed = histories.compact()
        recent = packed.last(self.method.length)
        question = (recent.values.numpy(), recent.starts.numpy(), recent.ends.numpy())
        decay = self.method.decay
        bounds = _bounds(histories, self.method.neighbours)
        in_parallel(
            _credit, bounds, *question, decay, near, fading, *arrays, items.numpy(), added.numpy()
        )
        return added

    def _neighbours(self, histories: Ragged, askers: Tensor) -> tuple[Any, Any, Any]:
        """The most similar sessions, how similar, how faded: [B, K], -1 and 0 where there are fewer

        Equally similar ones are ordered by age, the latest first.
        """
        method = self.method
        recent = histories.last(method.length)
        near = np.full((len(recent), method.neighbours), -1, np.int64)
        similarity, fading = np.zeros(near.shape), np.zeros(near.shape)
        question = (one.numpy() for one in (recent.values, recent.starts, recent.ends, askers))
        longest = int(recent.lengths.max()) if len(recent) else 0
        fields = (longest, method.sample, method.decay, method.match_decay)
        arrays = self._arrays("user", "session_ends", "sessions")
        bounds = _bounds(recent, method.sample)
        in_parallel(_find, bounds, *question, *fields, *arrays, near, similarity, fading)
        return near, similarity, fading

    def _arrays(self, *names: str) -> list[Any]:
        return [getattr(self, name).numpy() for name in names]


def _by_age(data: Dataset) -> Tensor:
    """The users by their last event, the latest last; where no time is known, by row: [U]"""
    last = torch.zeros(len(data.catalog.users), dtype=torch.int64)
    if data.interactions.clock == "seconds":
        time = data.interactions.column("time")
        last.scatter_reduce_(0, data.interactions.users, time, "amax", include_self=False)
    return torch.argsort(last, stable=True)


def _bounds(histories: Ragged, width: int) -> list[int]:
    return balanced(histories.lengths.add(1).cumsum(0).numpy(), width)


@kernel()
def _find(  # type: ignore[no-untyped-def]
    chosen, starts, ends, askers, longest, sample, decay, match_decay, user, session_ends, sessions,
    near, similarity, fading, first, last
):  # fmt: skip
    """Merge the sessions of a request's items from the latest back; keep the most similar."""
    head = np.empty(longest, np.int64)  # the place of each item's latest session not yet passed
    stop = np.empty(longest, np.int64)  # the place before its first
    weight = np.empty(longest, np.float64)
    for r in range(first, last):
        count = ends[r] - starts[r]
        for p in range(count):
            item = chosen[starts[r] + p]
            head[p] = session_ends[item] - 1
            stop[p] = (session_ends[item - 1] if item > 0 else 0) - 1
            weight[p] = ((p + 1) / count) ** decay
            if _comes_again(chosen, starts[r] + p, ends[r]):
                head[p] = stop[p]
        met = 0
        found = 0
        while met < sample:
            session = -1
            for p in range(count):
                if head[p] > stop[p]:
                    session = max(session, sessions[head[p]])
            if session < 0:
                break
            value, latest = 0.0, 0
            for p in range(count):
                if head[p] > stop[p] and sessions[head[p]] == session:
                    value += weight[p]
                    latest = p
                    head[p] -= 1
            if user[session] == askers[r]:
                continue
            met += 1
            faded = float(count - latest) ** -match_decay
            found = _keep(session, value, faded, near[r], similarity[r], fading[r], found)


@kernel()
def _comes_again(chosen, place, end):  # type: ignore[no-untyped-def]
    later = place + 1
    while later < end and chosen[later] != chosen[place]:
        later += 1
    return later < end


@kernel()
def _keep(session, value, faded, near, similarity, fading, found):  # type: ignore[no-untyped-def]
    """Insert a session behind its equals, all of which are later; return how many there are."""
    k = len(near)
    if found == k and value <= similarity[k - 1]:
        return found
    place = min(found, k - 1)
    while place > 0 and value > similarity[place - 1]:
        near[place] = near[place - 1]
        similarity[place] = similarity[place - 1]
        fading[place] = fading[place - 1]
        place -= 1
    near[place], similarity[place], fading[place] = session, value, faded
    return min(found + 1, k)


@kernel()
def _add_up(  # type: ignore[no-untyped-def]
    near, strength, item_ends, items, factor, scores, first, last
):
    for r in range(first, last):
        for n in range(near.shape[1]):
            session = near[r, n]
            if session < 0:
                break
            for e in range(item_ends[session - 1] if session > 0 else 0, item_ends[session]):
                scores[r, items[e]] += strength[r, n] * factor[items[e]]


@kernel()
def _credit(  # type: ignore[no-untyped-def]
    chosen, starts, ends, decay, near, fading, item_ends, items, factor, wanted, added, first, last
):
    for r in range(first, last):
        for n in range(near.shape[1]):
            session = near[r, n]
            if session < 0:
                break
            held = items[(item_ends[session - 1] if session > 0 else 0) : item_ends[session]]
            if not _holds(held, wanted[r]):
                continue
            for p in range(starts[r], ends[r]):
                if _holds(held, chosen[p]) and not _comes_again(chosen, p, ends[r]):
                    weight = ((p - starts[r] + 1) / (ends[r] - starts[r])) ** decay
                    added[p] += weight * fading[r, n] * factor[wanted[r]]


@kernel()
def _holds(held, item):  # type: ignore[no-untyped-def]
    """Whether an item is in a session; its items are in the order of rows."""
    place = np.searchsorted(held, item)
    return place < len(held) and held[place] == item
