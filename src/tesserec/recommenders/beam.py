"""BeamRecommender: semantic ids are written token by token, and only those of items can be.

Scores are logarithms of probabilities: of the whole vocabulary of a level, so that they are the
unconstrained model's, or of the tokens alone that may follow, where it was trained so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Histories, Ragged, Recommendations, Requests
from tesserec.core.errors import BadSpec
from tesserec.parts.generation.state import State
from tesserec.parts.semantic_ids.trie import Trie
from tesserec.recommenders.answerer import Answerer
from tesserec.recommenders.product import shares_of
from tesserec.recommenders.top_k import (
    check,
    largest,
    nothing,
    padded,
    rank_candidates,
    rank_products,
    rank_scores,
)

BLOCK = 64  # histories read at once
BEAMS = 1 << 13  # beams written at once


@dataclass(frozen=True, eq=False)
class BeamRecommender(Answerer):
    """Answers for a network with `trie`, `start(requests)`, `advance(state)`, and `popularity`.

    `beam` prefixes are kept for each request, or k where more answers are asked for. With as
    many as there are items nothing is lost: the answers are those of scoring every item. What a
    request excludes is left out while searching, and so is a prefix below which all is excluded,
    so that no beam is lost to it. Somebody without a history is answered by popularity.

    Without `legal`, as in TIGER's paper, any token may follow any other, and what comes out as the
    id of no item, or of one that is excluded, is left out: then there may be fewer than k answers.
    Raises `BadSpec` where the network only tells tokens apart that may follow.
    """

    beam: int = 20
    legal: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.legal and cast(Any, self.network).children_alone:
            raise BadSpec(
                "What may not follow has no probability where children alone competed.",
                "Fit with children = false, or leave legal = true.",
            )

    def recommend(self, requests: Requests, k: int) -> Recommendations:
        check(k)
        with torch.inference_mode():
            if requests.candidates is not None:
                return rank_candidates(self.score(requests, requests.candidates), requests, k)
            found = nothing(len(requests), k)
            lengths = requests.history.items.lengths
            order = lengths.argsort(descending=True, stable=True)
            some = order[: int((lengths > 0).sum())]
            width = max(self.beam, k)
            if self.legal:
                width = min(width, len(self.catalog.items))
            for rows in _blocks(some, width):
                place, part = self._searched(requests[rows], width, k)
                found.items[rows[place]], found.scores[rows[place]] = part.items, part.scores
            rest = order[len(some) :]
            if len(rest):
                part = self._to_nobody(requests[rest], k)
                found.items[rest], found.scores[rest] = part.items, part.scores
        return found

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        """[B, C] -> [B, C]; -inf beside -1."""
        scores = torch.full(items.shape, -torch.inf)
        if not items.numel():
            return scores
        known = requests.history.items.lengths > 0
        with torch.inference_mode():
            for rows in _blocks(torch.nonzero(known)[:, 0], items.shape[1]):
                scores[rows] = self._teacher_forced(requests[rows], items[rows].clamp(min=0))
            scores[~known] = self._popularity.cpu()[items[~known].clamp(min=0)]
        return torch.where(items >= 0, scores, -torch.inf)

    def similar(self, items: Tensor, k: int) -> Recommendations:
        """Nearest by cosine of the sums of their tokens, the item itself left out."""
        unit = self._unit
        themselves = Ragged.of([[row] for row in items.tolist()])
        asked = Requests(torch.full_like(items, -1), Histories(themselves), exclude=themselves)
        return rank_products(unit[items], unit, asked, k)

    def shares(self, requests: Requests, items: Tensor) -> Tensor:
        """How near each history item is to the answer, the nearness above 0 shared out: [n]"""
        return shares_of(self._unit, requests, items)

    @property
    def item_vectors(self) -> Tensor:
        """What items are compared by, the sums of their tokens: [I, D]"""
        with torch.inference_mode():
            return cast(Callable[[], Tensor], self.network.item_vectors)().cpu()

    @property
    def _unit(self) -> Tensor:
        return functional.normalize(self.item_vectors, dim=1)

    @property
    def _popularity(self) -> Tensor:
        """The logarithm of each item's share of events: [I]"""
        events = cast(Tensor, self.network.popularity) + 1
        return (events / events.sum()).log()

    def _to_nobody(self, requests: Requests, k: int) -> Recommendations:
        scores = self._popularity.cpu().expand(len(requests), -1)
        return rank_scores(scores, replace(requests, candidates=None), k)

    def _begun(self, requests: Requests) -> tuple[State, Tensor, Trie]:
        network = cast(Any, self.network)
        state, order = network.start(requests)
        trie = cast(Trie, network.trie)
        return state, order, trie.to(cast(Tensor, network.popularity).device)

    def _next(self, state: State, trie: Trie, nodes: Tensor) -> "Steps":
        """Where the beams at some nodes [S, W] may go, and what that costs."""
        level = state.level
        network = cast(Any, self.network)
        logits = network.advance(state).float()
        children, there = trie.below(nodes, level)
        tokens = trie.tokens[level][children]
        found = logits.gather(2, tokens).masked_fill(~there, -torch.inf)
        whole = found if network.children_alone else logits
        whole = whole.logsumexp(2, keepdim=True)
        if self.legal:
            return Steps(children, tokens, (found - whole).masked_fill(~there, -torch.inf))
        size = trie.sizes[level]
        where = torch.full((*nodes.shape, size + 1), -1, device=nodes.device)
        where.scatter_(2, torch.where(there, tokens, size), children)
        tokens = torch.arange(size, device=nodes.device).expand(*nodes.shape, size)
        return Steps(where[..., :-1], tokens, logits - whole)

    def _searched(self, requests: Requests, width: int, k: int) -> tuple[Tensor, Recommendations]:
        """Which request each row answers, and the answers."""
        state, order, trie = self._begun(requests)
        dead = Dead(trie, requests[order])
        device = trie.item_of_leaf.device
        nodes = torch.zeros(len(requests), 1, dtype=torch.int64, device=device)
        scores = torch.zeros(len(requests), 1, device=device)
        for level in range(trie.levels):
            steps = self._next(state, trie, nodes)
            found = steps.scores + scores[..., None]
            if self.legal:
                found = found.masked_fill(dead(steps.nodes, level + 1), -torch.inf)
            count = found.shape[2]
            scores, place = largest(found.flatten(1), min(width, found.shape[1] * count))
            place = place.clamp(min=0)  # beams that are none go on as the first, scoring -inf
            nodes = steps.nodes.flatten(1).gather(1, place)
            if level + 1 < trie.levels:
                state.follow(place // count, steps.tokens.flatten(1).gather(1, place))
        gone = (nodes < 0) | dead(nodes[..., None], trie.levels)[..., 0]
        items = trie.item_of_leaf[nodes.clamp(min=0)]
        return order, _ordered(items, scores.masked_fill(gone, -torch.inf), k)

    def _teacher_forced(self, requests: Requests, items: Tensor) -> Tensor:
        """What the ids of given items cost: [S, C] -> [S, C]"""
        state, order, trie = self._begun(requests)
        items = items[order].to(trie.item_of_leaf.device)
        itself = torch.arange(items.shape[1], device=items.device).expand(items.shape)
        total = torch.zeros(items.shape, device=items.device)
        nodes = torch.zeros(len(items), 1, dtype=torch.int64, device=items.device)
        for level in range(trie.levels):
            costs = replace(self, legal=True)._next(state, trie, nodes).scores
            after = trie.node_of_item[level + 1][items]
            place = after - trie.starts[level][nodes]
            # Before the first token all items are one beam, the root.
            total = total + costs.expand(*items.shape, -1).gather(2, place[..., None])[..., 0]
            nodes = after
            if level + 1 < trie.levels:
                state.follow(itself if level else itself * 0, trie.tokens[level][nodes])
        scores = torch.empty_like(total)
        scores[order] = total
        return scores.cpu()


@dataclass(frozen=True, eq=False)
class Steps:
    """Where each of S x W beams may go."""

    nodes: Tensor  # [S, W, C] of the next level, -1 where no item lies below
    tokens: Tensor  # [S, W, C]
    scores: Tensor  # [S, W, C] logarithms of probabilities, -inf where there is no such step


class Dead:
    """Prefixes below which a request may not be answered with anything."""

    def __init__(self, trie: Trie, requests: Requests) -> None:
        device = trie.item_of_leaf.device
        allowed = requests.allowed
        which = None if allowed is None else torch.nonzero(allowed.to(device))[:, 0]
        self.trie = trie
        self.free = [trie.leaves(level, which) for level in range(trie.levels + 1)]
        self.keys: list[Tensor] = []  # of each level: row * nodes + node, in order
        rows, items = self._excluded(requests, device)
        for level, free in enumerate(self.free):
            key = rows * len(free) + trie.node_of_item[level][items]
            found, count = key.unique(return_counts=True)
            self.keys.append(found[count >= free[found % len(free)]])

    def __call__(self, nodes: Tensor, level: int) -> Tensor:
        """Which nodes of a level are dead for the request of their row: [S, W, C] -> [S, W, C]"""
        free, keys = self.free[level], self.keys[level]
        nodes = nodes.clamp(min=0)
        gone = free[nodes] == 0
        if len(keys):
            rows = torch.arange(len(nodes), device=nodes.device)[:, None, None]
            asked = rows * len(free) + nodes
            place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
            gone |= keys[place] == asked
        return gone

    @staticmethod
    def _excluded(requests: Requests, device: torch.device) -> tuple[Tensor, Tensor]:
        """What each request excludes, once each, and of what is allowed: [m], [m]"""
        if requests.exclude is None:
            nothing_at_all = torch.zeros(0, dtype=torch.int64, device=device)
            return nothing_at_all, nothing_at_all
        rows, items = requests.exclude.pairs()
        there = items >= 0
        if requests.allowed is not None:
            there &= requests.allowed[items.clamp(min=0)]
        pairs = torch.stack([rows[there], items[there]]).unique(dim=1)
        return pairs[0].to(device), pairs[1].to(device)


def _blocks(rows: Tensor, width: int) -> tuple[Tensor, ...]:
    """Requests that are answered together, each with so many beams."""
    return rows.split(max(1, min(BLOCK, BEAMS // max(width, 1)))) if len(rows) else ()


def _ordered(items: Tensor, scores: Tensor, k: int) -> Recommendations:
    """The k best, equal ones in the order of their rows, -1 where there are no more."""
    scores, items = scores.cpu(), items.cpu()
    items, place = torch.where(scores > -torch.inf, items, torch.iinfo(torch.int64).max).sort(1)
    scores, order = scores.gather(1, place).sort(dim=1, descending=True, stable=True)
    items = torch.where(scores > -torch.inf, items.gather(1, order), -1)
    return padded(items[:, :k], scores[:, :k], k)
