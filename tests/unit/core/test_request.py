from dataclasses import replace

import polars as pl
import pytest
import torch

from tesserec.core import Histories, Holdout, Ragged, Recommendations, Requests, Run
from tesserec.core.errors import BadRequest, UnknownId
from toys.worlds import world


def shop():
    return world([("ann", "tea", 1), ("ann", "cup", 2), ("bob", "jam", 3)])  # cup 0, jam 1, tea 2


def test_requests_of_known_users_bring_their_history():
    requests = Requests.of(shop(), users=["bob", "ann"])
    assert requests.user.tolist() == [1, 0]
    assert requests.history.items.lists() == [[1], [2, 0]]
    assert requests.exclude.lists() == [[1], [2, 0]]
    assert Requests.of(shop(), users=["bob"], seen="allow").exclude is None


def test_requests_with_histories_are_strangers_and_unknown_items_are_left_out():
    requests = Requests.of(shop().catalog, histories=[["tea", "gin", "tea"], [], ["gin"]])
    assert requests.user.tolist() == [-1, -1, -1]
    assert requests.history.items.lists() == [[2, 2], [], []]


def test_what_cannot_be_asked_is_refused():
    data = shop()
    with pytest.raises(UnknownId, match="zoe"):
        Requests.of(data, users=["ann", "zoe"])
    with pytest.raises(BadRequest, match="dataset"):
        Requests.of(data.catalog, users=["ann"])
    with pytest.raises(BadRequest, match="one of the two"):
        Requests.of(data)
    with pytest.raises(BadRequest, match="one of the two"):
        Requests.of(data, users=["ann"], histories=[["tea"]])


@pytest.mark.parametrize("rows", [slice(1, 3), torch.tensor([2, 0]), torch.tensor([], dtype=int)])
def test_a_part_of_requests_has_a_part_of_everything(rows):
    whole = Requests(
        user=torch.tensor([4, 5, 6]),
        history=Histories(Ragged.of([[1], [2, 3], []])),
        time=torch.tensor([7, 8, 9]),
        context=pl.DataFrame({"device": ["a", "b", "c"]}),
        candidates=torch.tensor([[1, 2], [3, 4], [5, 6]]),
        exclude=Ragged.of([[9], [], [8]]),
        allowed=torch.tensor([True, False]),
    )
    part = whole[rows]
    kept = torch.arange(3)[rows].tolist()
    assert len(part) == len(kept)
    assert part.user.tolist() == [[4, 5, 6][i] for i in kept]
    assert part.history.items.lists() == [[[1], [2, 3], []][i] for i in kept]
    assert part.time.tolist() == [[7, 8, 9][i] for i in kept]
    assert part.context["device"].to_list() == ["abc"[i] for i in kept]
    assert part.candidates.tolist() == [[[1, 2], [3, 4], [5, 6]][i] for i in kept]
    assert part.exclude.lists() == [[[9], [], [8]][i] for i in kept]
    assert part.allowed is whole.allowed
    held = Holdout(whole, Ragged.of([[1], [2], [3]]))[rows]
    assert held.truth.lists() == [[[1], [2], [3]][i] for i in kept]


def test_answers_to_consecutive_requests_are_joined():
    one = Recommendations(torch.tensor([[1, 2]]), torch.tensor([[0.5, 0.25]]), ["because"])
    both = Recommendations.joined([one, one])
    assert both.items.tolist() == [[1, 2], [1, 2]]
    assert both.reasons == ["because", "because"]


def test_random_numbers_have_an_owner():
    def draw(run: Run, name: str) -> list[float]:
        return torch.rand(3, generator=run.generator(name)).tolist()

    run = Run(seed=3)
    assert draw(run, "batches") == draw(Run(seed=3, device="cpu"), "batches")
    others = [draw(run, "network"), draw(Run(seed=4), "batches"), draw(run.stage("a"), "batches")]
    others.append(draw(run.stage("a").stage("b"), "batches"))
    assert len({tuple(one) for one in [*others, draw(run, "batches")]}) == 5


def test_a_seeded_block_leaves_the_global_generator_as_it_was():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    with Run(seed=1).seeded("network"):
        first = torch.randn(2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    with Run(seed=1).seeded("network"):
        assert torch.equal(torch.randn(2), first)


def test_a_stage_has_a_folder_of_its_own(tmp_path):
    assert Run(folder=tmp_path).stage("ids").folder == tmp_path / "ids"
    assert Run().stage("ids").folder is None


def test_propensities_are_joined_where_all_answers_have_them():
    one = Recommendations(torch.tensor([[1]]), torch.tensor([[2.0]]))
    chance = replace(one, propensities=torch.tensor([[0.25]]))
    assert Recommendations.joined([chance, chance]).propensities.tolist() == [[0.25], [0.25]]
    assert Recommendations.joined([chance, one]).propensities is None
