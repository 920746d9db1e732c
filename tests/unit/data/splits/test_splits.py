import pytest
import torch

from tesserec.core.errors import BadData, BadSpec, NoOrder
from tesserec.data.splits import (
    ByItem,
    BySession,
    ByTime,
    ByUser,
    LeaveLast,
    Published,
    Splitter,
    default_split,
)
from toys.worlds import world

ANN, BOB = 0, 1


def diary():
    """Ann: 0 1 2 3 at 10 20 30 40, then 1 again at 50. Bob: 0 2 at 15 25, then 3 at 45."""
    times = [(ANN, 0, 10), (ANN, 1, 20), (ANN, 2, 30), (ANN, 3, 40), (ANN, 1, 50)]
    return world([*times, (BOB, 0, 15), (BOB, 2, 25), (BOB, 3, 45)])


def test_by_time_one_moment_divides_everybodys_events():
    split = ByTime(valid=0.25, test=0.25).split(diary())
    assert split.train.interactions.frame["time"].to_list() == [10, 15, 20, 25]
    assert split.valid.requests.user.tolist() == [ANN]
    assert split.valid.requests.history.items.lists() == [[0, 1]]
    assert split.valid.truth.lists() == [[2, 3]]
    assert split.test.requests.user.tolist() == [BOB]  # Ann's 1 was in her history
    assert split.test.truth.lists() == [[3]]
    assert list(split.test.left_out.values()) == [1, 1]


def test_allow_asks_for_what_was_bought_before():
    split = ByTime(valid=0.25, test=0.25, seen="allow").split(diary())
    assert split.test.requests.user.tolist() == [ANN, BOB]
    assert split.test.truth.lists() == [[1], [3]]
    assert split.test.requests.history.items.lists() == [[0, 1, 2, 3], [0, 2]]
    assert split.test.requests.exclude is None


def test_exclude_train_ends_histories_with_the_training_part():
    split = ByTime(valid=0.25, test=0.25, seen="exclude_train").split(diary())
    assert split.test.requests.history.items.lists() == [[0, 2]]
    split = ByTime(valid=0.5, test=0.25, seen="exclude_train").split(diary())
    assert split.test.requests.user.tolist() == [ANN, BOB]  # Ann's 1 is not in training now
    assert split.test.requests.history.items.lists() == [[0], [0]]


def test_event_requests_are_asked_once_per_event_with_their_prefix():
    split = ByTime(valid=0.0, test=0.6, requests="event").split(diary())
    assert split.test.requests.user.tolist() == [ANN, ANN, BOB, BOB]
    assert split.test.requests.history.items.lists() == [[0, 1], [0, 1, 2], [0], [0, 2]]
    assert split.test.truth.lists() == [[2], [3], [2], [3]]
    assert split.test.requests.time.tolist() == [30, 40, 25, 45]
    first, second = split.test.requests.history[0:1], split.test.requests.history[1:2]
    assert first.items.values.data_ptr() == second.items.values.data_ptr()


def test_last_requests_ask_each_user_for_the_last_event_of_the_part_with_what_came_before():
    splitter = ByTime(valid=0.0, test=0.6, requests="last", seen="allow")
    split = splitter.split(diary())
    assert split.test.requests.user.tolist() == [ANN, BOB]
    assert split.test.truth.lists() == [[1], [3]]
    assert split.test.requests.history.items.lists() == [[0, 1, 2, 3], [0, 2]]
    assert split.test.requests.time.tolist() == [50, 45]
    split = splitter.changed({"seen": "exclude"}).split(diary())
    assert split.test.requests.user.tolist() == [BOB]  # Ann's last item was not new
    assert list(split.test.left_out.values()) == [1, 1]


def test_of_several_events_at_the_last_moment_one_is_asked_and_none_is_shown():
    names = ["train", "train", "test", "test"]
    data = world([(0, 1, 10), (0, 2, 20), (0, 3, 30), (0, 4, 30)], split=names)
    split = Published(valid=0.0, requests="last").split(data)
    assert split.test.truth.lists() == [[3]]  # item 4 in the order of rows
    assert split.test.requests.history.items.lists() == [[0, 1]]


def test_who_has_too_short_a_history_is_not_asked_but_counted():
    sessions = [(0, 1, 0), (0, 2, 1), (1, 3, 0), (1, 4, 1), (1, 5, 2), (2, 6, 0)]
    data = world(sessions, clock="order", split=["train"] * 2 + ["test"] * 4)
    splitter = Published(valid=0.0, requests="event", seen="allow")
    assert splitter.split(data).test.requests.history.items.lists() == [[], [2], [2, 3], []]
    split = splitter.changed({"shortest": 1}).split(data)
    assert split.test.requests.user.tolist() == [1, 1]
    assert split.test.requests.history.items.lists() == [[2], [2, 3]]
    assert split.test.truth.lists() == [[3], [4]]
    assert split.test.left_out == {"requests with nothing before them": 2}
    split = splitter.changed({"shortest": 2, "seen": "exclude"}).split(data)
    assert split.test.truth.lists() == [[4]]
    assert split.test.left_out["requests with fewer than 2 events before them"] == 3
    with pytest.raises(BadData, match="left out were 4 requests with fewer than 9 events"):
        splitter.changed({"shortest": 9}).split(data)


def visits(clock=None):
    """Ten sessions of two events. By time the first to start is the last to end, and so on."""
    times = [(0, 100), (1, 99), (2, 98), (3, 97), (4, 96), (5, 95), (6, 94), (7, 93), (8, 92)]
    if clock == "order":
        times = [(0, 1)] * 9
    events = [(user, user + step, times[user][step]) for user in range(9) for step in (0, 1)]
    return world([*events, (9, 9, 10)], clock=clock)


def test_by_session_the_sessions_that_end_last_are_asked_from_their_second_event_on():
    split = BySession(valid=0.2, test=0.2).split(visits())
    assert split.test.requests.user.tolist() == [0, 1]
    assert split.test.requests.history.items.lists() == [[0], [1]]
    assert split.test.truth.lists() == [[1], [2]]
    assert split.valid.requests.user.tolist() == [2, 3]
    assert set(split.train.interactions.users.tolist()) == {4, 5, 6, 7, 8, 9}
    assert split.test.left_out == {"requests with nothing before them": 2}
    assert split.notes == ("Sessions are ordered by their last event.",)


def test_without_times_sessions_are_ordered_by_number_or_else_shuffled():
    split = BySession(valid=0.0, test=0.3).split(visits(clock="order"))
    assert split.test.requests.user.tolist() == [7, 8]  # 9 has one event
    assert split.notes == ("Sessions are ordered by number.",)
    named = world([(f"s{u}", i, i) for u in range(20) for i in range(3)], clock="order")
    parts = [BySession(seed=seed).parts(named) for seed in (0, 0, 1)]
    held = [one.of_event.tolist() for one in parts]
    assert held[0] == held[1] != held[2]
    assert parts[0].notes == ("Sessions are shuffled with seed 0.",)


@pytest.mark.parametrize("protocol", [{"requests": "user"}, {"seen": "exclude_train"}])
def test_by_session_refuses_to_ask_without_showing_anything(protocol):
    with pytest.raises(BadSpec, match="held out whole"):
        BySession(**protocol)


def test_published_sessions_validate_whole_sessions_of_the_training_part():
    data = world(
        [(user, item, item) for user in range(12) for item in range(3)],
        clock="order",
        split=["train"] * 30 + ["test"] * 6,
    )
    splitter = Published(sessions=True, valid=0.2, requests="event", seen="allow", shortest=1)
    split = splitter.split(data)
    assert set(split.train.interactions.users.tolist()) == set(range(8))
    assert split.valid.requests.user.tolist() == [8, 8, 9, 9]
    assert split.valid.requests.history.items.lists() == [[0], [0, 1]] * 2
    assert split.test.requests.user.tolist() == [10, 10, 11, 11]
    assert "the last 20% of the training sessions (ordered by number)" in split.notes[0]


def test_events_of_one_moment_stay_together():
    data = world([(user, user, 1) for user in range(5)] + [(user, 9, 2) for user in range(5)])
    split = ByTime(valid=0.0, test=0.1).split(data)
    assert len(split.train.interactions) == 5
    assert len(split.test) == 5


def test_a_crowded_first_moment_still_leaves_a_later_one_to_test():
    data = world([(user, user, 1) for user in range(9)] + [(0, 5, 2)])
    split = ByTime(valid=0.1, test=0.3).split(data)
    assert len(split.train.interactions) == 9
    assert split.valid is None
    assert split.test.truth.lists() == [[5]]


def test_a_single_moment_cannot_be_split_by_time():
    with pytest.raises(BadData, match="share one"):
        ByTime().split(world([(user, user, 1) for user in range(9)]))


@pytest.mark.parametrize("splitter", [ByTime(), LeaveLast()])
def test_without_times_there_is_no_order_to_split_by(splitter):
    with pytest.raises(NoOrder):
        splitter.split(world([(0, 1), (0, 2), (0, 3)]))


def test_places_in_a_row_are_an_order_but_no_moment():
    data = world([(0, 5, 0), (0, 6, 1), (0, 7, 2), (1, 5, 0)], clock="order")
    with pytest.raises(NoOrder, match="LeaveLast"):
        ByTime().split(data)
    split = LeaveLast().split(data)
    assert [split.valid.truth.lists(), split.test.truth.lists()] == [[[1]], [[2]]]
    assert split.notes == ("1 users with at most 2 events are only learned from.",)


def test_event_requests_need_an_order():
    data = world([(0, item) for item in range(10)])
    with pytest.raises(NoOrder, match="event"):
        ByUser(test=0.3, requests="event").split(data)
    with pytest.raises(NoOrder, match="last"):
        ByUser(test=0.3, requests="last").split(data)
    assert ByUser(test=0.3).split(data).test.truth.lengths.tolist() == [3]


@pytest.mark.parametrize("splitter", [ByTime(), LeaveLast(), ByUser(), ByItem(), BySession()])
def test_no_events_are_bad_data(splitter):
    nothing = world([(0, 0, 0)]).without_events()
    with pytest.raises(BadData):
        splitter.split(nothing)


@pytest.mark.parametrize("kind", [ByTime, ByUser, ByItem])
def test_shares_that_leave_nothing_to_learn_from_are_refused_when_built(kind):
    with pytest.raises(BadSpec, match="nothing to learn from"):
        kind(valid=0.5, test=0.5)
    with pytest.raises(BadSpec):
        Splitter.from_dict({"kind": kind.__name__, "valid": 0.2, "test": 0.9})


def test_one_event_cannot_be_split():
    with pytest.raises(BadData, match="test events"):
        LeaveLast().split(world([(0, 0, 0)]))
    with pytest.raises(BadData, match="test events"):
        ByUser().split(world([(0, 0)]))


def test_a_test_part_that_is_all_known_is_refused_or_allowed():
    again = world([(0, 5, 1), (0, 5, 2), (0, 5, 3)])
    with pytest.raises(BadData, match="allow"):
        LeaveLast(valid=0).split(again)
    assert LeaveLast(valid=0, seen="allow").split(again).test.truth.lists() == [[0]]


def test_published_parts_are_kept_and_the_column_is_gone_from_training():
    names = ["train", "train", "valid", "test", "train", "test"]
    data = world([(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2)], split=names)
    split = Published().split(data)
    assert split.train.interactions.frame.columns == ["user", "item"]
    assert [split.valid.truth.lists(), split.test.truth.lists()] == [[[2]], [[3], [1]]]
    assert split.test.requests.history.items.lists() == [[0, 1, 2], [0]]
    assert split.notes == ()


def test_without_a_published_validation_part_a_seeded_tenth_of_each_users_training_becomes_one():
    events = [(user, item) for user in range(3) for item in range(11)]
    names = ["train"] * 10 + ["test"]
    data = world(events, split=names * 3)
    split = Published(seed=1).split(data)
    assert split.valid.truth.lengths.tolist() == [1, 1, 1]
    assert len(split.train.interactions) == 27
    assert split.test.truth.lists() == [[10]] * 3
    assert split.test.requests.history.items.lengths.tolist() == [10] * 3
    assert "10% of each user's training rows (seed 1)" in split.notes[0]
    again = Published(seed=1).split(data)
    assert again.valid.truth.lists() == split.valid.truth.lists()
    drawn = {str(Published(seed=s).split(data).valid.truth.lists()) for s in range(5)}
    assert len(drawn) > 1
    assert Published(valid=0.0).split(data).valid is None


def test_parts_of_other_names_are_left_out_and_named():
    names = ["train", "warmup", "train", "test"]
    data = world([(0, 1), (0, 2), (0, 3), (0, 4)], split=names)
    split = Published(valid=0.0).split(data)
    assert split.train.interactions.items.tolist() == [0, 2]
    assert split.test.requests.history.items.lists() == [[0, 2]]
    assert split.notes == ("Events of the parts 'warmup' are not used.",)


def test_without_published_parts_there_is_nothing_to_keep():
    with pytest.raises(BadData, match="no published split"):
        Published().split(world([(0, 1), (0, 2)]))
    with pytest.raises(BadData, match="test events"):
        Published().split(world([(0, 1), (0, 2)], split=["train", "valid"]))


def test_by_item_asks_for_items_nobody_was_seen_with():
    data = world([(user, item) for user in range(4) for item in range(10)])
    split = ByItem(valid=0.1, test=0.2).split(data)
    learned = split.train.interactions.items.unique()
    assert len(learned) == 7
    asked = torch.cat([split.valid.truth.values.unique(), split.test.truth.values.unique()])
    assert len(asked.unique()) == 3
    assert not torch.isin(asked, learned).any()
    assert len(split.train.catalog.items) == 10  # they are known of, by their content


@pytest.mark.parametrize(
    ("data", "splitter"),
    [
        (world([(0, 1, 1), (0, 2, 2)], split=["train", "test"]), Published()),
        (world([(0, 1, 1), (0, 2, 2)]), ByTime()),
        (world([(0, 1, 1), (0, 2, 2)], clock="order"), LeaveLast()),
        (world([(0, 1), (0, 2)]), ByUser()),
    ],
)
def test_the_default_split_follows_from_what_is_known(data, splitter):
    assert default_split(data) == splitter
