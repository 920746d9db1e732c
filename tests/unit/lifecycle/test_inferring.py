"""What was forgotten is looked for among other items, and ties tell nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.lifecycle.forgetting.inferring import inferred, of_user
from tesserec.methods.collaborative.popular import Popular
from toys.worlds import world


@dataclass
class Preset:
    """Scores that are the same for all, and what was asked."""

    scores: Tensor
    listed: Tensor | None = None

    def score(self, requests: Requests, items: Tensor) -> Tensor:
        self.listed = items
        return torch.where(items >= 0, self.scores[items.clamp(min=0)], -torch.inf)


def asked(sessions: list[list[int]]) -> Requests:
    return Requests(torch.full((len(sessions),), -1), Histories(Ragged.of(sessions)))


def test_others_are_different_items_that_are_not_in_the_session() -> None:
    scorer = Preset(torch.arange(600.0))
    inferred(scorer, asked([[1, 2, 3], [4]]), torch.tensor([9, 8]), 600)
    assert scorer.listed is not None
    for row, session, own in zip(scorer.listed.tolist(), ([1, 2, 3], [4]), (9, 8), strict=True):
        assert row[0] == own
        assert len(set(row)) == len(row) == 501
        assert not set(row[1:]) & {own, *session}


def test_the_rank_is_counted_and_the_draws_are_always_the_same() -> None:
    scorer = Preset(torch.arange(10.0))
    found = inferred(scorer, asked([[0], [0], [0], [0]]), torch.tensor([9, 8, 4, 1]), 10)
    assert found == {"hit@1": 0.25, "hit@5": 0.5, "hit@10": 1.0, "hit@20": 1.0}
    many = Preset(torch.randn(5000, generator=torch.Generator().manual_seed(0)))
    sessions, forgotten = [[row] for row in range(300)], torch.arange(300, 600)
    first = inferred(many, asked(sessions), forgotten, 5000)
    assert first == inferred(many, asked(sessions), forgotten, 5000)
    assert 0 < first["hit@20"] < 0.12  # of 501, 4 % are among the first 20


def test_who_says_the_same_of_all_tells_nothing() -> None:
    found = inferred(Preset(torch.zeros(600)), asked([[0]]), torch.tensor([5]), 600)
    assert found == {"hit@1": 0.0, "hit@5": 0.0, "hit@10": 0.0, "hit@20": 0.0}


def test_every_event_of_somebody_is_told_from_those_before_it() -> None:
    data = world(
        [("ann", "a", 1), ("ann", "b", 2), ("ann", "c", 3), *(("bob", "c", n) for n in (4, 5))]
    )
    model = Popular().fit(data, Run())
    assert of_user(model, data, "ann") == {"hit@1": 0.5, "hit@5": 1.0, "hit@10": 1.0, "hit@20": 1.0}
    assert of_user(model, data, "nobody") is None
