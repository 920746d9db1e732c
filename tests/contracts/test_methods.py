"""What every method must do, found through the registry and run at its `tiny` size."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

import tesserec as tr
from tesserec.core import Answering, Dataset, Explainer, Method, Neighbours, Ragged, Run, Split
from tesserec.core.errors import BadData, NoOrder
from tesserec.core.registry import every
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.evaluation import mark
from tesserec.training import Learner, Strategy
from toys.strategies import Remembering

METHODS = [method for method in every(Method) if method.__module__.startswith("tesserec.methods")]
SAME_FOR_ALL = {"Popular", "RecentPopular"}
BLIND_TO_DIRECTION = {"VSKNN"}  # compares sets: of one item it knows what is near, on either side
CONTENT_ALONE = {"ContentKNN"}  # events say who chose what, and nothing about items


def tiny(kind: type[Method]) -> Method:
    return kind(**kind.tiny)


def sooner(method: Learner, epochs: int) -> Learner:
    """The same method with fewer epochs; a strategy takes those of what it holds."""
    changes = {"schedule": {"epochs": epochs}}
    return method.changed({"method": changes} if isinstance(method, Strategy) else changes)


@pytest.fixture(params=METHODS, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> type[Method]:
    return request.param


@pytest.fixture
def method(kind: type[Method]) -> Method:
    return tiny(kind)


def world_of(kind: type[Method]) -> Dataset:
    """The toy world whose secret this method can find."""
    if "repeats" in kind.needs:
        return toys.repeats()
    if "order" in kind.needs:
        return with_vectors(kind, toys.cycle())
    return toys.taste_told_by_text() if "vectors" in kind.needs else toys.checkerboard()


def parted(kind: type[Method], data: Dataset, **more: float) -> Split:
    """The published parts; who comes back to old items is asked about them, too."""
    return Published(seen="allow" if "repeats" in kind.needs else "exclude", **more).split(data)


def with_vectors(kind: type[Method], data: Dataset) -> Dataset:
    """Toy worlds without content, for methods that need some."""
    if "vectors" not in kind.needs:
        return data
    table = torch.randn(len(data.catalog.items), 4, generator=torch.Generator().manual_seed(0))
    return data.with_vectors("text", table)


_FITTED: dict[str, tuple[Split, Answering]] = {}


@pytest.fixture
def fitted(kind: type[Method]) -> tuple[Split, Answering]:
    """The method fitted once to its world; nobody changes it."""
    if kind.__name__ not in _FITTED:
        split = parted(kind, world_of(kind), valid=0)
        _FITTED[kind.__name__] = split, tiny(kind).fit(split.train, Run(seed=1))
    return _FITTED[kind.__name__]


def answers(model: Answering, requests: tr.Requests, k: int = 5) -> torch.Tensor:
    return model.recommend(requests, k).items


def test_it_solves_its_world_where_popularity_cannot(
    kind: type[Method], fitted: tuple[Split, Answering]
) -> None:
    split, model = fitted
    found = mark(model, split.test, ["recall@3"])["recall@3"]
    popular = mark(tr.Popular().fit(split.train, Run()), split.test, ["recall@3"])["recall@3"]
    if kind.__name__ in SAME_FOR_ALL:
        assert found < 0.6
    else:
        assert found >= 0.9 > 0.6 > popular


def test_it_answers_different_allowed_items_best_first(fitted: tuple[Split, Answering]) -> None:
    split, model = fitted
    items = len(model.catalog.items)
    found = model.recommend(split.test.requests, items + 5)
    assert found.items.shape == (len(split.test), items + 5)
    excludes = split.test.requests.exclude or Ragged.empty(len(split.test))
    for row, excluded in zip(found.items, excludes.lists(), strict=True):
        there = row[row >= 0].tolist()
        assert len(there) == len(set(there))
        assert set(there) == set(range(items)) - set(excluded)
        assert (row[len(there) :] == -1).all()
    finite = found.scores.nan_to_num(neginf=-1e30)
    assert (finite.diff(dim=1) <= 0).all()


def test_the_same_seed_gives_the_same_answers(
    kind: type[Method], method: Method, fitted: tuple[Split, Answering]
) -> None:
    split, model = fitted
    torch.manual_seed(99)  # what others did with the global generator is of no matter
    again = method.fit(split.train, Run(seed=1)).recommend(split.test.requests, 5)
    first = model.recommend(split.test.requests, 5)
    assert torch.equal(again.items, first.items)
    assert torch.equal(again.scores, first.scores)


def test_a_request_alone_is_answered_as_among_many(fitted: tuple[Split, Answering]) -> None:
    """To 1e-5: the shape of a product decides its last bits, and so the order of equals."""
    split, model = fitted
    many = model.recommend(split.test.requests, 5)
    for place in range(0, len(split.test), 7):
        request = split.test.requests[slice(place, place + 1)]
        alone = model.recommend(request, 5)
        torch.testing.assert_close(alone.scores[0], many.scores[place], rtol=1e-5, atol=1e-5)
        as_good = model.score(request, many.items[place : place + 1])
        torch.testing.assert_close(as_good, alone.scores, rtol=1e-5, atol=1e-5)
        apart = many.scores[place].diff().abs().min() > 1e-5
        assert not apart or torch.equal(alone.items[0], many.items[place])


def raw_tables(data: Dataset) -> tuple[pl.DataFrame, pl.DataFrame, torch.Tensor | None]:
    catalog = data.catalog
    frame = data.interactions.frame.with_columns(
        user=catalog.users.ids.gather(data.interactions.frame["user"]),
        item=catalog.items.ids.gather(data.interactions.frame["item"]),
    )
    items = pl.DataFrame({"id": catalog.items.ids}).hstack(catalog.items.features)
    return frame, items, catalog.items.vectors.get("text")


def rebuilt(frame: pl.DataFrame, items: pl.DataFrame, vectors: torch.Tensor | None) -> Dataset:
    return tr.from_tables(frame, items, vectors={} if vectors is None else {"text": vectors})


def test_the_order_of_rows_changes_nothing(
    kind: type[Method], method: Method, fitted: tuple[Split, Answering]
) -> None:
    split, model = fitted
    frame, items, vectors = raw_tables(world_of(kind))
    order = torch.randperm(len(items), generator=torch.Generator().manual_seed(3))
    shuffled = rebuilt(
        frame.sample(fraction=1.0, shuffle=True, seed=5),
        items[order.numpy()],
        None if vectors is None else vectors[order],
    )
    other = parted(kind, shuffled, valid=0)
    again = method.fit(other.train, Run(seed=1))
    assert torch.equal(answers(again, other.test.requests), answers(model, split.test.requests))


def test_names_that_sort_alike_rename_the_answers_and_change_nothing_else(
    kind: type[Method], method: Method, fitted: tuple[Split, Answering]
) -> None:
    split, model = fitted
    frame, items, vectors = raw_tables(world_of(kind))

    def renamed(column: str) -> pl.Expr:
        return pl.format("n{}", pl.col(column).cast(pl.String).str.zfill(5))

    renamed_world = rebuilt(
        frame.with_columns(user=renamed("user"), item=renamed("item")),
        items.with_columns(id=renamed("id")),
        vectors,
    )
    other = parted(kind, renamed_world, valid=0)
    again = method.fit(other.train, Run(seed=1))
    mine = model.catalog.items.names(answers(model, split.test.requests))
    theirs = again.catalog.items.names(answers(again, other.test.requests))
    assert theirs == [f"n{one:05d}" for one in mine]


def test_it_is_saved_and_loaded_without_the_data(
    kind: type[Method], method: Method, fitted: tuple[Split, Answering], tmp_path: Path
) -> None:
    split, model = fitted
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    assert loaded.method == method
    for requests in (split.test.requests, strangers(model)):
        one, other = model.recommend(requests, 9), loaded.recommend(requests, 9)
        assert torch.equal(one.items, other.items)
        assert torch.equal(one.scores, other.scores)
    saved = {path.name for path in (tmp_path / "model").rglob("*") if path.is_file()}
    assert not any(name.endswith((".pkl", ".pt", ".pickle")) for name in saved)


def test_its_description_survives_json(method: Method) -> None:
    assert Method.from_dict(json.loads(json.dumps(method.to_dict()))) == method


def strangers(model: Answering) -> tr.Requests:
    """Histories of nobody: some items, none, one that is unknown, one many times."""
    known = model.catalog.items.ids.to_list()
    histories = [[known[0], known[2]], [], ["no such item"], [known[1]] * 4]
    return tr.Requests.of(model.catalog, histories=histories)


def test_strangers_and_empty_histories_are_answered(fitted: tuple[Split, Answering]) -> None:
    _, model = fitted
    found = model.recommend(strangers(model), 4)
    assert (found.items >= 0).all()
    assert found.scores.isfinite().all()
    assert not set(found.items[0].tolist()) & {0, 2}
    assert torch.equal(found.items[1], found.items[2])  # what is unknown is nothing


def test_a_stranger_with_the_history_of_a_taste_gets_that_taste(
    kind: type[Method], fitted: tuple[Split, Answering]
) -> None:
    if kind.__name__ in SAME_FOR_ALL:
        pytest.skip("answers everybody alike")
    _, model = fitted
    if "repeats" in kind.needs:  # their own items, the last first
        ids = model.catalog.items.ids
        histories = [[ids[3], ids[4], ids[5]], [ids[18], ids[7], ids[18]]]
        asked = tr.Requests.of(model.catalog, histories=histories, seen="allow")
        assert answers(model, asked, 2).tolist() == [[5, 4], [18, 7]]
        return
    if "order" in kind.needs:  # what follows is found, wherever one begins
        ids = model.catalog.items.ids
        asked = tr.Requests.of(model.catalog, histories=[[ids[3], ids[4], ids[5]], [ids[18]]])
        after, near = answers(model, asked, 1)[:, 0].tolist()
        assert after == 6
        assert near in ({17, 19} if kind.__name__ in BLIND_TO_DIRECTION else {19})
        return
    even = [model.catalog.items.ids[row] for row in range(0, 12, 2)]
    asked = tr.Requests.of(model.catalog, histories=[even])
    assert (answers(model, asked, 4) % 2 == 0).all()


def test_candidates_and_filters_are_kept_to(fitted: tuple[Split, Answering]) -> None:
    split, model = fitted
    requests = split.test.requests[slice(0, 6)]
    last = len(model.catalog.items) - 1
    few = torch.tensor([[5, 1, -1, last, 3]]).expand(6, -1)
    among = model.recommend(replace(requests, candidates=few, exclude=None), 9)
    for row in among.items:
        assert set(row[row >= 0].tolist()) == {1, 3, 5, last}
    allowed = torch.arange(len(model.catalog.items)) >= last - 9
    found = model.recommend(replace(requests, allowed=allowed), 50).items
    assert found[found >= 0].min() >= last - 9


def test_scores_agree_with_the_ranking(fitted: tuple[Split, Answering]) -> None:
    split, model = fitted
    found = model.recommend(split.test.requests, 6)
    scores = model.score(split.test.requests, found.items)
    torch.testing.assert_close(scores, found.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("world", [toys.single_user, toys.single_item, toys.string_ids])
def test_small_and_odd_worlds_are_learned_from(
    kind: type[Method], method: Method, world: object, tmp_path: Path
) -> None:
    data = with_vectors(kind, world())
    if "order" in kind.needs and data.interactions.clock == "none":
        with pytest.raises(NoOrder, match="order"):
            method.fit(data, Run())
        return
    if isinstance(method, Learner):
        method = sooner(method, 2)
        if "order" in kind.needs and data.histories.items.lengths.max() < 2:
            with pytest.raises(BadData, match="two events"):
                method.fit(data, Run())
            return
    model = method.fit(data, Run())
    requests = tr.Requests.of(data, users=data.catalog.users.ids, seen="allow")
    found = tr.load(tr.save(model, tmp_path / "model")).recommend(requests, 3)
    assert set(found.items[found.items >= 0].tolist()) <= set(range(len(data.catalog.items)))
    assert torch.equal(found.items, answers(model, requests, 3))


def test_a_third_of_the_content_may_be_missing(kind: type[Method]) -> None:
    if "vectors" not in kind.needs:
        pytest.skip("reads no content")
    ordered = "order" in kind.needs
    data = with_vectors(kind, toys.cycle() if ordered else toys.checkerboard())
    if kind.__name__ in CONTENT_ALONE:  # noise would teach it nothing
        tastes = torch.arange(len(data.catalog.items)) % 2
        told = data.catalog.items.vectors["text"] + 5 * torch.eye(4)[tastes]
        data = data.with_vectors("text", told)
    gone = torch.arange(len(data.catalog.items)) % 3 == 0
    table = data.catalog.items.vectors["text"].masked_fill(gone[:, None], 0)
    split = Published(valid=0).split(data.with_vectors("text", table))
    model = tiny(kind).fit(split.train, Run())
    scores = model.score(split.test.requests, gone.nonzero().T.expand(len(split.test), -1))
    assert torch.isfinite(scores).all()
    assert mark(model, split.test, ["recall@3"])["recall@3"] > 0.5


def test_an_explanation_shares_out_one(kind: type[Method], fitted: tuple[Split, Answering]) -> None:
    split, model = fitted
    assert isinstance(model, Explainer)
    assert isinstance(model, Neighbours)
    if type(model.method).__name__ in SAME_FOR_ALL:
        pytest.skip("has no reasons")
    requests = split.test.requests
    best = answers(model, requests, 1)[:, 0]
    shares = model.shares(requests, best)
    rows, _ = requests.history.items.places()
    total = torch.zeros(len(requests)).index_add(0, rows, shares)
    torch.testing.assert_close(total, torch.ones(len(requests)))
    assert (shares >= 0).all()
    if "repeats" in kind.needs:  # who comes back to an item says nothing of others
        return
    near = model.similar(torch.arange(6), 3).items
    assert not (near == torch.arange(6)[:, None]).any()
    if "order" in kind.needs:  # what comes one after the other need not be alike
        return
    assert (near % 2 == torch.arange(6)[:, None] % 2).float().mean() > 0.9


def test_fit_sees_the_validation_truth_only_through_evaluation(
    method: Method, kind: type[Method], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the marks replaced, other truths give the same weights to the bit."""
    split = parted(kind, world_of(kind))
    assert split.valid is not None
    if isinstance(method, Learner):
        method = sooner(method, 3)
    steady = iter(range(10**6))
    blind = type("Marks", (), {"__getitem__": lambda *_: float(next(steady))})
    monkeypatch.setattr(sys.modules["tesserec.training.train"], "mark", lambda *_, **__: blind())
    nonsense = replace(split.valid, truth=Ragged.of([[0]] * len(split.valid)))
    one = method.fit(split.train, Run(valid=split.valid)).network.state_dict()
    other = method.fit(split.train, Run(valid=nonsense)).network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_nothing_is_written_outside_the_run_folder(
    method: Method, kind: type[Method], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = parted(kind, world_of(kind))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    if isinstance(method, Learner):
        method = sooner(method, 2)
    method.fit(split.train, Run(folder=tmp_path / "run", valid=split.valid))
    assert not list((tmp_path / "here").iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {"here", "run"}
    method.fit(split.train, Run(valid=split.valid))
    assert not list((tmp_path / "here").iterdir())


LEARNERS = [k for k in METHODS if issubclass(k, Learner) and not issubclass(k, Strategy)]


@pytest.mark.parametrize("kind", LEARNERS, ids=lambda kind: kind.__name__)
def test_it_works_inside_a_strategy(kind: type[Learner], tmp_path: Path) -> None:
    split = parted(kind, world_of(kind))
    inner = tiny(kind).changed({"schedule": {"epochs": 3}})
    method = Remembering(method=inner)
    model = method.fit(split.train, Run(seed=1, valid=split.valid))
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    assert loaded.method == method
    assert torch.equal(answers(loaded, split.test.requests), answers(model, split.test.requests))
