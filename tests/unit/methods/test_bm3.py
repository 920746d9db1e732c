"""BM3 against its card, pair by pair."""

import math

import numpy as np
import pytest
import torch

from tesserec.core import Dataset, Histories, Ragged, Requests, Run, registry
from tesserec.core.errors import BadSpec, NoContent
from tesserec.methods.multimodal.bm3 import BM3
from tesserec.parts.batches import Pairs
from tesserec.parts.negatives import Negatives
from toys.worlds import random_world, world

SHORT = {"dim": 4, "batches": {"size": 16}, "schedule": {"epochs": 2, "rate": 0.05}}


def shop() -> Dataset:
    """Twelve people and fifteen items, the last two of them new; some content is missing."""
    data = random_world(seed=6, users=12, items=13, events=80)
    frame = data.interactions.frame.rows()
    made = world([(user, item) for _, user, item in frame], items=range(15))
    source = torch.Generator().manual_seed(0)
    image, text = torch.rand(15, 6, generator=source), torch.rand(15, 3, generator=source)
    image[[2, 5, 14]] = 0
    text[[5, 7]] = 0
    return made.with_vectors("image", image).with_vectors("text", text)


DATA = shop()


def half(vector: torch.Tensor, share: float, training: bool) -> torch.Tensor:
    """In place of dropout: every other number is dropped, the rest is scaled."""
    if not training or not share:
        return vector
    kept = (torch.arange(vector.shape[-1]) % 2 == 0).to(vector)
    return vector * kept / (1 - share)


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


class Slow:
    """The card, in numpy and loops."""

    def __init__(self, network, method: BM3) -> None:
        self.state = {n: p.detach().double().numpy() for n, p in network.state_dict().items()}
        self.method = method
        users, items = self.state["users"], self.state["items"]
        chosen = np.zeros((len(users), len(items)))
        for user, item in DATA.interactions.frame.select("user", "item").rows():
            chosen[user, item] = 1
        nodes = len(users) + len(items)
        adjacency = np.zeros((nodes, nodes))
        adjacency[: len(users), len(users) :] = chosen
        adjacency += adjacency.T
        scale = np.array([1 / math.sqrt(d) if d else 0 for d in adjacency.sum(1)])
        adjacency = scale[:, None] * adjacency * scale[None, :]
        hop = total = np.concatenate([users, items])
        for _ in range(method.layers):
            hop = adjacency @ hop
            total = total + hop
        mean = total / (method.layers + 1)
        self.users, self.items = mean[: len(users)], mean[len(users) :] + items

    def predict(self, vector: np.ndarray) -> np.ndarray:
        return vector @ self.state["predictor.weight"].T + self.state["predictor.bias"]

    def content(self, name: str, item: int) -> np.ndarray:
        weight, bias = (self.state[f"projections.{name}.{part}"] for part in ("weight", "bias"))
        return self.state[f"features.learned.{name}"][item] @ weight.T + bias

    def is_there(self, name: str, item: int) -> bool:
        return bool(DATA.catalog.items.vectors[name][item].abs().sum() > 0)

    def target(self, vector: np.ndarray) -> np.ndarray:
        return half(torch.from_numpy(vector), self.method.dropout, True).numpy()

    def pair(self, user: int, item: int) -> float:
        """All terms of one pair."""
        of_user, of_item = self.users[user], self.items[item]
        total = 1 - cosine(self.predict(of_user), self.target(of_item))
        total += 1 - cosine(self.predict(of_item), self.target(of_user))
        for name in ("image", "text"):
            if not self.is_there(name, item):
                continue
            content = self.content(name, item)
            align = 1 - cosine(self.predict(content), self.target(of_item))
            mask = 1 - cosine(self.predict(content), self.target(content))
            terms = self.method.alignment * align + self.method.masking * mask
            total += self.method.content_weight * terms
        return total

    def decay(self) -> float:
        norms = np.linalg.norm(self.users) + np.linalg.norm(self.items)
        return self.method.decay * norms / len(self.items)


METHODS = [
    BM3(dim=4),
    BM3(dim=4, layers=2, dropout=0.3, decay=0.01),
    BM3(dim=4, layers=0, dropout=0.0),
    BM3(dim=4, content_weight=0.5, alignment=0.0),
    BM3(dim=4, masking=0.0),
    BM3(dim=4, content_weight=0.0),
]


@pytest.mark.parametrize("method", METHODS, ids=range(len(METHODS)))
def test_the_loss_of_every_pair_is_that_of_the_card(method, monkeypatch):
    monkeypatch.setattr("torch.nn.functional.dropout", half)
    network = method.network(DATA).train()
    slow = Slow(network, method)
    batches = Pairs(size=20, negatives=0)(DATA)
    for batch in batches(torch.Generator().manual_seed(0)):
        losses = network.loss(batch)
        expected = [
            slow.pair(int(user), int(item))
            for user, item in zip(batch.user, batch.positive, strict=True)
        ]
        assert losses.each.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert losses.extra["decay"].item() == pytest.approx(slow.decay(), rel=1e-5)


def test_targets_are_out_of_reach_of_the_gradient():
    """Pushing only the targets must move nothing: with all of it detached there is no gradient."""
    method = BM3(dim=4, content_weight=0.0, decay=0.0, dropout=0.0, layers=0)
    network = method.network(DATA)
    with torch.no_grad():  # an online side that ignores what comes in
        network.predictor.weight.zero_()
    batch = next(iter(Pairs(size=20, negatives=0)(DATA)(torch.Generator().manual_seed(0))))
    network.loss(batch).total(batch).backward()
    assert network.users.grad.abs().max() == 0
    assert network.items.grad.abs().max() == 0
    assert network.predictor.bias.grad.abs().max() > 0


def test_dropout_is_on_the_targets_only_and_off_in_answers():
    network = BM3(dim=4, dropout=0.9).network(DATA)
    batch = next(iter(Pairs(size=20, negatives=0)(DATA)(torch.Generator().manual_seed(0))))
    trained = [network.train().loss(batch).each for _ in range(2)]
    assert not torch.equal(*trained)
    asked = [network.eval().loss(batch).each for _ in range(2)]
    assert torch.equal(*asked)
    for mode in (True, False):
        one, other = (network.train(mode).vectors() for _ in range(2))
        assert torch.equal(one[1], other[1])


def test_scores_are_inner_products_of_predicted_vectors_and_new_items_stand_at_their_content():
    network = BM3(dim=4).network(DATA)
    slow = Slow(network, BM3(dim=4))
    users, items = (one.detach().numpy() for one in network.vectors())
    np.testing.assert_allclose(users, slow.predict(slow.users), rtol=1e-4, atol=1e-5)
    for item in range(13):
        np.testing.assert_allclose(
            items[item], slow.predict(slow.items[item]), rtol=1e-4, atol=1e-5
        )
    both = [slow.predict(slow.content(name, 13)) for name in ("image", "text")]
    np.testing.assert_allclose(items[13], np.mean(both, 0), rtol=1e-4, atol=1e-5)
    alone = slow.predict(slow.content("text", 14))  # item 14 has no image
    np.testing.assert_allclose(items[14], alone, rtol=1e-4, atol=1e-5)


def test_a_stranger_stands_at_the_mean_of_the_predicted_items():
    fitted = BM3().changed(SHORT).fit(DATA, Run())
    asked = Requests(torch.tensor([-1]), Histories(Ragged.of([[1, 4, 8]])))
    expected = fitted.item_vectors[[1, 4, 8]].mean(0)
    torch.testing.assert_close(fitted.queries(asked)[0], expected)


def test_no_negative_sampler_is_set_up_or_called_while_bm3_trains(monkeypatch):
    """Claim 5 of the card."""

    def refuse(self, data):
        raise AssertionError("BM3 asked for negatives")

    samplers = list(registry.every(Negatives))
    assert len(samplers) >= 4
    for sampler in samplers:
        monkeypatch.setattr(sampler, "over", refuse)
    BM3().changed(SHORT).fit(DATA, Run())
    with pytest.raises(AssertionError, match="asked for negatives"):  # the guard itself works
        BM3().changed({**SHORT, "batches": {"size": 16, "negatives": 1}}).fit(DATA, Run())


@pytest.mark.parametrize("trained", [True, False])
def test_content_tables_are_learned_on_or_kept(trained):
    fitted = BM3(train_features=trained).changed(SHORT).fit(DATA, Run())
    kept = torch.equal(fitted.network.features.table("text"), DATA.catalog.items.vectors["text"])
    assert kept != trained


def test_without_content_bm3_says_what_to_do():
    with pytest.raises(NoContent, match="Encode them first"):
        BM3().fit(random_world(), Run())
    with pytest.raises(BadSpec, match="dropout"):
        BM3(dropout=1.0)


def test_content_that_is_not_learned_on_is_read_where_it_lies_and_kept_nowhere_else(tmp_path):
    table = DATA.catalog.items.vectors["text"].half()
    np.save(tmp_path / "text.npy", table.numpy())
    mapped = torch.from_numpy(np.load(tmp_path / "text.npy", mmap_mode="c"))
    data = DATA.with_vectors("text", mapped)
    fitted = BM3(train_features=False).changed(SHORT).fit(data, Run())
    assert fitted.network.features.table("text").data_ptr() == mapped.data_ptr()
    assert not [
        name for name in fitted.network.state_dict() if "text" in name and "proj" not in name
    ]
    as_floats = DATA.with_vectors("text", table.float())
    other = BM3(train_features=False).changed(SHORT).fit(as_floats, Run())
    torch.testing.assert_close(fitted.item_vectors, other.item_vectors)


def test_an_item_whose_filled_vector_is_not_its_own_is_not_taught_by_it():
    """The mask decides what is present, not whether a row is zero."""
    table = DATA.catalog.items.vectors["text"].clone()
    mask = torch.ones(len(table), dtype=torch.bool)
    mask[2] = False
    table[2] = 5.0
    network = BM3(dim=4).network(DATA.with_vectors("text", table, mask))
    place = network.features.names.index("text")
    assert network.features.present[place].tolist() == mask.tolist()
