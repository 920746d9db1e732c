import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Ragged, Requests
from tesserec.core.errors import BadRequest
from tesserec.recommenders import top_k
from tesserec.recommenders.top_k import rank_candidates, rank_products, rank_scores
from toys.recommenders import asked_by

K = st.integers(1, 9)
finite = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 1.0, 1.5])
anything = finite | st.sampled_from([np.nan, np.inf, -np.inf])


@st.composite
def questions(draw: st.DrawFn, scores: st.SearchStrategy[float]) -> tuple[torch.Tensor, Requests]:
    """Scores with many ties, and requests with exclusions (doubles and -1 among them) and rules."""
    count, items = draw(st.integers(0, 4)), draw(st.integers(1, 8))
    table = [[draw(scores) for _ in range(items)] for _ in range(count)]
    hidden = st.lists(st.integers(-1, items - 1), max_size=6)
    exclude = draw(st.none() | st.lists(hidden, min_size=count, max_size=count))
    allowed = draw(st.none() | st.lists(st.booleans(), min_size=items, max_size=items))
    return torch.tensor(table).reshape(count, items), asked_by(
        count,
        exclude=None if exclude is None else Ragged.of(exclude),
        allowed=None if allowed is None else torch.tensor(allowed),
    )


def slow_top_k(scores, requests, k, pools=None) -> tuple[list[list[int]], list[list[float]]]:
    """Sort everything that may be answered by score, then by item row."""
    lists, values = [], []
    for b, row in enumerate(scores.tolist()):
        pool = set(range(len(row)) if pools is None else pools[b]) - {-1}
        if requests.exclude is not None:
            pool -= set(requests.exclude.row(b).tolist())
        if requests.allowed is not None:
            pool &= set(torch.nonzero(requests.allowed)[:, 0].tolist())
        pool = {item for item in pool if row[item] > -np.inf}  # neither -inf nor NaN
        best = sorted(pool, key=lambda item, row=row: (-row[item], item))[:k]
        missing = k - len(best)
        lists.append(best + [-1] * missing)
        values.append([row[item] for item in best] + [-np.inf] * missing)
    return lists, values


def same(found, expected) -> None:
    lists, values = expected
    assert found.items.tolist() == lists
    assert found.scores.tolist() == values


@given(question=questions(anything), k=K, tile=st.integers(1, 5))
def test_the_best_of_scores_are_those_of_a_full_sort(monkeypatch, question, k, tile):
    monkeypatch.setattr(top_k, "TILE", tile)
    scores, requests = question
    before = scores.clone()
    same(rank_scores(scores, requests, k), slow_top_k(scores, requests, k))
    assert torch.equal(scores.nan_to_num(), before.nan_to_num())  # the caller's table is left alone


@given(question=questions(anything), k=K)
def test_torch_alone_ranks_like_the_kernel(question, k):
    scores, requests = question
    same(top_k._rank_by_torch(scores, requests, k), slow_top_k(scores, requests, k))


@given(question=questions(finite), k=K, tile=st.integers(1, 5), block=st.integers(1, 3))
def test_the_best_products_are_those_of_a_full_sort(monkeypatch, question, k, tile, block):
    monkeypatch.setattr(top_k, "TILE", tile)
    monkeypatch.setattr(top_k, "BLOCK", block)
    scores, requests = question
    identity = torch.eye(scores.shape[1])
    same(rank_products(scores, identity, requests, k), slow_top_k(scores, requests, k))


@given(question=questions(anything), k=K, data=st.data())
def test_the_best_candidates_are_those_of_a_full_sort(question, k, data):
    scores, requests = question
    count, items = scores.shape
    width = data.draw(st.integers(0, 6))
    row = st.lists(st.integers(-1, items - 1), min_size=width, max_size=width)
    pools = data.draw(st.lists(row, min_size=count, max_size=count))
    candidates = torch.tensor(pools, dtype=torch.int64).reshape(count, width)
    asked = Requests(
        requests.user, requests.history, None, None, candidates, requests.exclude, requests.allowed
    )
    given_scores = scores.gather(1, candidates.clamp(min=0))
    found = rank_candidates(given_scores, asked, k)
    same(found, slow_top_k(scores, requests, k, pools))


def large(count: int, items: int) -> tuple[torch.Tensor, Requests]:
    draw = np.random.default_rng(0)
    table = torch.from_numpy(draw.integers(0, 50, (count, items)).astype(np.float32))
    exclude = Ragged.of([draw.integers(0, items, 20).tolist() for _ in range(count)])
    return table, asked_by(count, exclude=exclude)


def test_across_real_tiles_and_blocks_and_threads(threads):
    scores, requests = large(1030, 4200)  # a little more than one tile, and than one block
    found = rank_scores(scores, requests, 20)
    part = slice(1020, 1030)
    expected = slow_top_k(scores[part], requests[part], 20)
    assert found.items[part].tolist() == expected[0]
    by_torch = top_k._rank_by_torch(scores, requests, 20)
    assert torch.equal(found.items, by_torch.items)
    assert torch.equal(found.scores, by_torch.scores)


def test_products_across_real_blocks(threads):
    draw = torch.Generator().manual_seed(0)
    queries, items = torch.randn(1030, 8, generator=draw), torch.randn(4200, 8, generator=draw)
    _, requests = large(1030, 4200)
    found = rank_products(queries, items, requests, 10)
    scores = (queries.double() @ items.double().T).float()
    assert torch.equal(found.items, rank_scores(scores, requests, 10).items)
    assert torch.allclose(found.scores, rank_scores(scores, requests, 10).scores, atol=1e-5)


def test_one_request_alone_is_answered_as_among_many():
    scores, requests = large(50, 300)
    whole = rank_scores(scores, requests, 20)
    for b in (0, 17, 49):
        alone = rank_scores(scores[b : b + 1], requests[b : b + 1], 20)
        assert alone.items.tolist() == whole.items[b : b + 1].tolist()


@pytest.mark.parametrize("k", [0, -1])
def test_no_answers_cannot_be_asked_for(k):
    requests = asked_by(1)
    with pytest.raises(BadRequest, match="k ="):
        rank_scores(torch.ones(1, 3), requests, k)
    with pytest.raises(BadRequest, match="k ="):
        rank_products(torch.ones(1, 2), torch.ones(3, 2), requests, k)
    with pytest.raises(BadRequest, match="k ="):
        rank_candidates(torch.ones(1, 1), asked_by(1, candidates=torch.tensor([[0]])), k)


def test_nobody_asked_is_nobody_answered():
    assert rank_scores(torch.zeros(0, 3), asked_by(0), 5).items.shape == (0, 5)
    assert rank_products(torch.zeros(0, 2), torch.ones(3, 2), asked_by(0), 5).items.shape == (0, 5)
