"""Anchors: the items by whose likeness all others are told (Moschella et al., ICLR 2023).

Relative representations enable zero-shot latent space communication, arXiv:2209.15430.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from tesserec.core.errors import BadRequest

Choice = Literal["random", "prototypical", "farthest"]


def anchors(
    vectors: Tensor,
    count: int,
    how: Choice = "random",
    generator: torch.Generator | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Rows of `count` different items, upwards: [I, D] -> [count]

    "prototypical" takes the item nearest to each centre of a k-means over unit vectors;
    "farthest" begins at random and takes what is least like all that it has. `mask` [I] says who
    may be taken: items that are well trained, say. Raises `BadRequest` where there are too few.
    """
    allowed = torch.nonzero(torch.ones(len(vectors)) if mask is None else mask)[:, 0]
    if not 1 <= count <= len(allowed):
        raise BadRequest(f"{count} anchors cannot be chosen among {len(allowed)} items.")
    shuffled = torch.randperm(len(allowed), generator=generator)
    if how == "random":
        return allowed[shuffled[:count]].sort().values
    unit = functional.normalize(vectors[allowed].float())
    if how == "farthest":
        chosen = _farthest(unit, int(shuffled[0]))
    else:
        seed = int(torch.randint(2**31, (), generator=generator))
        chosen = _prototypes(unit, count, seed)
    rows = [next(chosen) for _ in range(count)]
    return allowed[torch.tensor(rows)].sort().values


def _farthest(unit: Tensor, row: int) -> Iterator[int]:
    """Begin with a row; then always the one whose nearest so far is the farthest."""
    nearest = torch.full((len(unit),), -torch.inf)
    while True:
        yield row
        nearest = torch.maximum(nearest, unit @ unit[row])
        nearest[row] = torch.inf
        row = int(nearest.argmin())


def _prototypes(unit: Tensor, count: int, seed: int) -> Iterator[int]:
    """The nearest to each centre that is not taken yet."""
    # Imported here: scikit-learn takes a second that only this function needs.
    from sklearn.cluster import MiniBatchKMeans

    clusters = MiniBatchKMeans(count, random_state=seed, n_init=3).fit(unit.numpy())
    centres = functional.normalize(torch.from_numpy(clusters.cluster_centers_).float())
    free = torch.zeros(len(unit))
    for centre in centres:
        row = int((unit @ centre + free).argmax())
        free[row] = -torch.inf
        yield row
