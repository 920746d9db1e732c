"""The trie against a dictionary of prefixes that loops fill."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tesserec.core import Codes
from tesserec.core.errors import BadData
from tesserec.parts.semantic_ids import Trie

Prefix = tuple[int, ...]


@st.composite
def unique_codes(draw: st.DrawFn) -> Codes:
    sizes = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    row = st.tuples(*(st.integers(0, size - 1) for size in sizes))
    rows = draw(st.lists(row, min_size=1, max_size=20, unique=True))
    return Codes(torch.tensor(rows), sizes)


def items_below(codes: Codes) -> dict[Prefix, list[int]]:
    """The items that begin with each prefix, the empty one included."""
    found: dict[Prefix, list[int]] = {}
    for item, row in enumerate(codes.table.tolist()):
        for length in range(len(row) + 1):
            found.setdefault(tuple(row[:length]), []).append(item)
    return found


@given(unique_codes())
def test_every_prefix_is_found_and_no_other(codes):
    trie, known = Trie.of(codes), items_below(codes)
    numbers: dict[int, set[int]] = {}
    for prefix in known:
        numbers.setdefault(len(prefix), set()).add(trie.find(prefix))
        for token in range(codes.sizes[len(prefix)] if len(prefix) < codes.levels else 0):
            longer = (*prefix, token)
            assert (trie.find(longer) >= 0) == (longer in known)
    for level, found in numbers.items():  # one node each, counted from 0
        assert found == set(range(trie.nodes(level)))


@given(unique_codes())
def test_children_lie_in_the_order_of_their_tokens_and_know_their_parents(codes):
    trie, known = Trie.of(codes), items_below(codes)
    for prefix in known:
        level, node = len(prefix), trie.find(prefix)
        if level == codes.levels:
            continue
        expected = sorted(longer[-1] for longer in known if longer[:-1] == prefix != longer)
        nodes, there = trie.below(torch.tensor([[node]]), level)
        children = nodes[there]
        assert trie.tokens[level][children].tolist() == expected
        assert (trie.parents[level][children] == node).all()


@given(unique_codes(), st.randoms(use_true_random=False))
def test_leaves_are_counted_for_all_items_and_for_some(codes, random):
    trie, known = Trie.of(codes), items_below(codes)
    some = random.sample(range(len(codes)), random.randint(0, len(codes)))
    for prefix, items in known.items():
        level, node = len(prefix), trie.find(prefix)
        assert int(trie.leaves(level)[node]) == len(items)
        below = trie.leaves(level, torch.tensor(some, dtype=torch.int64))
        assert int(below[node]) == len(set(some) & set(items))


@given(unique_codes())
def test_items_and_nodes_know_each_other(codes):
    trie = Trie.of(codes)
    for item, row in enumerate(codes.table.tolist()):
        for level in range(codes.levels + 1):
            assert int(trie.node_of_item[level, item]) == trie.find(row[:level])
        assert int(trie.item_of_leaf[trie.find(row)]) == item


def test_children_of_several_nodes_of_which_some_are_none():
    trie = Trie.of(Codes(torch.tensor([[0, 1], [0, 3], [0, 0], [2, 2]]), (3, 4)))
    nodes, there = trie.below(torch.tensor([[0, -1], [1, 0]]), 1)
    assert there.tolist() == [[[True] * 3, [False] * 3], [[True, False, False], [True] * 3]]
    assert trie.tokens[1][nodes[0, 0]].tolist() == [0, 1, 3]
    assert int(trie.tokens[1][nodes[1, 0, 0]]) == 2
    assert trie.below(torch.tensor([[-1]]), 1)[0].shape == (1, 1, 0)


def test_a_catalogue_without_items_has_a_root_without_children():
    trie = Trie.of(Codes(torch.zeros(0, 2, dtype=torch.int64), (3, 4)))
    assert [trie.nodes(level) for level in range(3)] == [1, 0, 0]
    assert trie.find([]) == 0
    assert trie.find([1]) == -1


def test_shared_codes_are_refused():
    with pytest.raises(BadData, match="3 items share 2 semantic ids"):
        Trie.of(Codes(torch.tensor([[0], [1], [1]]), (2,)))
