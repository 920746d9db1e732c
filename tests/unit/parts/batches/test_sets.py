"""Pairs beside sets: who is read, what is left out, and how a part is drawn."""

import torch

from tesserec.core import Dataset, Ragged
from tesserec.parts.batches import Sets, some
from tesserec.parts.batches.sets import sampled
from toys.worlds import random_world, world

DATA = random_world(seed=2, users=9, items=20, events=120)


def seed(number: int) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def examples(sets: Sets, data: Dataset, number: int = 0) -> dict[tuple[int, int], list[int]]:
    """What is read beside each pair of an epoch."""
    found = {}
    for batch in sets(data)(seed(number)):
        rows = Ragged.packed(batch.events.items, batch.events.lengths).lists()
        for user, item, read in zip(
            batch.user.tolist(), batch.positive.tolist(), rows, strict=True
        ):
            assert (user, item) not in found
            found[user, item] = read
    return found


def chosen(data: Dataset) -> dict[int, set[int]]:
    return {user: set(row) for user, row in enumerate(data.positives.lists())}


def test_every_pair_comes_once_beside_all_else_that_the_user_chose() -> None:
    found, own = examples(Sets(size=16, length=50), DATA), chosen(DATA)
    assert set(found) == {(user, item) for user, row in own.items() for item in row}
    for (user, item), read in found.items():
        assert sorted(read) == sorted(own[user] - {item})


def test_a_target_is_never_read_and_long_sets_are_cut() -> None:
    found, own = examples(Sets(size=16, length=5), DATA), chosen(DATA)
    for (user, item), read in found.items():
        assert item not in read
        assert set(read) <= own[user]
        assert len(read) == len(set(read)) == min(5, len(own[user]) - 1)


def test_a_target_may_stay_in_as_in_the_authors_code() -> None:
    found, own = examples(Sets(size=16, length=50, target_out=False), DATA), chosen(DATA)
    assert all(sorted(read) == sorted(own[user]) for (user, _), read in found.items())


def test_who_chose_more_is_read_anew_each_epoch_or_always_the_same() -> None:
    anew, same = Sets(size=16, length=5), Sets(size=16, length=5, resampled=False)
    assert examples(anew, DATA, 0) != examples(anew, DATA, 1)
    assert examples(anew, DATA, 0) == examples(anew, DATA, 0)
    assert examples(same, DATA, 0) == examples(same, DATA, 1)
    kept = same.changed({"target_out": False})
    by_user: dict[int, set[tuple[int, ...]]] = {}
    for (user, _), read in examples(kept, DATA).items():
        by_user.setdefault(user, set()).add(tuple(read))
    assert all(len(parts) == 1 for parts in by_user.values())


def test_a_few_pairs_of_each_user_may_do_for_an_epoch() -> None:
    sets, own = Sets(size=4, length=50, each=2), chosen(DATA)
    found = examples(sets, DATA, 0)
    counts = torch.bincount(torch.tensor([user for user, _ in found])).tolist()
    assert counts == [min(2, len(own[user])) for user in range(len(own))]
    assert set(found) != set(examples(sets, DATA, 1))
    assert len(sets(DATA)) == len(list(sets(DATA)(seed(0))))


def test_who_chose_one_item_alone_is_read_as_nothing() -> None:
    found = examples(Sets(), world([(0, 0), (1, 0), (1, 1)]))
    assert found == {(0, 0): [-1], (1, 0): [1], (1, 1): [0]}


def test_a_part_of_a_batch_has_its_own_sets() -> None:
    batch = next(iter(Sets(size=30, length=5)(DATA)(seed(0))))
    rows = Ragged.packed(batch.events.items, batch.events.lengths).lists()
    share = batch[slice(7, 19)]
    assert Ragged.packed(share.events.items, share.events.lengths).lists() == rows[7:19]
    events = DATA.interactions.frame["user"].to_numpy()[batch.row.numpy()]
    assert events.tolist() == batch.user.tolist()


def test_each_item_is_drawn_as_often() -> None:
    rows = Ragged.of([[3, 5, 7, 9, 11, 13]] * 6000)
    drawn = sampled(rows, torch.full((6000,), 7), 2, torch.arange(6000) * 7919)
    assert drawn.lengths.unique().tolist() == [2]
    share = torch.bincount(drawn.pairs()[1], minlength=14)[[3, 5, 9, 11, 13]] / 6000
    torch.testing.assert_close(share, torch.full((5,), 0.4), rtol=0, atol=0.03)


def test_a_request_is_a_set_and_its_part_depends_on_nobody_else() -> None:
    long = list(range(30, 80))
    rows = Ragged.of([[4, 2, 4], [], long, [9]])
    found = some(rows, 8).lists()
    assert found[0] == [2, 4]
    assert found[1] == []
    assert found[3] == [9]
    assert len(found[2]) == 8
    assert found[2] == some(Ragged.of([long[::-1]]), 8).lists()[0]
    assert some(Ragged.of([[], []]), 8).lists() == [[], []]
