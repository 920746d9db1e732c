"""MMGRec against its card: what is read, what is written, and what its switches change."""

from pathlib import Path

import pytest
import torch

import tesserec as tr
from tesserec.core import Codes, Dataset, Histories, Ragged, Requests, Run
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.methods.generative.mmgrec import IDS, MMGRec
from tesserec.parts.semantic_ids.graphrqvae import GRAPH
from toys.worlds import random_world

FAITHFUL = Path(__file__).parents[3] / "examples" / "studies" / "mmgrec-faithful.toml"
TINY = MMGRec(**MMGRec.tiny)


@pytest.fixture(scope="module")
def world() -> Dataset:
    return Published(valid=0).split(toys.taste_told_by_text()).train


@pytest.fixture(scope="module")
def prepared(world: Dataset) -> Dataset:
    return TINY.prepare(world, Run(seed=1))


def requests(*histories: list[int], users: list[int] | None = None) -> Requests:
    asked = torch.tensor(users if users is not None else [-1] * len(histories))
    return Requests(asked, Histories(Ragged.of(list(histories))))


def built(prepared: Dataset, **changes: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return TINY.changed(changes).network(prepared).eval()


def test_earlier_stages_become_columns_and_frozen_tables(prepared: Dataset) -> None:
    network = built(prepared)
    items, users = prepared.catalog.items, prepared.catalog.users
    assert torch.equal(network.reader.items, items.vectors[GRAPH])
    assert torch.equal(network.reader.users[:-1], users.vectors[GRAPH])
    assert torch.equal(network.codes, items.codes[IDS].table)
    learned = {name for name, one in network.named_parameters() if one.requires_grad}
    assert not any("items" in name or "users" in name for name in learned)
    assert not any(name.startswith("codebook") for name in learned)


def test_an_order_of_the_history_changes_no_answer(prepared: Dataset) -> None:
    network = built(prepared).double()
    history = [2, 4, 8, 16, 22]
    one, _ = network.start(requests(history, users=[0]))
    other, _ = network.start(requests(history[::-1], users=[0]))
    torch.testing.assert_close(network.advance(one), network.advance(other), rtol=0, atol=1e-13)


def test_an_item_chosen_twice_is_in_the_set_once(prepared: Dataset) -> None:
    network = built(prepared)
    one, _ = network.start(requests([2, 4, 8]))
    other, _ = network.start(requests([4, 2, 4, 8, 8]))
    assert torch.equal(network.advance(one), network.advance(other))


def told_apart() -> Dataset:
    """Twenty people and thirty items whose vectors are nothing alike."""
    source = torch.Generator().manual_seed(0)
    drawn = torch.randperm(64, generator=source)[:30]
    data = random_world(seed=1, users=20, items=30, events=100)
    data = data.with_vectors("text", torch.ones(30, 2))
    data = data.with_vectors(GRAPH, torch.randn(30, 8, generator=source))
    data = data.with_user_vectors(GRAPH, torch.randn(len(data.catalog.users), 8, generator=source))
    return data.with_codes(IDS, Codes(torch.stack([drawn // 8, drawn % 8], 1), (8, 8)))


def test_it_learns_twenty_people_by_heart() -> None:
    """Norms are registered and everything has a gradient; a set and its person tell one item."""
    data, batches = told_apart(), TINY.batches.changed({"size": 200})
    torch.manual_seed(0)
    network = TINY.changed({"children": False, "inner": 64, "width": 16}).network(data).train()
    (batch,) = batches(data)(torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(200):
        loss = network.loss(batch).each.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert any("between" in name for name, _ in network.named_parameters())
    for name, one in network.named_parameters():
        if not name.startswith(("codebook", "reader.nothing")):  # nobody's set is empty here
            assert one.grad is not None, name
            assert one.grad.abs().sum() > 0, name
    assert float(loss.detach()) < 0.05


def test_all_levels_may_share_their_tokens(prepared: Dataset) -> None:
    apart, shared = built(prepared), built(prepared, shared=True)
    sizes = prepared.catalog.items.codes[IDS].sizes
    assert len(apart.tokens) == sum(sizes)
    assert len(shared.tokens) == max(sizes)
    state, _ = shared.start(requests([2, 4]))
    assert shared.advance(state).shape == (1, 1, max(sizes))


def test_tokens_are_told_by_a_table_of_their_own(prepared: Dataset) -> None:
    network = built(prepared)
    states = torch.randn(3, 8)
    first, last = prepared.catalog.items.codes[IDS].sizes
    found = network.logits(states, 1)
    torch.testing.assert_close(found, states @ network.told[first : first + last].T * 8**-0.5)


def test_attention_without_relations_has_none(prepared: Dataset) -> None:
    assert any("relation" in name for name in built(prepared).state_dict())
    for looking in ("plain", "sinusoidal"):
        names = built(prepared, looking=looking).state_dict()
        assert not any("relation" in name for name in names)


def test_wide_beams_answer_as_if_every_item_was_scored(prepared: Dataset) -> None:
    model = TINY.answer(built(prepared), prepared.catalog)
    asked = requests([0, 2, 6], [1, 3, 7, 9], users=[0, -1])
    found = model.recommend(asked, 30)
    scores = model.score(asked, torch.arange(30).expand(2, -1))
    assert torch.equal(found.items, scores.argsort(dim=1, descending=True, stable=True))


def test_the_authors_settings_are_a_study_that_can_be_read() -> None:
    from tesserec.experiment.study import Study

    (method,) = Study.read(FAITHFUL).methods
    assert isinstance(method, MMGRec)
    assert not method.batches.target_out
    assert not method.batches.resampled
    assert method.shared
    assert (method.ids.inner.dim, method.ids.inner.hidden) == (4, (16,))
    assert isinstance(method.schedule.optimizer, tr.SGD)
