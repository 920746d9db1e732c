"""The tree of ids as the page shows it."""

import itertools
import re

import torch

from tesserec.core import Dataset
from tesserec.experiment.idtree import Tree, branches, picture
from tesserec.parts.semantic_ids.categories import categories
from toys.worlds import world
from unit.content.test_encoding import shop

TABLE = torch.tensor([[9, 1], [4, 0], [4, 2], [4, 2], [9, 1], [4, 2], [4, 0], [7, 7]])
TITLES = ["nine", "four a", "four b", "four b", "nine", "four b", "four a", "seven"]


def titled() -> Dataset:
    return shop(TITLES)


def test_the_largest_branch_comes_first_and_children_lie_below_it() -> None:
    tree = Tree.of(TABLE, 2)
    assert [count.tolist() for count in tree.count] == [[5, 2, 1], [3, 2, 2, 1]]
    assert [parent.tolist() for parent in tree.parent] == [[0, 0, 0], [0, 0, 1, 2]]
    told = [tree.tokens(1, node) for node in range(4)]
    assert told == [[4, 2], [4, 0], [9, 1], [7, 7]]
    for item, row in enumerate(TABLE.tolist()):
        assert tree.tokens(1, int(tree.node[1][item])) == row


def test_branches_hold_items_that_have_their_tokens_the_most_typical_first() -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [0, 1], [1, 1], [1, 0], [0, 1], [0, 1], [1, 1]])
    found = branches(titled(), Tree.of(TABLE, 2), vectors, None, "")
    assert [one["token"] for one in found] == [4, 9, 7]
    first = found[0]["twigs"][0]
    assert (first["tokens"], first["count"]) == ([4, 2], 3)
    assert [one["title"] for one in first["examples"]] == ["four b"] * 3
    assert [one["title"] for one in found[2]["twigs"][0]["examples"]] == ["seven"]


def test_without_content_the_most_chosen_items_come_first() -> None:
    data = world([(user, 3) for user in range(2)] + [("x", 5)], items=range(8))
    for vectors in (torch.zeros(8, 0), torch.arange(8)[:, None] << 40):  # numbers say nothing
        found = branches(data, Tree.of(TABLE, 2), vectors, None, "")
        assert [one["title"] for one in found[0]["twigs"][0]["examples"]] == ["3", "5", "2"]


def test_one_level_alone_has_its_branches_for_twigs() -> None:
    found = branches(titled(), Tree.of(TABLE, 1), torch.zeros(8, 0), None, "")
    assert [one["twigs"][0]["tokens"] for one in found] == [[4], [9], [7]]
    assert {face["title"] for face in found[1]["twigs"][0]["examples"]} == {"nine"}


def test_the_category_of_a_branch_is_that_of_most_of_its_items() -> None:
    kinds = categories(titled().catalog.items.features, "title")
    (four, nine, _) = branches(titled(), Tree.of(TABLE, 2), torch.zeros(8, 0), kinds, "")
    assert (four["kind"], round(four["kind_share"], 4)) == ("four b", 0.6)
    assert (nine["kind"], nine["kind_share"]) == ("nine", 1)
    drawn = picture(Tree.of(TABLE, 2), kinds)
    assert {one["name"] for one in drawn["legend"]} == set(TITLES)
    assert "4: 5 items, 60% four b" in drawn["svg"]


def test_boxes_of_a_row_fill_it_and_never_overlap() -> None:
    generator = torch.Generator().manual_seed(0)
    skewed = (torch.rand(20_000, 3, generator=generator) ** 3 * 40).long()
    drawn = picture(Tree.of(skewed, 3), None)["svg"]
    boxes = re.findall(r'x="([\d.]+)" y="(\d+)" width="([\d.]+)"', drawn)
    for level in {y for _, y, _ in boxes}:
        row = sorted((float(x), float(width)) for x, y, width in boxes if y == level)
        for (x, width), (following, _) in itertools.pairwise(row):
            assert x + width <= following + 0.02
        assert sum(width for _, width in row) > 0.8 * 460
    assert "small prefixes" in drawn
