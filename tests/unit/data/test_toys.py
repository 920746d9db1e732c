"""The worlds keep their promises: what is known of them is true."""

from itertools import pairwise

import pytest
import torch

import tesserec as tr
from tesserec.core import Dataset, Split
from tesserec.core.errors import BadData
from tesserec.data import toys

WORLDS = [
    toys.checkerboard,
    toys.cycle,
    toys.repeats,
    toys.taste_told_by_text,
    toys.newcomers,
    toys.single_user,
    toys.single_item,
    toys.string_ids,
]


def published(data: Dataset) -> Split:
    return tr.Published().split(data)


def reached(method, split: Split, metric: str) -> float:
    model = method.fit(split.train, tr.Run(seed=0, valid=split.valid))
    return tr.evaluate(model, split.test, [metric]).to_dict()["metrics"][metric]["value"]


@pytest.mark.parametrize("make", WORLDS)
def test_a_world_is_the_same_every_time(make):
    assert make().fingerprint == make().fingerprint


@pytest.mark.parametrize("make", [toys.checkerboard, toys.string_ids])
def test_people_choose_their_taste_alone_and_every_item_is_as_popular(make):
    data = make()
    taste = torch.tensor(
        [int("".join(filter(str.isdigit, str(i)))) % 2 for i in data.catalog.items.ids]
    )
    of_user = taste[data.positives.values].split(data.positives.lengths.tolist())
    assert all(len(row.unique()) == 1 for row in of_user)
    assert published(data).train.popularity.tolist() == [16] * 30
    assert data.interactions.frame["split"].value_counts().sort("split").rows() == [
        ("test", 80),
        ("train", 480),
        ("valid", 40),
    ]


@pytest.mark.parametrize("make", [toys.checkerboard, toys.string_ids])
def test_neighbours_solve_the_checkerboard_and_popularity_does_not(make):
    split = published(make())
    assert reached(tr.ItemKNN(), split, "recall@2") == 1
    assert reached(tr.Popular(), split, "recall@2") < 0.3


def test_every_item_is_followed_by_the_next_one():
    data = toys.cycle()
    histories = data.histories.items
    for row in histories.lists():
        assert all(after == (before + 1) % 20 for before, after in pairwise(row))
    assert len(set(data.popularity.tolist())) == 1


def test_the_cycle_is_split_at_the_end_of_each_walk():
    split = published(toys.cycle())
    last = [row[-1] for row in split.test.requests.history.items.lists()]
    assert split.test.truth.lists() == [[(item + 1) % 20] for item in last]


def test_what_goes_together_does_not_tell_what_comes_next():
    split = published(toys.cycle())
    assert reached(tr.ItemKNN(), split, "recall@2") == 1
    assert reached(tr.ItemKNN(), split, "recall@1") < 0.6


def test_people_come_back_to_their_own_items_and_popularity_knows_nothing():
    data = toys.repeats()
    assert set(data.positives.lengths.tolist()) == {3}
    split = tr.Published(seen="allow").split(data)
    for history, truth in zip(
        split.test.requests.history.items.lists(), split.test.truth.lists(), strict=True
    ):
        assert truth == [history[-3]]
    assert len(set(data.popularity.tolist())) == 1
    assert reached(tr.Repeat(), split, "recall@3") == 1
    assert reached(tr.Popular(), split, "recall@3") < 0.3
    with pytest.raises(BadData, match="Nothing is left to ask"):
        tr.Published(seen="exclude").split(data)


def test_only_text_tells_who_likes_a_cold_item():
    data = toys.taste_told_by_text()
    split = published(data)
    cold = torch.nonzero(split.train.popularity == 0)[:, 0]
    assert cold.tolist() == [24, 25, 26, 27, 28, 29]
    assert set(split.test.truth.values.tolist()) == set(cold.tolist())
    assert reached(tr.ItemKNN(), split, "recall@3") == 0
    table = data.catalog.items.vectors["text"]
    hits = 0
    for history, truth in zip(
        split.test.requests.history.items.lists(), split.test.truth.lists(), strict=True
    ):
        scores = table @ table[history].mean(0)
        scores[history] = -torch.inf
        hits += len(set(scores.topk(3).indices.tolist()) & set(truth))
    assert hits == 3 * len(split.test)


def test_titles_hold_words_of_one_taste_and_another_number_each():
    data = toys.taste_told_by_text()
    titles = [title.split() for title in data.catalog.items.features["title"]]
    even, odd = ({word for title in titles[t::2] for word in title[:2]} for t in (0, 1))
    assert not even & odd
    assert len({tuple(title) for title in titles}) == 30


def test_the_smallest_worlds_have_one_user_or_one_item():
    assert len(toys.single_user().catalog.users) == 1
    assert len(toys.single_item().catalog.items) == 1
    assert toys.single_user().histories.items.lists() == [[2, 0, 3, 1, 4]]


def test_hard_ids_survive_a_folder_and_a_csv(tmp_path):
    data = toys.string_ids()
    tr.write(data, tmp_path / "odd")
    again = tr.read(tmp_path / "odd")
    assert again.catalog.users.ids.to_list() == data.catalog.users.ids.to_list()
    frame = data.interactions.frame.with_columns(
        user=data.catalog.users.ids.gather(data.interactions.frame["user"]),
        item=data.catalog.items.ids.gather(data.interactions.frame["item"]),
    )
    frame.write_csv(tmp_path / "odd.csv")
    assert tr.read(tmp_path / "odd.csv").fingerprint == data.fingerprint == again.fingerprint
