"""What makes one answer of several, against loops in numpy."""

import numpy as np
import torch

from tesserec.core import Run
from tesserec.parts.sharding import Attended, Averaged
from tesserec.parts.sharding.aggregate import Attending, States

B, S, D, ITEMS = 3, 4, 6, 5


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def attending() -> Attending:
    """With weights that are all different, and none of them 0."""
    module = Attending(S, D, ITEMS)
    for number, weight in enumerate(module.parameters()):
        weight.data = drawn(*weight.shape, seed=number)
    return module


def slowly(module: Attending, states: np.ndarray, centres: np.ndarray, among: list[int]):
    """Scores of all items, request by request and shard by shard."""
    own = {name: one.detach().double().numpy() for name, one in module.named_parameters()}
    scores = np.zeros((len(states), ITEMS))
    for b, state in enumerate(states):
        turned = [state[s] @ own["turn"][s] + own["move"][s] for s in range(S)]
        centre = [centres[s] @ own["turn"][s] + own["move"][s] for s in range(S)]
        worth = {}
        for s in among:
            inside = np.maximum(own["fit"].T @ (turned[s] * centre[s]) + own["fit_bias"], 0)
            worth[s] = np.exp(own["worth"] @ inside)
        told = sum(worth[s] / sum(worth.values()) * turned[s] for s in among)
        scores[b] = own["out.weight"] @ told + own["out.bias"]
    return scores


def test_attention_is_the_equation() -> None:
    module, states, centres = attending(), drawn(B, S, D), drawn(S, D, seed=9)
    for learned in ([0, 1, 2, 3], [0, 2]):
        mask = torch.zeros(S, dtype=torch.bool)
        mask[learned] = True
        found = module.query(states, centres, mask) @ module.vectors([]).T
        slow = slowly(module, states.double().numpy(), centres.double().numpy(), learned)
        np.testing.assert_allclose(found.detach().numpy(), slow, rtol=1e-4, atol=1e-4)


def test_what_a_shard_without_events_says_is_of_no_matter() -> None:
    states, centres, mask = drawn(B, S, D), drawn(S, D), torch.tensor([True, False, True, True])
    other = states.clone()
    other[:, 1] = 7.0
    for module in (attending(), Averaged().over(S, D, ITEMS)):
        assert torch.equal(module.query(states, centres, mask), module.query(other, centres, mask))


def test_the_mean_is_that_of_the_scores_of_shards_that_learned() -> None:
    module, states = Averaged().over(S, D, ITEMS), drawn(B, S, D)
    tables = [drawn(ITEMS, D, seed=shard) for shard in range(S)]
    mask = torch.tensor([True, True, False, True])
    found = module.query(states, drawn(S, D), mask) @ module.vectors(tables).T
    slow = sum(states[:, s] @ tables[s].T for s in (0, 1, 3)) / 3
    torch.testing.assert_close(found, slow)


def test_it_learns_which_shard_is_right() -> None:
    """Only one of the shards sees what comes; the others say anything."""
    examples = 200
    positive = torch.arange(examples) % ITEMS
    states = drawn(examples, S, D)
    states[:, 2] = 3 * torch.eye(D)[positive]
    everything = States(
        states,
        states.mean(0),
        torch.ones(S, dtype=torch.bool),
        positive,
        torch.arange(examples),
        torch.ones(examples),
    )
    method = Attended().changed({"size": 20, "schedule": {"epochs": 30, "rate": 0.01}})
    with Run(seed=0).seeded("network"):
        module = method.over(S, D, ITEMS)
    method.learn(module, lambda last: everything, Run(seed=0))
    found = module.query(states, everything.centres, everything.learned) @ module.vectors([]).T
    assert float((found.argmax(1) == positive).float().mean()) > 0.95
