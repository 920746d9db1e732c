"""Nearest items by their vectors: exact, and never a table of all pairs.

Every pair is multiplied once: a block of similarities serves its rows, and, turned round, its
columns. What is kept of a block is only what beats the worst neighbour an item has so far.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from tesserec.core.errors import BadRequest, MissingExtra
from tesserec.core.kernels import kernel
from tesserec.core.parallel import even, in_parallel

BLOCK = 1024  # items a side of a block of similarities: 4 MiB, which caches hold
CELL = 256  # items of a cell of the approximate index, on average
LEARNED = 256_000  # items that the cells are learned from, at most
ASKED = 16  # cells that are looked through for each item


def nearest(
    vectors: Tensor,
    count: int,
    mask: Tensor | None = None,
    index: Literal["exact", "faiss"] = "exact",
) -> tuple[Tensor, Tensor]:
    """The items most alike by cosine, and their cosines: [I, D] -> [I, count], [I, count]

    Nobody is a neighbour of itself. Items outside of `mask` [I], and those whose vector has no
    direction (zeros, NaN), neither ask nor are found; -1 and 0 where there are fewer than
    `count`. Cosines that are equal in float32 are ordered by item row; those of equal vectors
    may differ in the last bit. Any precision is read a block at a time, so a table mapped into
    memory stays there; besides the answer, a few blocks of float32 are held.

    With `index="faiss"` neighbours are looked for in the nearest cells alone, which finds most of
    them and is meant for millions of items. Raises `MissingExtra` where faiss is not installed.
    """
    if count < 1:
        raise BadRequest(f"{count} neighbours cannot be looked for.", "Ask for 1 or more.")
    near = torch.full((len(vectors), count), -1, device="cpu")
    similarity = torch.zeros(len(vectors), count, device="cpu")
    if vectors.is_meta:  # a network is built to be loaded: vectors are shapes, graphs have no edges
        return near, similarity
    directions = _Directions(vectors, mask)
    search = _by_faiss if index == "faiss" else _by_blocks
    found, cosines = search(directions, count)
    near[directions.rows] = torch.where(found < 0, -1, directions.rows[found.clamp(min=0)])
    similarity[directions.rows] = torch.where(found < 0, 0.0, cosines.clamp(-1, 1))
    return near, similarity


class _Directions:
    """Unit vectors of the items that have a direction, made when they are asked for."""

    def __init__(self, vectors: Tensor, mask: Tensor | None) -> None:
        lengths = [block.cpu().float().norm(dim=1) for block in vectors.split(BLOCK)]
        length = torch.cat(lengths) if lengths else torch.zeros(0)
        there = length.isfinite() & (length > 0)
        self.rows = torch.nonzero(there if mask is None else there & mask.cpu())[:, 0]  # [m]
        self.vectors, self.length = vectors, length[self.rows, None]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> Tensor:
        block = self.vectors[self.rows[part]].to("cpu", torch.float32)
        return block / self.length[part]


def _by_blocks(directions: _Directions, count: int) -> tuple[Tensor, Tensor]:
    """[m, count], [m, count]; everybody meets the others in the order of rows."""
    near = torch.full((len(directions), count), -1)
    similarity = torch.full((len(directions), count), -torch.inf)
    memory = torch.empty(2, BLOCK * BLOCK)
    for top in range(0, len(directions), BLOCK):
        rows = directions[top : top + BLOCK]
        for left in range(top, len(directions), BLOCK):
            columns = rows if left == top else directions[left : left + BLOCK]
            size = len(rows), len(columns)
            straight, turned = (part[: size[0] * size[1]] for part in memory)
            block = torch.mm(rows, columns.T, out=straight.view(size))
            _offer(block, top, left, near, similarity)
            if left > top:
                block = turned.view(size[::-1]).copy_(block.T)
                _offer(block, left, top, near, similarity)
    return near, similarity


def _offer(block: Tensor, top: int, left: int, *kept: Tensor) -> None:
    """Show items from `top` on their similarities to items from `left` on."""
    arrays = [one.numpy() for one in (block, *kept)]
    in_parallel(_keep_nearest, even(len(block), block.numel()), top, left, *arrays)


@kernel()
def _keep_nearest(top, left, block, near, similarity, first, last):  # type: ignore[no-untyped-def]
    k, step = near.shape[1], 64
    for r in range(first, last):
        item = top + r
        bar = similarity[item, k - 1]
        for start in range(0, block.shape[1], step):
            end = min(start + step, block.shape[1])
            above = 0  # counted without a branch, which runs eight at a time
            for c in range(start, end):
                above += block[r, c] > bar
            if above == 0:
                continue
            for c in range(start, end):
                value = block[r, c]
                if value > bar and left + c != item:
                    place = k - 1
                    while place > 0 and value > similarity[item, place - 1]:
                        similarity[item, place] = similarity[item, place - 1]
                        near[item, place] = near[item, place - 1]
                        place -= 1
                    similarity[item, place] = value
                    near[item, place] = left + c
                    bar = similarity[item, k - 1]


def _by_faiss(directions: _Directions, count: int) -> tuple[Tensor, Tensor]:
    """[m, count], [m, count], looked for in the `ASKED` nearest of cells of some `CELL` items."""
    faiss = _faiss()
    cells = max(1, len(directions) // CELL)
    width = directions.vectors.shape[1]
    index = faiss.index_factory(width, f"IVF{cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(directions[slice(None, None, 1 + len(directions) // LEARNED)].numpy())
    starts = range(0, len(directions), BLOCK)
    for start in starts:
        index.add(directions[start : start + BLOCK].numpy())
    index.nprobe = ASKED
    near, similarity = [], []
    for start in starts:
        block = directions[start : start + BLOCK]
        cosines, found = map(torch.from_numpy, index.search(block.numpy(), count + 1))
        own = found == torch.arange(start, start + len(block))[:, None]
        # Oneself goes to the end, where the one too many is cut off.
        order = torch.argsort(own.int(), dim=1, stable=True)[:, :count]
        near.append(found.gather(1, order))
        similarity.append(cosines.gather(1, order))
    return torch.cat(near), torch.cat(similarity)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise MissingExtra(
            "Approximate neighbours need faiss.", "Run: pip install faiss-cpu"
        ) from None
    return faiss
