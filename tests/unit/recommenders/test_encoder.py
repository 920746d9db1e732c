"""EncoderRecommender and live histories."""

import pytest
import torch

import tesserec as tr
from tesserec.core import Histories, Ragged, Requests, Run
from tesserec.core.errors import BadRequest
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.recommenders import EncoderRecommender


def untrained(**fields) -> EncoderRecommender:
    data = Published(valid=0).split(toys.cycle()).train
    method = tr.SASRec(dim=8, dropout=0.5).changed({"batches": {"length": 6}}).changed(fields)
    with Run(seed=3).seeded("network"):
        network = method.network(data)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    answer = method.answer(network.eval(), data.catalog)
    assert isinstance(answer, EncoderRecommender)
    return answer.by(method)


def ask(histories: list[list[int]]) -> Requests:
    return Requests(torch.full((len(histories),), -1), Histories(Ragged.of(histories)))


def test_a_query_depends_on_its_own_last_events_alone():
    model = untrained()
    histories = [[1, 2, 3], list(range(15)), [4], [5, 6, 7, 8]]
    together = model.queries(ask(histories))
    for row, history in enumerate(histories):
        alone = model.queries(ask([history[-6:]]))[0]
        torch.testing.assert_close(together[row], alone, rtol=1e-5, atol=1e-5)


def test_scores_are_inner_products_with_the_table():
    model = untrained()
    requests = ask([[1, 2], [3]])
    found = model.recommend(requests, 4)
    scores = model.queries(requests) @ model.item_vectors.T
    best = scores.sort(dim=1, descending=True)
    assert torch.equal(found.items, best.indices[:, :4])


def test_somebody_without_a_history_is_the_average_person_after_one_event():
    model = untrained()
    data = Published(valid=0).split(toys.cycle()).train
    ones = model.queries(ask([[item] for item in range(20)]))
    share = data.popularity / data.popularity.sum()
    torch.testing.assert_close(model.queries(ask([[]]))[0], share @ ones)
    mixed = model.queries(ask([[], [2], []]))
    torch.testing.assert_close(mixed[1], ones[2], rtol=1e-5, atol=1e-5)
    assert torch.equal(mixed[0], mixed[2])


def test_answers_have_a_table_of_their_own_if_told(tmp_path):
    model = untrained(apart=True)
    assert not torch.equal(model.item_vectors, model.input_vectors)
    loaded = tr.load(tr.save(model, tmp_path / "model"))
    requests = ask([[1, 2], [], [3]])
    assert torch.equal(loaded.recommend(requests, 9).items, model.recommend(requests, 9).items)


@pytest.mark.parametrize("positions", ["start", "end", "none"])
def test_a_live_history_is_answered_as_the_whole_one(positions):
    model = untrained(positions=positions)
    live = model.live(ask([[]]))
    history: list[int] = []
    for item in [3, 1, 4, 1, 5, 9, 2, 6, 5]:
        live.add(item)
        history.append(item)
        found, expected = live.recommend(5), model.recommend(ask([history]), 5)
        assert torch.equal(found.items, expected.items)
        torch.testing.assert_close(found.scores, expected.scores, rtol=1e-5, atol=1e-5)


def test_a_live_history_of_a_recurrent_reader_with_a_bias_of_items():
    data = Published(valid=0).split(toys.cycle()).train
    method = tr.GRU4Rec(dim=8, bias=True).changed({"batches": {"length": 50}})
    with Run(seed=3).seeded("network"):
        network = method.network(data)
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    model = method.answer(network.eval(), data.catalog)
    assert isinstance(model, EncoderRecommender)
    live = model.live(ask([[7]]))
    for upto, item in enumerate([3, 1, 4, 1]):
        live.add(item)
        expected = model.recommend(ask([[7, 3, 1, 4, 1][: upto + 2]]), 5)
        assert torch.equal(live.recommend(5).items, expected.items)


@pytest.mark.parametrize(("positions", "read"), [("start", 1), ("none", 1), ("end", 6)])
def test_only_the_new_event_is_read_where_places_stay_what_they_were(positions, read, monkeypatch):
    model = untrained(positions=positions)
    live = model.live(ask([[1, 2, 3, 4, 5]]))
    seen = []
    attention = model.network.reader.blocks[0].attention
    inner = attention._projected

    def watched(queries, keys):
        seen.append(len(keys))
        return inner(queries, keys)

    monkeypatch.setattr(attention, "_projected", watched)
    ends = attention.ends
    monkeypatch.setattr(attention, "ends", lambda q, k, p: seen.append(len(k)) or ends(q, k, p))
    live.add(6)
    assert seen == [read]


def test_what_was_excluded_stays_so_and_what_is_added_joins_it():
    model = untrained()
    history = Histories(Ragged.of([[1, 2]]))
    live = model.live(Requests(torch.tensor([-1]), history, exclude=history.items))
    live.add(7)
    assert not set(live.recommend(20).items[0].tolist()) & {1, 2, 7}
    free = model.live(ask([[1, 2]]))
    free.add(7)
    assert {1, 2, 7} <= set(free.recommend(20).items[0].tolist())


def test_events_with_times_want_times():
    model = untrained()
    timed = Histories(Ragged.of([[1, 2]]), time=torch.tensor([10, 20]))
    live = model.live(Requests(torch.tensor([-1]), timed))
    with pytest.raises(BadRequest, match="time"):
        live.add(3)
    live.add(3, time=30)
    assert live.request.history.time.tolist() == [10, 20, 30]
    with pytest.raises(BadRequest, match="no item"):
        live.add(99, time=40)
    with pytest.raises(BadRequest, match="one person"):
        model.live(ask([[1], [2]]))
