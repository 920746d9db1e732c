"""T5's layers against transformers' T5 with the same weights, and written step by step."""

import pytest
import torch
from torch import Tensor

from tesserec.core import Codes
from tesserec.parts.batches.packed import Packed
from tesserec.parts.generation import CodeReader, Decoder, Encoder
from tesserec.parts.generation.generator import Generator
from toys.t5 import t5

DIM, LAYERS, HEADS, WIDTH, INNER = 12, 2, 3, 8, 20
SIZES = (5, 5, 4)
SHAPE = DIM, LAYERS, HEADS, WIDTH, INNER, 0.1
LENGTHS = torch.tensor([6, 5, 2, 1])


def generator(children: bool = False) -> Generator:
    torch.manual_seed(0)
    drawn = torch.randperm(100)[:40]
    table = torch.stack([drawn // 20, drawn // 4 % 5, drawn % 4], 1)
    codes = Codes(table, SIZES)
    reader = CodeReader(codes, Encoder(*SHAPE), DIM)
    popularity = torch.arange(40)
    return Generator(codes, reader, Decoder(*SHAPE), DIM, popularity, 6, children).eval()


def some_items() -> Packed:
    drawn = torch.randint(40, (int(LENGTHS.sum()),), generator=torch.Generator().manual_seed(1))
    return Packed(drawn, LENGTHS)


def shuffled_norms(network: torch.nn.Module) -> None:
    for one in network.modules():
        if isinstance(one, torch.nn.RMSNorm):
            torch.nn.init.uniform_(one.weight, 0.5, 1.5)


def logits_of(ours: Generator, packed: Packed, targets: Tensor) -> list[Tensor]:
    memory, read = ours.reader(packed, torch.full((len(packed),), -1), ours.tokens)
    states = ours.decoder(ours._written(ours.codes[targets]), memory, read)
    return [ours.logits(states[:, level], level) for level in range(len(SIZES))]


def test_it_computes_what_transformers_computes() -> None:
    pytest.importorskip("transformers")
    ours = generator()
    shuffled_norms(ours)
    theirs = t5(ours.state_dict())
    packed, targets = some_items(), torch.tensor([3, 17, 9, 30])
    shift = torch.tensor([1, 6, 11])
    width = int(LENGTHS.max()) * len(SIZES)
    source, there = torch.zeros(4, width, dtype=torch.int64), torch.zeros(4, width)
    for row, items in enumerate(packed.items.split(LENGTHS.tolist())):
        tokens = (ours.codes[items] + shift).flatten()
        source[row, : len(tokens)], there[row, : len(tokens)] = tokens, 1
    labels = ours.codes[targets] + shift
    with torch.no_grad():
        expected = theirs(input_ids=source, attention_mask=there, labels=labels).logits
        for level, found in enumerate(logits_of(ours, packed, targets)):
            first = int(shift[level])
            wanted = expected[:, level, first : first + SIZES[level]]
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_writing_step_by_step_is_writing_at_once() -> None:
    ours, packed, targets = generator(), some_items(), torch.tensor([3, 17, 9, 30])
    with torch.no_grad():
        at_once = logits_of(ours, packed, targets)
        memory, read = ours.reader(packed, torch.full((4,), -1), ours.tokens)
        state = ours.decoder.begin(memory, read)
        for level, expected in enumerate(at_once):
            found = ours.advance(state)
            # Two beams of each, the second a copy of the first.
            torch.testing.assert_close(found[:, -1], expected)
            parents = torch.zeros(4, 2, dtype=torch.int64)
            state.follow(parents, ours.codes[targets, level][:, None].expand(-1, 2))


def test_a_person_is_a_token_before_the_history() -> None:
    ours, packed = generator(), some_items()
    torch.manual_seed(3)
    codes = Codes(ours.codes, SIZES)
    reader = CodeReader(codes, ours.reader.encoder, DIM, users=2).eval()
    memory, read = reader(packed, torch.tensor([0, 1, 2, -1]), ours.tokens)
    assert read.lengths.tolist() == [3 * one + 1 for one in LENGTHS.tolist()]
    again, _ = reader(packed, torch.tensor([2, 3, 0, -1]), ours.tokens)
    torch.testing.assert_close(memory, again)  # 2 is as 0, and 3 as 1
    other, _ = reader(packed, torch.tensor([1, 1, 2, -1]), ours.tokens)
    assert not torch.allclose(memory[: read.ends[0]], other[: read.ends[0]])
    torch.testing.assert_close(memory[read.ends[0] :], other[read.ends[0] :])


def test_only_tokens_that_may_follow_compete() -> None:
    ours = generator(children=True)
    table = ours.codes.tolist()
    for item in range(0, 40, 7):
        for level in range(len(SIZES)):
            prefix = table[item][:level]
            wanted = {row[level] for row in table if row[:level] == prefix}
            found = ours.may_follow(torch.tensor([item]), level)[0]
            assert set(found.nonzero()[:, 0].tolist()) == wanted


def test_a_loss_is_the_mean_over_levels() -> None:
    from tesserec.parts.batches import SequenceBatch

    for children in (False, True):
        ours, packed, targets = generator(children), some_items(), torch.tensor([3, 17, 9, 30])
        batch = SequenceBatch(
            torch.arange(4), torch.full((4,), -1), packed, packed.ends - 1, targets, None,
            torch.ones(4),
        )  # fmt: skip
        with torch.no_grad():
            found = ours.loss(batch).each
            logits = logits_of(ours, packed, targets)
        for row, item in enumerate(targets.tolist()):
            costs = []
            for level in range(len(SIZES)):
                one = logits[level][row].clone()
                if children:
                    one[~ours.may_follow(targets[row : row + 1], level)[0]] = -torch.inf
                costs.append(-one.log_softmax(0)[ours.codes[item, level]])
            torch.testing.assert_close(found[row], torch.stack(costs).mean())


def test_where_tokens_are_shared_the_level_does_not_matter() -> None:
    codes = Codes(torch.tensor([[1, 2, 0], [2, 1, 0]]), (4, 4, 2))
    reader = CodeReader(codes, Encoder(*SHAPE), DIM, shared=True)
    ours = Generator(codes, reader, Decoder(*SHAPE), DIM, torch.ones(2), 6, shared=True)
    assert len(ours.tokens) == 4
    assert reader.tokens.equal(codes.table)
    first, second = ours.item_vectors()
    torch.testing.assert_close(first, second)
    apart = CodeReader(codes, Encoder(*SHAPE), DIM)
    assert apart.tokens.tolist() == [[1, 6, 8], [2, 5, 8]]


def test_an_id_may_be_one_token() -> None:
    codes = Codes(torch.arange(7)[:, None], (8,))
    reader = CodeReader(codes, Encoder(*SHAPE), DIM)
    ours = Generator(codes, reader, Decoder(*SHAPE), DIM, torch.ones(7), 6).eval()
    packed = Packed(torch.tensor([1, 2, 3]), torch.tensor([2, 1]))
    memory, read = ours.reader(packed, torch.full((2,), -1), ours.tokens)
    states = ours.decoder(ours._written(ours.codes[:2]), memory, read)
    found = ours.advance(ours.decoder.begin(memory, read))
    torch.testing.assert_close(found[:, 0], ours.logits(states[:, 0], 0))
