"""OPQ: optimized product quantization (Ge et al., CVPR 2013).

As item tokens in Hou et al., KDD 2025, arXiv:2506.05781.

Vectors are turned so that they can be cut into parts that k-means tells well each by itself. The
codes of the parts stand side by side: none is coarser than another, and the first says nothing
about the second.
"""

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import NoContent
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest, step
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorCodebook, VectorQuantizer

Count = Annotated[int, Field(ge=1)]

FLAT = 1e-12  # of the largest variance; what is less is rounding


class OPQ(VectorQuantizer):
    """k-means of each part of the vectors, after the rotation that suits the parts best."""

    tiny: ClassVar[dict[str, Any]] = {"levels": 2, "codes": 4, "rounds": 5}

    levels: Count = 32  # M, parts
    rounds: Count = 50  # in which centres, then the rotation, are found anew

    def codebook(self, items: Entities) -> "Product":
        name = self.name(items)
        dimensions = items.vectors[name].shape[1]
        if self.levels > dimensions:
            raise NoContent(
                f"{name!r} vectors of {dimensions} dimensions have no {self.levels} parts.",
                "Take fewer levels, or other vectors.",
            )
        width = -(-dimensions // self.levels)  # the last part is filled up with zeros
        centres = torch.zeros(self.levels, self.codes, width)
        return Product(name, torch.eye(self.levels * width), centres, dimensions)

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.codebook(data.catalog.items)
        vectors = codebook.read(data.catalog.items)
        known = codebook.widened(vectors[self.learned_from(data)])
        codebook.rotation.copy_(even_axes(known, self.levels))
        generator = run.generator("kmeans")
        for part, centres in zip(codebook.parts(known), codebook.centres, strict=True):
            centres.copy_(kmeans(part, self.codes, generator, rounds=1))
        for _ in range(self.rounds):
            _improve(codebook, known)
        codes = Codes(codebook.encode(vectors), (self.codes,) * self.levels)
        return Quantized(codebook, vectors, codes)


def _improve(codebook: "Product", known: Tensor) -> None:
    """One step of k-means in each part, then the rotation that suits the centres best."""
    sides = []
    for part, centres in zip(codebook.parts(known), codebook.centres, strict=True):
        side, moved = step(part, centres)
        centres.copy_(moved)
        sides.append(side)
    meant = codebook.joined(torch.stack(sides, 1))  # [n, P]
    codebook.rotation.copy_(rotation(known, meant))


class Product(VectorCodebook):
    """A rotation, and centres for each part of what is turned."""

    rotation: Tensor
    centres: Tensor

    def __init__(self, name: str, rotation: Tensor, centres: Tensor, dimensions: int) -> None:
        super().__init__(name)
        self.dimensions = dimensions
        self.register_buffer("rotation", rotation)  # [P, P], P = L W
        self.register_buffer("centres", centres)  # [L, K, W]

    def widened(self, vectors: Tensor) -> Tensor:
        """Zeros for the dimensions that the last part lacks: [n, D] -> [n, P]"""
        return functional.pad(vectors, (0, len(self.rotation) - self.dimensions))

    def parts(self, vectors: Tensor) -> Tensor:
        """[n, P] -> [L, n, W]"""
        turned = (vectors @ self.rotation).view(len(vectors), len(self.centres), -1)
        return turned.transpose(0, 1).contiguous()

    def joined(self, codes: Tensor) -> Tensor:
        """The centres of some codes, one beside the other: [n, L] -> [n, P]"""
        return self.centres[torch.arange(len(self.centres)), codes].flatten(1)

    def encode(self, vectors: Tensor) -> Tensor:
        parts = zip(self.parts(self.widened(vectors)), self.centres, strict=True)
        return torch.stack([nearest(part, centres)[0] for part, centres in parts], 1)

    def decode(self, codes: Tensor) -> Tensor:
        return (self.joined(codes) @ self.rotation.T)[:, : self.dimensions]


def even_axes(points: Tensor, parts: int) -> Tensor:
    """Principal axes, dealt out so that all parts have much the same variance: [P, P]

    The paper's eigenvalue allocation: the next largest variance goes to the part whose product of
    variances is the least so far. As in the authors' code each is measured by the smallest: the
    unit of the vectors says nothing, and no factor makes a product less.
    """
    centred = (points - points.mean(0)).double()
    variances, axes = torch.linalg.eigh(centred.T @ centred)
    least = max(FLAT * float(variances[-1]), torch.finfo(variances.dtype).tiny)
    found = variances.clamp(min=least).log()
    logs = (found - found[0] + 1).flip(0).tolist()
    width = len(logs) // parts
    dealt: list[list[int]] = [[] for _ in range(parts)]
    products = [0.0] * parts
    for axis, log in enumerate(logs):
        part = min((p for p in range(parts) if len(dealt[p]) < width), key=products.__getitem__)
        dealt[part].append(axis)
        products[part] += log
    return axes.flip(1)[:, [axis for part in dealt for axis in part]].float()


def rotation(points: Tensor, meant: Tensor) -> Tensor:
    """The rotation that brings points nearest to what is meant: [n, P], [n, P] -> [P, P]"""
    left, _, right = torch.linalg.svd((points.T @ meant).double())
    return (left @ right).float()
