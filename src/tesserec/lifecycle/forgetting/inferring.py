"""Can what was forgotten be told from what is left? It is ranked among items drawn at random.

The test of Xin et al., WSDM 2024, arXiv:2312.14447: lower is better.
"""

from dataclasses import replace

import torch
from torch import Tensor

from tesserec.core import Answering, Catalog, Dataset, Histories, Ragged, Requests, Scorer

OTHERS = 500  # items drawn for each, none of which is in the session
CUTS = (1, 5, 10, 20)
MOST = 50  # events of one person that are asked for
SEED = 20231214  # of the draws: figures before and after have the same items
DRAWN = 1 << 24  # numbers drawn at once: one for each item and request


def inferred(scorer: Scorer, asked: Requests, forgotten: Tensor, items: int) -> dict[str, float]:
    """How often each forgotten item [B] is among the first, asked with the rest of its session.

    Equal scores share their ranks. With fewer items than are to be drawn, all others are.
    """
    generator = torch.Generator().manual_seed(SEED)
    ranks = []
    for rows in torch.arange(len(asked)).split(max(1, DRAWN // max(items, 1))):
        others = _drawn(asked.history.items[rows], forgotten[rows], items, generator)
        listed = torch.cat([forgotten[rows, None], others], 1)  # [b, 1 + N]
        scores = scorer.score(asked[rows], listed)
        own, rest = scores[:, :1], scores[:, 1:]
        equal = (rest == own) & (others >= 0)
        ranks.append((rest > own).sum(1) + equal.sum(1) / 2)
    rank = torch.cat(ranks)
    return {f"hit@{cut}": round(float((rank < cut).float().mean()), 4) for cut in CUTS}


def of_user(recommender: Answering, drop: Dataset, user: str) -> dict[str, float] | None:
    """How well the events of somebody are told from those before them; None where none can be."""
    row = drop.catalog.users.rows([user])
    numbers = recommender.catalog.items.rows(drop.catalog.items.ids)
    history = drop.histories[row].renumbered(numbers) if int(row[0]) >= 0 else None
    if history is None or not isinstance(recommender, Scorer) or len(history.items.values) < 2:
        return None
    count = len(history.items.values)
    ends = torch.arange(max(1, count - MOST), count)
    before = replace(history, items=Ragged(history.items.values, torch.zeros_like(ends), ends))
    known = recommender.catalog.users.rows([user]).expand(len(ends))
    items = len(recommender.catalog.items)
    return inferred(recommender, Requests(known, before), history.items.values[ends], items)


def of_event(
    recommender: Answering, known: Catalog, rest: Tensor, user: str, item: str | None
) -> dict[str, float] | None:
    """How well one item is told from what is left of a session, rows of `known`; None if not."""
    numbers = recommender.catalog.items.rows(known.items.ids)
    forgotten = recommender.catalog.items.rows([item])
    history = Histories(Ragged.packed(rest, torch.tensor([len(rest)]))).renumbered(numbers)
    if not isinstance(recommender, Scorer) or int(forgotten[0]) < 0 or not len(rest):
        return None
    asked = Requests(recommender.catalog.users.rows([user]), history)
    return inferred(recommender, asked, forgotten, len(recommender.catalog.items))


def _drawn(session: Ragged, forgotten: Tensor, items: int, generator: torch.Generator) -> Tensor:
    """Different items for each, none of its session and not what is asked for: [b, N], -1 pads"""
    chance = torch.rand(len(session), items, generator=generator)
    chance[session.pairs()] = -1.0
    chance[torch.arange(len(session)), forgotten] = -1.0
    best, others = chance.topk(min(OTHERS, items), dim=1)
    return others.masked_fill(best < 0, -1)
