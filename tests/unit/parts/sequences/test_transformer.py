import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Histories, Ragged
from tesserec.parts.batches import Packed
from tesserec.parts.sequences import Memories, Norm, Transformer

LISTS = [[1, 2, 3, 4, 5], [6], [7, 8, 9, 1, 2], [3, 4, 5], [6, 7], [8, 9, 1, 2]]
NORMS = ["original", "pre", "post"]


def packed() -> Packed:
    return Packed.of(Histories(Ragged.of(LISTS)), 10)[0]


def transformer(norm: Norm = "pre", causal: bool = True, heads: int = 2) -> Transformer:
    torch.manual_seed(0)
    made = Transformer(8, 2, heads, 12, 0.2, norm, "gelu", causal)
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return made.eval().double()


def slow(made: Transformer, values: Tensor, norm: Norm, causal: bool, heads: int) -> Tensor:
    """One sequence, event by event and head by head: [W, D] -> [W, D]"""
    for block in made.blocks:
        queries = values if norm == "post" else block.before(values)
        keys = values if norm == "original" else queries
        weights, biases = block.attention.into.weight.chunk(3), block.attention.into.bias.chunk(3)
        made_of = (queries, keys, keys)
        q, k, v = (x @ w.T + b for x, w, b in zip(made_of, weights, biases, strict=True))
        seen = torch.zeros_like(values)
        size = values.shape[1] // heads
        for event in range(len(values)):
            upto = event + 1 if causal else len(values)
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                shares = ((k[:upto, own] @ q[event, own]) / size**0.5).softmax(0)
                seen[event, own] = shares @ v[:upto, own]
        seen = block.attention.out(seen)

        def network(x: Tensor, block=block) -> Tensor:
            return block.narrow(functional.gelu(block.wide(x)))

        if norm == "post":
            values = block.before(values + seen)
            values = block.between(values + network(values))
        elif norm == "original":
            values = block.between(queries + seen)
            values = values + network(values)
        else:
            values = values + seen
            values = values + network(block.between(values))
    return made.last(values)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("heads", [1, 2])
def test_it_is_what_the_equations_say_for_each_sequence_alone(norm, causal, heads):
    sequences, made = packed(), transformer(norm, causal, heads)
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64)
    found = made(values, sequences)
    for start, end in zip(sequences.starts, sequences.ends, strict=True):
        expected = slow(made, values[start:end], norm, causal, heads)
        torch.testing.assert_close(found[start:end], expected)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("causal", [True, False])
def test_the_last_states_alone_are_those_of_all(norm, causal):
    sequences, made = packed(), transformer(norm, causal)
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64)
    whole = made(values, sequences)[sequences.ends - 1]
    torch.testing.assert_close(made.ends(values, sequences), whole)


@pytest.mark.parametrize("norm", NORMS)
def test_reading_on_is_reading_the_longer_sequences(norm):
    sequences, made = packed(), transformer(norm)
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64)
    more = torch.randn(2, len(sequences), 8, dtype=torch.float64)
    memories: Memories = []
    made(values, sequences, memories)
    found = [made.further(one, memories) for one in more]
    for row, (start, end) in enumerate(zip(sequences.starts, sequences.ends, strict=True)):
        longer = torch.cat([values[start:end], more[:, row]])
        expected = slow(made, longer, norm, True, 2)[-2:]
        torch.testing.assert_close(torch.stack([one[row] for one in found]), expected)


def test_what_comes_later_changes_nothing_before():
    sequences, made = packed(), transformer()
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64)
    changed = values.clone()
    changed[sequences.ends - 1] += torch.randn(8, dtype=torch.float64)
    one, other = made(values, sequences), made(changed, sequences)
    same = sequences.from_end > 0
    assert torch.equal(one[same], other[same])
    assert not torch.isclose(one[~same], other[~same]).all(1).any()


def test_gradients_reach_all_weights_and_do_not_depend_on_neighbours():
    sequences, made = packed(), transformer().train(False)
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64, requires_grad=True)
    start, end = int(sequences.starts[2]), int(sequences.ends[2])
    made(values, sequences)[start:end].sum().backward()
    assert (values.grad[start:end] != 0).any()
    assert (values.grad[:start] == 0).all()
    assert (values.grad[end:] == 0).all()
    alone = values.detach()[start:end].requires_grad_()
    slow(made, alone, "pre", True, 2).sum().backward()
    torch.testing.assert_close(values.grad[start:end], alone.grad)


def test_dropout_changes_answers_in_training_alone():
    sequences, made = packed(), transformer()
    values = torch.randn(len(sequences.items), 8, dtype=torch.float64)
    made.train()
    assert not torch.equal(made(values, sequences), made(values, sequences))
    made.eval()
    assert torch.equal(made(values, sequences), made(values, sequences))
