"""Metrics against trec_eval (two ways), scikit-learn, and slow references anyone can check."""

import itertools
import math
from dataclasses import replace

import ir_measures
import numpy as np
import pytest
import pytrec_eval
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from tesserec.core import Holdout, Ragged
from tesserec.core.errors import BadSpec, CannotAnswer, NoContent
from tesserec.evaluation import metrics
from tesserec.evaluation.metrics import Answers, Metric, parse
from tesserec.evaluation.tasks import mark
from toys.recommenders import asked_by, items_of, written

CUTS = (1, 3, 5, 10, 20)
TREC = {
    "recall": "recall",
    "precision": "P",
    "hit": "success",
    "ndcg": "ndcg_cut",
    "map": "map_cut",
}
IR = {
    "recall": ir_measures.R,
    "precision": ir_measures.P,
    "hit": ir_measures.Success,
    "ndcg": ir_measures.nDCG,
    "map": ir_measures.AP,
    "mrr": ir_measures.RR,
}


def random_holdout(seed: int, users: int = 30, items: int = 40, most: int = 15) -> Holdout:
    """Between one and `most` relevant items each, so that some have more than a cut."""
    draw = np.random.default_rng(seed)
    truth = [
        sorted(draw.choice(items, draw.integers(1, most + 1), replace=False).tolist())
        for _ in range(users)
    ]
    popularity = torch.from_numpy(draw.integers(0, 9, items))
    return Holdout(asked_by(users), Ragged.of(truth), popularity=popularity)


def strict_scores(seed: int, users: int = 30, items: int = 40) -> torch.Tensor:
    """No two equal: a permutation in each row. Some items cannot be answered at all."""
    draw = np.random.default_rng(seed)
    table = np.stack([draw.permutation(items) for _ in range(users)]).astype(np.float32)
    table[::3, items // 8 :] = -np.inf  # every third list is shorter than most cuts
    return torch.from_numpy(table)


def as_trec(holdout: Holdout, lists: list[list[int]]) -> tuple[dict, dict]:
    """Relevance and run as trec_eval knows them; the place in the list is the score."""
    qrels = {
        f"q{b}": {f"d{item}": 1 for item in row} for b, row in enumerate(holdout.truth.lists())
    }
    run = {
        f"q{b}": {f"d{item}": float(-place) for place, item in enumerate(row)}
        for b, row in enumerate(lists)
    }
    return qrels, run


def answered(marks) -> list[list[int]]:
    return [[item for item in row if item >= 0] for row in marks.answers.items.tolist()]


NAMES = [f"{name}@{k}" for name in IR for k in CUTS]


@pytest.mark.parametrize("seed", range(3))
def test_ranked_metrics_equal_trec_eval_by_pytrec_eval(seed):
    holdout = random_holdout(seed)
    marks = mark(written(strict_scores(seed)), holdout, NAMES)
    qrels, run = as_trec(holdout, answered(marks))
    wanted = {f"{name}.{','.join(map(str, CUTS))}" for name in TREC.values()}
    found = pytrec_eval.RelevanceEvaluator(qrels, wanted).evaluate(run)
    for (name, trec), k in itertools.product(TREC.items(), CUTS):
        theirs = [found[f"q{b}"][f"{trec}_{k}"] for b in range(len(holdout))]
        np.testing.assert_allclose(marks.each[f"{name}@{k}"], theirs, rtol=0, atol=1e-9)
    for k in CUTS:
        cut = {query: dict(list(row.items())[:k]) for query, row in run.items()}
        found = pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(cut)
        theirs = [found[f"q{b}"]["recip_rank"] for b in range(len(holdout))]
        np.testing.assert_allclose(marks.each[f"mrr@{k}"], theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(3, 5))
def test_ranked_metrics_equal_ir_measures(seed):
    holdout = random_holdout(seed)
    marks = mark(written(strict_scores(seed)), holdout, NAMES)
    qrels, run = as_trec(holdout, answered(marks))
    measures = {f"{name}@{k}": IR[name] @ k for name in IR for k in CUTS}
    names = {str(measure): name for name, measure in measures.items()}
    seen = 0
    for one in ir_measures.iter_calc(list(measures.values()), qrels, run):
        ours = marks.each[names[str(one.measure)]][int(one.query_id[1:])]
        assert ours == pytest.approx(one.value, abs=1e-9)
        seen += 1
    assert seen == len(holdout) * len(measures)


def test_with_ties_the_order_by_item_row_handed_over_as_ranks_equals_trec_eval():
    draw = np.random.default_rng(0)
    holdout = random_holdout(7)
    table = torch.from_numpy(draw.integers(0, 4, (30, 40)).astype(np.float32))
    marks = mark(written(table), holdout, NAMES)
    by_hand = [sorted(range(40), key=lambda item: (-row[item], item))[:20] for row in table.numpy()]
    assert answered(marks) == by_hand
    qrels, run = as_trec(holdout, by_hand)
    found = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut.10,20"}).evaluate(run)
    for k in (10, 20):
        theirs = [found[f"q{b}"][f"ndcg_cut_{k}"] for b in range(30)]
        np.testing.assert_allclose(marks.each[f"ndcg@{k}"], theirs, rtol=0, atol=1e-9)


def test_the_mean_is_over_requests():
    holdout = Holdout(asked_by(2), Ragged.of([[0], [1, 2, 3, 4]]))
    marks = mark(written(torch.tensor([[9.0, 5, 4, 3, 2], [9.0, 5, 4, 3, 2]])), holdout, "recall@2")
    assert marks.each["recall@2"].tolist() == [1.0, 0.25]
    assert marks["Recall@2"] == 0.625


def lists(items: list[list[int]], relevant: list[list[int]], **more) -> Answers:
    """Answers from lists one can see."""
    width = max(len(row) for row in items)
    table = np.array([row + [-1] * (width - len(row)) for row in items])
    hits = np.array(
        [[item in right for item in row] for row, right in zip(table, relevant, strict=True)]
    )
    return Answers(table, hits, np.array([len(row) for row in relevant]), **more)


def test_by_hand():
    answers = lists([[4, 0, 2], [1, 3], [5, 6, 7]], [[0, 2, 9], [3], [8]])
    assert metrics.recall(answers, 3).tolist() == [2 / 3, 1, 0]
    assert metrics.precision(answers, 3).tolist() == [2 / 3, 1 / 3, 0]
    assert metrics.hit(answers, 1).tolist() == [0, 0, 0]
    assert metrics.mrr(answers, 3).tolist() == [0.5, 0.5, 0]
    assert metrics.map_(answers, 3) == pytest.approx([(1 / 2 + 2 / 3) / 3, 0.5, 0])
    best = 1 + 1 / math.log2(3) + 0.5
    assert metrics.ndcg(answers, 3) == pytest.approx(
        [(1 / math.log2(3) + 0.5) / best, 1 / math.log2(3), 0]
    )


def test_coverage_is_the_share_of_the_catalogue_that_anybody_sees():
    answers = lists([[0, 1, 2], [2, 1], [3]], [[0]] * 3)
    assert metrics.coverage(answers, 1, 8) == 3 / 8
    assert metrics.coverage(answers, 3, 8) == 4 / 8
    assert metrics.coverage(lists([[-1], [-1]], [[0]] * 2), 1, 8) == 0


def slow_gini(counts: list[int]) -> float:
    """Half the mean difference between two items, over the mean."""
    total = sum(abs(a - b) for a in counts for b in counts)
    return total / (2 * len(counts) * sum(counts))


@given(st.lists(st.lists(st.integers(0, 5), max_size=4, unique=True), min_size=1, max_size=6))
def test_gini_is_half_the_relative_mean_difference_of_places(rows):
    answers = lists([row or [-1] for row in rows], [[0]] * len(rows))
    counts = [sum(item in row for row in rows) for item in range(6)]
    expected = slow_gini(counts) if sum(counts) else 0.0
    assert metrics.gini(answers, 4, 6) == pytest.approx(expected)
    assert 0 <= metrics.gini(answers, 4, 6) < 1


def test_gini_is_zero_when_all_items_are_shown_alike():
    assert metrics.gini(lists([[0, 1], [2, 3]], [[0]] * 2), 2, 4) == 0


def test_novelty_and_popularity_are_means_over_the_places_that_are_filled():
    popularity = np.array([7, 0, 1])
    answers = lists([[0, 1], [2]], [[0], [0]], popularity=popularity)
    surprise = [-math.log2(count / 11) for count in (8, 1, 2)]
    assert metrics.novelty(answers, 2) == pytest.approx(
        [(surprise[0] + surprise[1]) / 2, surprise[2]]
    )
    assert metrics.popularity(answers, 2).tolist() == [3.5, 1.0]
    assert metrics.popularity(answers, 1).tolist() == [7.0, 1.0]
    for metric in (metrics.novelty, metrics.popularity):
        with pytest.raises(NoContent):
            metric(replace(answers, popularity=None), 2)


@given(st.integers(0, 1000), st.integers(1, 5))
def test_ild_is_the_mean_cosine_distance_of_all_pairs(seed, k):
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(6, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[4] = 0  # an item without content is like nothing
    rows = [draw.permutation(6)[: draw.integers(1, 6)].tolist() for _ in range(4)]
    found = metrics.ild(lists(rows, [[0]] * 4, vectors=vectors), k)
    for row, value in zip(rows, found, strict=True):
        distances = [1 - vectors[a] @ vectors[b] for a, b in itertools.combinations(row[:k], 2)]
        assert value == pytest.approx(np.mean(distances) if distances else 0.0, abs=1e-9)


def test_ild_needs_content():
    with pytest.raises(NoContent, match="vectors"):
        metrics.ild(lists([[0]], [[0]]), 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
def test_auc_equals_scikit_learn_with_ties(pairs):
    scores = np.array([score for score, _ in pairs], dtype=float)
    labels = np.array([label for _, label in pairs])
    found = metrics.auc(scores, labels)
    if labels.all() or not labels.any():
        assert math.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(labels, scores))


@given(st.lists(st.tuples(st.floats(-10, 10), st.booleans()), min_size=1, max_size=12))
def test_logloss_equals_scikit_learn(pairs):
    scores = np.array([score for score, _ in pairs])
    labels = np.array([label for _, label in pairs])
    expected = log_loss(labels, 1 / (1 + np.exp(-scores)), labels=[False, True])
    assert metrics.logloss(scores, labels) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_logloss_of_a_sure_mistake_is_finite():
    assert metrics.logloss(np.array([1e4]), np.array([False])) == 1e4


def with_ties(seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 9, (30, 40))).float()


def test_auc_and_gauc_over_the_catalogue_equal_scikit_learn_per_request():
    holdout = random_holdout(1)
    draw = np.random.default_rng(2)
    excluded = [
        [i for i in draw.choice(40, 12).tolist() if i not in truth]  # some of them twice
        for truth in holdout.truth.lists()
    ]
    requests = replace(holdout.requests, exclude=Ragged.of(excluded))
    table = with_ties(3)
    table[0, 5] = -torch.inf  # what cannot be answered scores lowest
    table[1, 6] = torch.nan
    marks = mark(written(table), replace(holdout, requests=requests), "auc,gauc")
    values, sizes = [], []
    scores = table.nan_to_num(nan=-1e9, neginf=-1e9).numpy()
    for b, truth in enumerate(holdout.truth.lists()):
        rest = [item for item in range(40) if item not in excluded[b]]
        values.append(roc_auc_score([item in truth for item in rest], scores[b, rest]))
        sizes.append(len(rest))
    np.testing.assert_allclose(marks.each["auc"], values)
    assert marks["auc"] == pytest.approx(np.mean(values))
    assert marks["gauc"] == pytest.approx(np.average(values, weights=sizes))


def test_on_logged_candidates_auc_is_over_all_pairs_and_gauc_within_requests():
    draw = np.random.default_rng(4)
    candidates = np.stack([draw.permutation(40)[:6] for _ in range(30)])
    candidates[::4, 4:] = -1
    truth = [
        sorted(int(item) for item in row[row >= 0] if draw.random() < 0.4) for row in candidates
    ]
    table = with_ties(5)
    requests = asked_by(30, candidates=torch.from_numpy(candidates))
    marks = mark(written(table), Holdout(requests, Ragged.of(truth)), "auc,gauc,logloss")
    scores, labels, values, sizes = [], [], [], []
    for b, row in enumerate(candidates):
        own = [float(table[b, item]) for item in row if item >= 0]
        right = [item in truth[b] for item in row if item >= 0]
        scores, labels = scores + own, labels + right
        if any(right) and not all(right):
            values.append(roc_auc_score(right, own))
            sizes.append(len(own))
    assert 0 < len(values) < 30  # some requests have no positive, and do not count
    assert marks["auc"] == pytest.approx(roc_auc_score(labels, scores))
    assert marks["gauc"] == pytest.approx(np.average(values, weights=sizes))
    assert marks["logloss"] == pytest.approx(log_loss(labels, 1 / (1 + np.exp(-np.array(scores)))))


def test_gauc_without_any_request_that_has_both_is_not_a_number():
    requests = asked_by(2, candidates=torch.tensor([[0, 1], [2, 3]]))
    holdout = Holdout(requests, Ragged.of([[0, 1], []]))
    assert math.isnan(mark(written(with_ties(0)), holdout, "gauc")["gauc"])


class OnlyLists:
    """Ranks, and keeps its scores to itself."""

    catalog = items_of(3)

    def recommend(self, requests, k):
        return written(torch.ones(2, 3)).recommend(requests, k)


def test_metrics_of_scores_need_scores():
    holdout = Holdout(asked_by(2), Ragged.of([[0], [1]]), popularity=torch.ones(3))
    assert mark(OnlyLists(), holdout, "recall@1")["recall@1"] == 0.5
    with pytest.raises(CannotAnswer, match="Leave out auc"):
        mark(OnlyLists(), holdout, "recall@1,auc")
    with pytest.raises(CannotAnswer, match="labels"):
        mark(written(torch.ones(2, 3)), holdout, "logloss")
    with pytest.raises(CannotAnswer, match="split"):
        mark(written(torch.ones(2, 3)), replace(holdout, popularity=None), "auc")


ALL = [f"{name}@{k}" for name in (*metrics.RANKED, *metrics.OVERALL) for k in (1, 7, 50)]
ALL = [*(name for name in ALL if not name.startswith("ild")), "auc", "gauc"]


@pytest.mark.parametrize("block", [1, 7, 30])
def test_metrics_are_independent_of_block_size_and_threads(block, threads):
    holdout = random_holdout(8)
    table = with_ties(9)
    whole, blocks = (mark(written(table), holdout, ALL, block=size) for size in (4096, block))
    for name in whole.each:
        assert whole.each[name].tolist() == blocks.each[name].tolist()
    assert whole.overall == blocks.overall


@given(st.integers(0, 10**6), st.sampled_from([1, 4, 60]))
def test_shares_are_between_none_and_all(seed, k):
    holdout = random_holdout(seed, users=4, items=12, most=12)
    table = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, (4, 12))).float()
    names = [f"{name}@{k}" for name in (*IR, "coverage", "gini")]
    marks = mark(written(table), holdout, [*names, "auc", "gauc"] if k < 60 else names)
    for name, value in marks.overall.items():
        assert 0 <= value <= 1, name
    for name, values in marks.each.items():
        known = values[~np.isnan(values)]  # auc, where nothing is left to compare with
        assert ((known >= 0) & (known <= 1)).all(), name
    if k == 60:  # everything is answered, so everything relevant is found
        assert marks["recall@60"] == 1.0
        assert marks["coverage@60"] == 1.0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("recall@20", [Metric("recall", 20)]),
        ("NDCG@10, Auc", [Metric("ndcg", 10), Metric("auc")]),
        (["map@5,mrr@1", "gini@3"], [Metric("map", 5), Metric("mrr", 1), Metric("gini", 3)]),
        ([], []),
    ],
)
def test_metrics_are_named_in_any_case(text, found):
    assert parse(text) == found
    assert parse(",".join(map(str, found))) == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("recal@20", "did you mean 'recall'"),
        ("recall", "Write 'recall@10'"),
        ("auc@10", "Write 'auc'"),
        ("ndcg@0", "Write 'ndcg@10'"),
        ("ndcg@ten", "There is no metric 'ndcg@ten'"),
        ("ndcg@-1", "There is no metric"),
        ("nonsense@3", "There is no metric"),
    ],
)
def test_a_metric_that_is_none_is_refused_with_what_to_write(text, says):
    with pytest.raises(BadSpec) as refused:
        parse(text)
    assert says in str(refused.value)
