"""The tree of semantic ids as a person looks at it: branches, and items typical of them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core import Dataset
from tesserec.experiment import svg
from tesserec.experiment.neighbours import faces
from tesserec.parts.semantic_ids.categories import Categories
from tesserec.parts.semantic_ids.statistics import prefixes

BRANCHES = 24  # of the first level that are shown with items, the largest first
TWIGS = 4  # of each branch
EXAMPLES = 3  # items of each twig
DRAWN = 3  # levels of the picture
NARROW = 5e-4  # of the picture's width: what is narrower is not drawn
OTHERS = svg.COLOURS - 1  # the colour of all other categories


@dataclass(frozen=True)
class Tree:
    """Prefixes of codes, numbered so that the children of one lie side by side, largest first."""

    table: Tensor  # [I, L]
    node: tuple[Tensor, ...]  # [I] for each level: the number of each item's prefix
    count: tuple[Tensor, ...]  # [N] for each level: items of each prefix
    parent: tuple[Tensor, ...]  # [N] for each level: the prefix it continues
    first: tuple[Tensor, ...]  # [N] for each level: an item that has it

    @classmethod
    def of(cls, table: Tensor, levels: int) -> "Tree":
        """The first levels of some codes."""
        above = torch.zeros(len(table), dtype=torch.int64)
        nodes, counts, parents, firsts = [], [], [], []
        for group in prefixes(table[:, :levels]):
            size = torch.bincount(group)
            someone = torch.empty_like(size).scatter_(0, group, torch.arange(len(table)))
            by_size = size.argsort(descending=True, stable=True)
            order = by_size[above[someone[by_size]].argsort(stable=True)]
            number = torch.empty_like(order)
            number[order] = torch.arange(len(order))
            parents.append(above[someone[order]])
            above = number[group]
            nodes.append(above)
            counts.append(size[order])
            firsts.append(someone[order])
        return cls(table, tuple(nodes), tuple(counts), tuple(parents), tuple(firsts))

    def tokens(self, level: int, node: int) -> list[int]:
        """The prefix a node stands for."""
        return self.table[self.first[level][node], : level + 1].tolist()


def picture(tree: Tree, kinds: Categories | None) -> dict[str, Any]:
    """All branches as an icicle: below each prefix those that continue it.

    What is too narrow to be seen is drawn as one box with its narrow neighbours.
    """
    colours = _colours(kinds)
    rows = []
    owner = torch.full((1,), -1)  # of each prefix the nearest one above that is drawn, by a number
    drawn = torch.ones(1, dtype=torch.bool)
    for level, counts in enumerate(tree.count):
        above = tree.parent[level]
        number = above + (level - 1) * len(tree.table) if level else torch.full_like(above, -1)
        owner = torch.where(drawn[above], number, owner[above])
        width = counts.double() / len(tree.table)
        start = width.cumsum(0) - width
        drawn = width >= NARROW
        most, share = _majority(tree.node[level], len(counts), kinds)
        row = []
        for node in torch.nonzero(drawn)[:, 0].tolist():
            told = ", ".join(map(str, tree.tokens(level, node))) + f": {int(counts[node]):,} items"
            colour = _ancestor(tree, level, node) % OTHERS
            if kinds is not None and int(most[node]) >= 0:
                told += f", {share[node]:.0%} {kinds.names[int(most[node])]}"
                colour = colours.get(int(most[node]), OTHERS)
            row.append(svg.Part(float(start[node]), float(width[node]), colour, told))
        rows.append([*row, *_narrow(owner, start, width, drawn)])
    named = [] if kinds is None else [(kinds.names[kind], n) for kind, n in colours.items()]
    return {
        "svg": svg.icicle(rows, "the tree of ids"),
        "legend": [{"name": name, "colour": number} for name, number in named],
        "more": kinds is not None and len(kinds.names) > len(named),
    }


def _narrow(owner: Tensor, start: Tensor, width: Tensor, drawn: Tensor) -> list[svg.Part]:
    """One box for all narrow prefixes below the same one: they lie side by side."""
    thin = torch.nonzero(~drawn)[:, 0]
    _, group, count = owner[thin].unique(return_inverse=True, return_counts=True)
    begin = torch.ones(len(count), dtype=start.dtype)
    begin.scatter_reduce_(0, group, start[thin], "amin")
    whole = torch.zeros(len(count), dtype=width.dtype).index_add_(0, group, width[thin])
    parts = zip(begin.tolist(), whole.tolist(), count.tolist(), strict=True)
    return [svg.Part(at, wide, None, f"{many:,} small prefixes") for at, wide, many in parts]


def branches(
    data: Dataset, tree: Tree, vectors: Tensor, kinds: Categories | None, images: str
) -> list[dict[str, Any]]:
    """The largest branches with their largest twigs, and items typical of each, in JSON types.

    `images` names vectors whose pictures are shown. A twig is a branch's part that shares one more
    token, or the branch itself where there is one level alone.
    """
    last = min(1, len(tree.node) - 1)
    examples = _typical(tree.node[last], vectors, data.popularity)
    whole, most, share = len(tree.table), *_majority(tree.node[0], len(tree.count[0]), kinds)
    order = tree.count[0].argsort(descending=True, stable=True)[:BRANCHES].tolist()
    found: list[dict[str, Any]] = []
    for node in order:
        below = torch.nonzero(tree.parent[last] == node)[:, 0] if last else torch.tensor([node])
        twigs = [
            {
                "tokens": tree.tokens(last, twig),
                "count": int(tree.count[last][twig]),
                "rows": _of(examples, tree.count[last], twig),
            }
            for twig in below[:TWIGS].tolist()
        ]
        kind = kinds.names[int(most[node])] if kinds and int(most[node]) >= 0 else None
        found.append(
            {
                "token": tree.tokens(0, node)[0],
                "count": int(tree.count[0][node]),
                "share": float(tree.count[0][node]) / whole,
                "kind": kind,
                "kind_share": float(share[node]),
                "twigs": twigs,
                "more": len(below) - len(twigs),
            }
        )
    _dress(data, found, images)
    return found


def _of(examples: Tensor, counts: Tensor, node: int) -> list[int]:
    """The first items of a node; all nodes lie in `examples` one after the other."""
    begin = int(counts[:node].sum())
    return examples[begin : begin + min(EXAMPLES, int(counts[node]))].tolist()


def _dress(data: Dataset, found: list[dict[str, Any]], images: str) -> None:
    """Rows of items become titles and pictures."""
    twigs = [twig for branch in found for twig in branch["twigs"]]
    rows = sorted({row for twig in twigs for row in twig["rows"]})
    known = dict(zip(rows, faces(data, torch.tensor(rows, dtype=torch.int64), images), strict=True))
    for twig in twigs:
        twig["examples"] = [known[row] for row in twig.pop("rows")]


def _typical(node: Tensor, vectors: Tensor, popularity: Tensor) -> Tensor:
    """Items of node 0, of node 1, ..., those nearest to the mean of theirs first: [I]

    Without vectors the most chosen first.
    """
    worth = popularity.double()
    if vectors.shape[1] and vectors.is_floating_point():  # numbers of items say nothing
        unit = functional.normalize(vectors.float(), dim=1)
        means = torch.zeros(int(node.max()) + 1, unit.shape[1]).index_add_(0, node, unit)
        worth = (unit * functional.normalize(means, dim=1)[node]).sum(1).double()
    best = worth.argsort(descending=True, stable=True)
    return best[node[best].argsort(stable=True)]


def _majority(node: Tensor, nodes: int, kinds: Categories | None) -> tuple[Tensor, Tensor]:
    """The most frequent category of each node, -1 for none, and its share: [N], [N]"""
    most, share = torch.full((nodes,), -1), torch.zeros(nodes)
    if kinds is None:
        return most, share
    has = kinds.of_item >= 0
    pairs, count = (node[has] * len(kinds.names) + kinds.of_item[has]).unique(return_counts=True)
    rising = count.argsort(stable=True)  # the last that is written is the most frequent
    at, kind = pairs[rising] // max(1, len(kinds.names)), pairs[rising] % max(1, len(kinds.names))
    first = torch.full((nodes,), -1)
    first.scatter_reduce_(0, at, torch.arange(len(at)), "amax")
    there = first >= 0
    most[there] = kind[first[there]]
    share[there] = count[rising][first[there]] / torch.bincount(node, minlength=nodes)[there]
    return most, share


def _colours(kinds: Categories | None) -> dict[int, int]:
    """A colour for each of the most frequent categories."""
    if kinds is None:
        return {}
    counts = torch.bincount(kinds.of_item[kinds.of_item >= 0], minlength=len(kinds.names))
    most = counts.argsort(descending=True, stable=True)[:OTHERS].tolist()
    return {kind: number for number, kind in enumerate(most)}


def _ancestor(tree: Tree, level: int, node: int) -> int:
    """The branch of the first level that a node lies in."""
    for above in range(level, 0, -1):
        node = int(tree.parent[above][node])
    return node
