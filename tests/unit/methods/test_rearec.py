"""ReaRec's equations against slow ones, and what it refuses."""

import pytest
import torch
from torch import Tensor, nn

import tesserec as tr
from tesserec.core import Dataset, Requests, Run
from tesserec.core.errors import BadSpec
from tesserec.data import toys
from tesserec.data.splits import Published
from tesserec.evaluation import mark
from tesserec.methods.sequential.rearec import ERL, PRL, Network, ReaRec
from tesserec.methods.sequential.sasrec import SASRec
from tesserec.parts.batches import Packed, Prefixes, SequenceBatch, Sequences
from tesserec.parts.negatives import Everything
from tesserec.parts.objectives import BCE, Softmax
from tesserec.parts.sequences import Learned, NextItem
from tesserec.training import Schedule
from toys.strategies import Remembering

TAU = 0.5
PER_EPOCH = 18  # batches of the cycle: 60 people with 6 targets each, 20 at once


def sasrec(**fields: object) -> SASRec:
    return SASRec(
        **{
            "dim": 8,
            "dropout": 0.0,
            "objective": Softmax(temperature=TAU, cosine=False),
            "batches": Prefixes(size=20, length=10, sampler=Everything()),
            **fields,
        }
    )


def made(method: ReaRec, seed: int = 0) -> tuple[Network, Dataset]:
    """A network whose states differ from step to step, and what it learns from."""
    data = Published(valid=0).split(toys.cycle()).train
    torch.manual_seed(seed)
    network = method.network(data)
    with torch.no_grad():
        for one in network.parameters():
            one.add_(0.3 * torch.randn_like(one))
    return network, data


def a_batch(data: Dataset, method: ReaRec, step: int = 0) -> SequenceBatch:
    batch = next(iter(method.recipe()[0](data)(torch.Generator().manual_seed(3))))
    batch.step = step
    return batch


def states_of(network: Network, batch: SequenceBatch) -> Tensor:
    return network.states(batch.events, network.input_vectors())


def requests_of(data: Dataset) -> Requests:
    return Requests.of(data, users=data.catalog.users.ids)


@pytest.mark.parametrize("scheme", [ERL(), PRL()])
@pytest.mark.parametrize("cosine", [False, True])
def test_without_steps_it_is_the_inner_method(scheme: ERL | PRL, cosine: bool) -> None:
    objective = Softmax(temperature=TAU, cosine=cosine)
    method = ReaRec(method=sasrec(objective=objective), steps=0, scheme=scheme)
    network, data = made(method)
    batch = a_batch(data, method, step=99)
    torch.testing.assert_close(network.loss(batch).each, network.inner.loss(batch).each)
    requests, inputs = requests_of(data), network.input_vectors()
    own, inner = network.encode(requests, inputs), network.inner.encode(requests, inputs)
    assert torch.equal(own, inner)


@pytest.mark.parametrize("norm", ["pre", "post", "original"])
def test_thinking_is_reading_the_lengthened_sequence_from_its_beginning(norm: str) -> None:
    network, data = made(ReaRec(method=sasrec(norm=norm, heads=2), steps=3))
    cut = [row[:most] for row, most in zip(data.histories.items.lists(), (9, 3, 1), strict=False)]
    items = torch.tensor([item for row in cut for item in row])
    lengths = torch.tensor([len(row) for row in cut])
    packed = Packed(items, lengths)
    found = network.states(packed, network.input_vectors())
    assert found.shape == (4, 3, 8)
    values = network.entered(packed, network.input_vectors())
    for number, first in enumerate(values.split(lengths.tolist())):
        events = first
        for step in range(4):
            whole = Packed(torch.zeros(len(events)).long(), torch.tensor([len(events)]))
            state = network.reader(events, whole)[-1]
            torch.testing.assert_close(found[step, number], state, rtol=1e-4, atol=1e-5)
            if step < 3:
                events = torch.cat([events, (state + network.places[step])[None]])


def test_erl_answers_with_the_mean_of_all_steps_and_prl_with_the_last() -> None:
    states = torch.randn(3, 4, 8)
    torch.testing.assert_close(ERL().answer(states), (states[0] + states[1] + states[2]) / 3)
    assert torch.equal(PRL().answer(states), states[2])
    network, data = made(ReaRec(method=sasrec(), scheme=ERL()))
    requests, inputs = requests_of(data), network.input_vectors()
    packed, order = Packed.of(requests.history, 10)
    expected = network.states(packed, inputs).mean(0)
    torch.testing.assert_close(network.encode(requests, inputs)[order], expected)


def logits_of(network: Network, state: Tensor, temperature: float) -> Tensor:
    return state @ network.item_vectors().T / temperature


def gradients(network: Network, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(network.parameters()), allow_unused=True))


def assert_same_gradients(network: Network, one: Tensor, other: Tensor) -> None:
    for mine, slow in zip(gradients(network, one), gradients(network, other), strict=True):
        assert (mine is None) == (slow is None)
        if mine is not None:
            torch.testing.assert_close(mine, slow, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_erl_is_a_softmax_less_the_divergence_of_all_pairs_of_steps(steps: int) -> None:
    network, data = made(method := ReaRec(method=sasrec(), steps=steps, scheme=ERL(apart=0.7)))
    batch = a_batch(data, method)
    states = states_of(network, batch)
    logs = [logits_of(network, state, TAU).log_softmax(1) for state in states]
    pairs = []
    for i, own in enumerate(logs):
        for j, other in enumerate(logs):
            if i != j:
                pairs.append((own.exp() * (own - other.detach())).sum(1))
    told = logits_of(network, sum(states) / len(states), TAU).log_softmax(1)
    slow = -told.gather(1, batch.positive[:, None])[:, 0] - 0.7 * sum(pairs) / len(pairs)
    assert sum(pairs).max() > 0.1
    each = network.loss(batch).each
    torch.testing.assert_close(each, slow, rtol=1e-4, atol=1e-5)
    assert_same_gradients(network, each.mean(), slow.mean())


@pytest.mark.parametrize("steps", [1, 3])
def test_prl_tells_earlier_steps_at_higher_temperatures(steps: int) -> None:
    scheme = PRL(annealing=1.7, early=0.6, contrast=0.0)
    network, data = made(method := ReaRec(method=sasrec(), steps=steps, scheme=scheme))
    batch = a_batch(data, method, step=99)
    states = states_of(network, batch)
    losses = []
    for step, state in enumerate(states):
        logs = logits_of(network, state, TAU * 1.7 ** (steps - step)).log_softmax(1)
        losses.append(-logs.gather(1, batch.positive[:, None])[:, 0])
    slow = losses[-1] + 0.6 * sum(losses[:-1]) / steps
    each = network.loss(batch).each
    torch.testing.assert_close(each, slow, rtol=1e-4, atol=1e-5)
    assert_same_gradients(network, each.mean(), slow.mean())


def test_prl_tells_a_noised_thought_from_those_of_other_sequences() -> None:
    scheme = PRL(early=0.0, contrast=0.9, noise=0.3)
    network, data = made(method := ReaRec(method=sasrec(), steps=2, scheme=scheme))
    batch = a_batch(data, method, step=2 * PER_EPOCH)
    inputs, states = network.input_vectors(), states_of(network, batch)
    torch.manual_seed(5)
    noised = network.noised(batch.events, inputs, states, 0.3)
    assert (noised - states[1:]).abs().mean() > 0.01
    slow = -logits_of(network, states[-1], TAU).log_softmax(1)
    slow = slow.gather(1, batch.positive[:, None])[:, 0]
    for b in range(len(batch)):
        for own, clean in zip(noised, states[1:], strict=True):
            logits = torch.stack([own[b] @ other / TAU for other in clean])
            slow[b] = slow[b] - 0.9 * logits.log_softmax(0)[b] / 2
    torch.manual_seed(5)
    each = network.loss(batch).each
    torch.testing.assert_close(each, slow, rtol=1e-4, atol=1e-4)
    assert_same_gradients(network, each.mean(), slow.mean())


def test_the_contrast_begins_after_the_epochs_of_its_warm_up() -> None:
    method = ReaRec(method=sasrec(), scheme=PRL(warmup=2))
    network, data = made(method)
    assert len(method.recipe()[0](data)) == PER_EPOCH
    without, _ = made(ReaRec(method=sasrec(), scheme=PRL(contrast=0.0)))
    before, after = (a_batch(data, method, step) for step in (2 * PER_EPOCH - 1, 2 * PER_EPOCH))
    torch.testing.assert_close(network.loss(before).each, without.loss(before).each)
    assert (network.loss(after).each > without.loss(after).each).all()


def test_noise_of_nothing_changes_no_thought() -> None:
    network, data = made(method := ReaRec(method=sasrec(), steps=3))
    batch = a_batch(data, method)
    inputs, states = network.input_vectors(), states_of(network, batch)
    torch.testing.assert_close(network.noised(batch.events, inputs, states, 0.0), states[1:])


def test_the_history_of_noised_thoughts_is_dropped_out_anew() -> None:
    network, data = made(method := ReaRec(method=sasrec(dropout=0.5)))
    batch = a_batch(data, method)
    inputs = network.input_vectors()
    with torch.no_grad():
        one = network.states(batch.events, inputs)
        other = network.noised(batch.events, inputs, one, 0.0)
    assert not torch.allclose(one[1:], other)


def test_steps_have_vectors_of_their_own_unless_it_is_told_otherwise() -> None:
    network, data = made(method := ReaRec(method=sasrec(), steps=3))
    network.loss(a_batch(data, method, step=99)).each.mean().backward()
    assert network.places.shape == (3, 8)
    assert (network.places.grad.abs().sum(1) > 0).all()
    naive, _ = made(ReaRec(method=sasrec(), steps=3, placed=False))
    assert set(naive.state_dict()) == {name for name in network.state_dict() if name != "places"}
    assert torch.equal(naive.places, torch.zeros(3, 8))


@pytest.mark.parametrize("scheme", [ERL(), PRL(warmup=1)])
def test_both_schemes_learn_what_follows_before_and_after_the_warm_up(scheme: ERL | PRL) -> None:
    method = ReaRec(**ReaRec.tiny).changed({"scheme": scheme.to_dict()})
    split = Published(valid=0).split(toys.cycle())
    assert mark(method.fit(split.train, Run(seed=1)), split.test, ["recall@1"])["recall@1"] > 0.9


@pytest.mark.parametrize("scheme", [ERL(), PRL(warmup=0)])
def test_both_schemes_learn_in_half_precision(scheme: ERL | PRL) -> None:
    method = ReaRec(**ReaRec.tiny).changed({"scheme": scheme.to_dict()})
    split = Published(valid=0).split(toys.cycle())
    model = method.fit(split.train, Run(seed=1, precision="bfloat16"))
    assert mark(model, split.test, ["recall@1"])["recall@1"] > 0.9


def test_a_strategy_may_hold_it() -> None:
    method = ReaRec(method=sasrec(schedule=Schedule(epochs=1)), scheme=ERL())
    split = Published().split(toys.cycle())
    model = Remembering(method=method).fit(split.train, Run(valid=split.valid))
    assert model.recommend(split.test.requests, 3).items.shape == (60, 3)


class Counting(nn.Module):
    """A recurrent reader: the state is all that is remembered."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.cell = nn.GRUCell(dim, dim)

    def forward(self, values: Tensor, packed: Packed) -> Tensor:
        states = torch.zeros_like(values)
        for event, row in enumerate(values):
            begins = bool((packed.starts == event).any())
            before = torch.zeros_like(row) if begins else states[event - 1]
            states = states.index_put((torch.tensor(event),), self.cell(row[None], before[None])[0])
        return states

    def ends(self, values: Tensor, packed: Packed, memories: list | None = None) -> Tensor:
        states = self(values, packed)[packed.ends - 1]
        if memories is not None:
            memories.append(states)
        return states

    def further(self, values: Tensor, memories: list) -> Tensor:
        memories[0] = self.cell(values, memories[0])
        return memories[0]


class Recurrent(SASRec):
    """Reads with a recurrent network."""

    def network(self, data: Dataset) -> nn.Module:
        return NextItem(
            data,
            dim=self.dim,
            longest=10,
            reader=Counting(self.dim),
            objective=self.objective,
            items=Learned(),
            dropout=0.0,
        )


class Forgetful(Recurrent):
    """Reads with a network that remembers nothing."""

    def network(self, data: Dataset) -> nn.Module:
        network = super().network(data)
        network.reader = nn.Linear(self.dim, self.dim)
        return network


def test_any_reader_that_reads_on_can_think() -> None:
    method = ReaRec(method=Recurrent(**dict(sasrec())), steps=2, scheme=ERL())
    network, data = made(method)
    batch = a_batch(data, method)
    found = states_of(network, batch)
    cell, places = network.reader.cell, network.places
    for step in (0, 1):
        torch.testing.assert_close(found[step + 1], cell(found[step] + places[step], found[step]))
    network.loss(batch).each.mean().backward()
    assert network.places.grad.abs().min() > 0


def test_what_cannot_think_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadSpec, match=r"one target per sequence.*Prefixes\("):
        ReaRec(method=sasrec(batches=Sequences(sampler=Everything())))
    with pytest.raises(BadSpec, match=r"from all items.*Everything\("):
        ReaRec(method=sasrec(batches=Prefixes()))
    with pytest.raises(BadSpec, match=r"distributions over all items.*Softmax\("):
        ReaRec(method=sasrec(objective=BCE()))
    with pytest.raises(BadSpec, match="Prefixes"):
        ReaRec(method=tr.MF())
    with pytest.raises(BadSpec, match="Put ReaRec into Remembering"):
        ReaRec(method=Remembering(method=sasrec()))
    forgetful = ReaRec(method=Forgetful(**dict(sasrec())))
    with pytest.raises(BadSpec, match=r"Forgetful's network has no reader.ends, reader.further"):
        made(forgetful)
