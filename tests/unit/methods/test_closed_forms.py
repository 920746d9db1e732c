"""EASE, ItemKNN, ALS and Popular against their formulas in double precision."""

import numpy as np
import pytest
import torch

from tesserec.core import Answering, Dataset, Histories, Ragged, Requests, Run
from tesserec.methods.collaborative.als import ALS, _counts, least_squares
from tesserec.methods.collaborative.ease import EASE, _mirror
from tesserec.methods.collaborative.itemknn import ItemKNN
from tesserec.methods.collaborative.popular import Popular
from toys.worlds import random_world, world

DATA = random_world(seed=2, users=25, items=18, events=260)  # many pairs meet more than once


def matrix(data: Dataset) -> np.ndarray:
    """How often each user chose each item."""
    times = np.zeros((len(data.catalog.users), len(data.catalog.items)))
    for user, item in data.interactions.frame.select("user", "item").rows():
        times[user, item] += 1
    return times


def strangers(histories: list[list[int]]) -> Requests:
    return Requests(torch.full((len(histories),), -1), Histories(Ragged.of(histories)))


def all_scores(fitted: Answering, histories: list[list[int]]) -> np.ndarray:
    asked = strangers(histories)
    items = torch.arange(len(fitted.catalog.items)).expand(len(histories), -1)
    return fitted.score(asked, items).numpy()


HISTORIES = [[0], [3, 5, 7], [17, 2, 9, 4], []]


# Popular


def test_popular_ranks_by_training_events_whoever_asks():
    data = world([(0, 2), (1, 2), (1, 0), (1, 2), (2, 1), (2, 0)], items=range(4))
    fitted = Popular().fit(data, Run())
    answers = fitted.recommend(strangers([[], [2]]), 4)
    assert answers.items.tolist() == [[2, 0, 1, 3]] * 2
    assert answers.scores.tolist() == [[3.0, 2.0, 1.0, 0.0]] * 2


# EASE


def ease_weights(data: Dataset, regularization: float) -> np.ndarray:
    chosen = (matrix(data) > 0).astype(float)
    inverse = np.linalg.inv(chosen.T @ chosen + regularization * np.eye(chosen.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("regularization", [0.5, 50.0])
def test_ease_is_the_closed_form(regularization):
    fitted = EASE(regularization=regularization).fit(DATA, Run())
    expected = ease_weights(DATA, regularization)
    np.testing.assert_allclose(fitted.network.weight.numpy(), expected, rtol=1e-4, atol=1e-5)
    assert fitted.network.weight.diagonal().tolist() == [0.0] * 18


def test_ease_scores_a_history_by_the_rows_of_its_distinct_items():
    fitted = EASE(regularization=2.0).fit(DATA, Run())
    expected = ease_weights(DATA, 2.0)
    scores = all_scores(fitted, [*HISTORIES, [3, 5, 3, 7, 7]])
    for row, history in enumerate(HISTORIES[:3]):
        np.testing.assert_allclose(scores[row], expected[history].sum(0), rtol=1e-4, atol=1e-5)
    average = DATA.popularity.numpy() @ expected / int(DATA.active.sum())
    np.testing.assert_allclose(scores[3], average, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(scores[4], scores[1], rtol=1e-5)


def test_ease_is_what_minimises_its_loss():
    """No other matrix with an empty diagonal has a lower ridge loss."""
    chosen, best = (matrix(DATA) > 0).astype(float), ease_weights(DATA, 2.0)
    fitted = EASE(regularization=2.0).fit(DATA, Run()).network.weight.double().numpy()

    def loss(weights: np.ndarray) -> float:
        return float(((chosen - chosen @ weights) ** 2).sum() + 2.0 * (weights**2).sum())

    assert loss(fitted) == pytest.approx(loss(best), rel=1e-6)
    draw = np.random.default_rng(0)
    for _ in range(20):
        step = draw.normal(scale=0.01, size=best.shape)
        np.fill_diagonal(step, 0)
        assert loss(fitted + step) > loss(fitted)


@pytest.mark.parametrize("block", [1, 2, 3, 7, 100])
def test_the_lower_triangle_is_mirrored_whatever_the_block(block):
    lower = np.tril(np.random.default_rng(0).normal(size=(7, 7)))
    spoiled = lower + np.triu(np.full((7, 7), 9.0), 1)
    _mirror(spoiled, block)
    assert np.array_equal(spoiled, lower + np.tril(lower, -1).T)


# ItemKNN


def knn_weights(data: Dataset, neighbours: int, shrink: float) -> np.ndarray:
    """Similarities that lead from an item (row) to its nearest others (columns)."""
    chosen = (matrix(data) > 0).astype(float)
    together = chosen.T @ chosen
    root = np.sqrt(np.outer(np.diag(together), np.diag(together)))
    similar = np.divide(
        together, root + shrink, out=np.zeros_like(together), where=root + shrink > 0
    )
    np.fill_diagonal(similar, 0)
    for row in similar:
        order = sorted(range(len(row)), key=lambda item, row=row: (-row[item], item))
        row[order[neighbours:]] = 0
    return similar


@pytest.mark.parametrize(("neighbours", "shrink"), [(3, 0.0), (3, 10.0), (50, 0.0)])
def test_itemknn_adds_the_similarities_of_nearest_items(neighbours, shrink):
    fitted = ItemKNN(neighbours=neighbours, shrink=shrink).fit(DATA, Run())
    expected = knn_weights(DATA, neighbours, shrink)
    scores = all_scores(fitted, HISTORIES)
    for row, history in enumerate(HISTORIES[:3]):
        np.testing.assert_allclose(scores[row], expected[history].sum(0), rtol=1e-5)
    np.testing.assert_allclose(scores[3], DATA.popularity.numpy() @ expected, rtol=1e-5)


@pytest.mark.parametrize("method", [EASE(regularization=2.0), ItemKNN(neighbours=6)])
def test_reasons_are_what_each_item_of_the_history_adds(method):
    fitted = method.fit(DATA, Run())
    asked = strangers(HISTORIES[:3])
    best = fitted.recommend(asked, 1)
    added = fitted.network.contributions(asked, best.items[:, 0])
    rows, _ = asked.history.items.pairs()
    total = torch.zeros(3).index_add(0, rows, added)
    torch.testing.assert_close(total, best.scores[:, 0])
    shares = fitted.shares(asked, best.items[:, 0])
    torch.testing.assert_close(torch.zeros(3).index_add(0, rows, shares), torch.ones(3))
    assert (shares >= 0).all()


@pytest.mark.parametrize("method", [EASE(regularization=2.0), ItemKNN(neighbours=6)])
def test_neighbours_are_those_an_item_speaks_for_most(method):
    fitted = method.fit(DATA, Run())
    table = ease_weights(DATA, 2.0) if isinstance(method, EASE) else knn_weights(DATA, 6, 0.0)
    found = fitted.similar(torch.tensor([4, 11]), 3)
    for row, item in enumerate((4, 11)):
        others = [other for other in range(18) if other != item]
        expected = sorted(others, key=lambda other: -table[item, other])[:3]
        assert found.items[row].tolist() == expected


# ALS


def exact(times: np.ndarray, fixed: np.ndarray, method: ALS) -> np.ndarray:
    """The normal equations of every row, solved: (Y'CY + lambda I) x = Y'Cp."""
    solved = np.zeros((len(times), fixed.shape[1]))
    for row, counts in enumerate(times):
        confidence = 1 + method.alpha * counts
        left = fixed.T @ (confidence[:, None] * fixed) + method.regularization * np.eye(method.dim)
        solved[row] = np.linalg.solve(left, fixed.T @ (confidence * (counts > 0)))
    return solved


def objective(times: np.ndarray, users: np.ndarray, items: np.ndarray, method: ALS) -> float:
    errors = (times > 0) - users @ items.T
    norms = (users**2).sum() + (items**2).sum()
    return float(((1 + method.alpha * times) * errors**2).sum() + method.regularization * norms)


def test_with_enough_steps_conjugate_gradient_solves_the_normal_equations(threads):
    method = ALS(dim=5, alpha=3.0, regularization=0.1)
    fixed = torch.randn(18, 5, generator=torch.Generator().manual_seed(0))
    solved = torch.randn(25, 5, generator=torch.Generator().manual_seed(1))
    by_user, by_item = _counts(DATA)
    least_squares(by_user, fixed, solved, method, steps=25)
    expected = exact(matrix(DATA), fixed.double().numpy(), method)
    np.testing.assert_allclose(solved.numpy(), expected, rtol=1e-3, atol=1e-4)
    items = torch.zeros(18, 5)
    least_squares(by_item, solved, items, method, steps=25)
    expected = exact(matrix(DATA).T, solved.double().numpy(), method)
    np.testing.assert_allclose(items.numpy(), expected, rtol=1e-3, atol=1e-4)


def test_each_epoch_of_als_lowers_its_objective():
    values = []
    for epochs in range(1, 8):
        method = ALS(dim=4, epochs=epochs, alpha=3.0, steps=2)
        network = method.fit(DATA, Run(seed=1)).network
        tables = network.users.double().numpy(), network.items.double().numpy()
        values.append(objective(matrix(DATA), *tables, method))
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


def test_als_places_a_stranger_where_a_user_with_that_history_would_be():
    """Repeats count as they do in training: once as an item, each time as confidence."""
    method = ALS(dim=5, epochs=4)
    fitted = method.fit(DATA, Run())
    histories = DATA.histories.items.lists()
    assert any(len(set(history)) < len(history) for history in histories)
    found = fitted.queries(strangers(histories))
    expected = exact(matrix(DATA), fitted.item_vectors.double().numpy(), method)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-2, atol=1e-3)


def test_users_and_items_without_events_are_zero_in_als():
    data = world([(0, 0), (0, 1), (1, 1), (2, 2)], items=range(5))
    users = data.interactions.keep(data.interactions.frame["user"] < 2)
    fitted = ALS(dim=3).fit(Dataset(data.catalog, users), Run())
    assert fitted.network.users[2].tolist() == [0.0] * 3
    assert fitted.network.items[3:].tolist() == [[0.0] * 3] * 2
    assert fitted.network.known.tolist() == [True, True, False]


@pytest.mark.parametrize("method", [Popular(), EASE(), ItemKNN(), ALS(dim=3)])
@pytest.mark.parametrize("data", [world([(0, 0)]), world([(0, 0)], items=range(3))])
def test_one_user_one_event_is_enough(method, data):
    fitted = method.fit(data, Run())
    answers = fitted.recommend(strangers([[0], []]), 4)
    assert answers.items.shape == (2, 4)
    assert (answers.items[:, 0] >= 0).all()
    assert not answers.scores.isnan().any()
