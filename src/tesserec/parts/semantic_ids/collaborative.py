"""Collaborative: semantic ids that say who chooses an item, and not what it is.

MSCGRec's collaborative modality (Vandenhirtz et al., arXiv:2602.03713): the item vectors of a
trained sequential model are quantised like any content.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional

from tesserec.core import Codes, Dataset, Entities, Method, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.core.registry import find
from tesserec.parts.semantic_ids.quantizer import Codebook, Quantized, Quantizer, VectorQuantizer
from tesserec.parts.semantic_ids.rqkmeans import RQKMeans

TAUGHT = "taught"  # the teacher's vectors, for the inner quantizer alone
BLOCK = 1 << 10  # items compared with all known ones at once


def _published() -> Method:
    """A SASRec that learns as well as is known; found by its name, as methods lie above parts."""
    method: Method = find("SASRec", Method)(
        dim=64,
        objective={"kind": "Softmax", "temperature": 1.0, "cosine": False},
        batches={"length": 20, "sampler": {"kind": "Everything"}},
    )
    return method


class Collaborative(Quantizer):
    """Codes of a trained model's item vectors; what the model saw is the training part alone.

    An item that it never saw, new ones included, stands where the nearest item by content does
    that it saw; without content, at the mean of all.
    """

    tiny: ClassVar[dict[str, Any]] = {
        "levels": 2,
        "codes": 4,
        "teacher": {
            "kind": "MF",
            "dim": 8,
            "batches": {"size": 64},
            "schedule": {"epochs": 30, "rate": 0.05},
        },
    }

    teacher: Method = Field(default_factory=_published)  # has item vectors, and a field `dim`
    inner: VectorQuantizer = RQKMeans()  # its levels, codes and warm are those beside it
    content: tuple[str, ...] = ()  # vectors that tell the nearest; none named: all there are

    @model_validator(mode="after")
    def _check_teacher(self) -> Self:
        if not isinstance(getattr(self.teacher, "dim", None), int):
            raise BadSpec(
                f"{type(self.teacher).__name__} has no field `dim`, so the length of its items' "
                "vectors is not known before it has learned.",
                "Take a teacher that has one, such as SASRec, GRU4Rec or LightGCN.",
            )
        return self

    def codebook(self, items: Entities) -> "Taught":
        names = self.content or tuple(sorted(items.vectors))
        vectors = {TAUGHT: torch.empty(len(items), self.dim, device="meta")}
        inner = self.quantizer.codebook(Entities(items.ids, vectors=vectors))
        return Taught(items, names, self.dim, inner)

    @property
    def dim(self) -> int:
        """Of the teacher's item vectors."""
        return cast(Any, self.teacher).dim  # type: ignore[no-any-return]

    @property
    def quantizer(self) -> VectorQuantizer:
        """The inner quantizer, of the teacher's vectors."""
        same = {"levels": self.levels, "codes": self.codes, "warm": self.warm}
        return self.inner.changed({**same, "vectors": TAUGHT})

    def fit(self, data: Dataset, run: Run) -> Quantized:
        items, known = data.catalog.items, data.popularity > 0
        if not bool(known.any()):
            raise NoContent(
                "Collaborative learns who chooses an item, and the data have no events.",
                "Take a quantizer of content, such as RQKMeans.",
            )
        with run.seeded("codebook"):
            codebook = self.codebook(items)
        codebook.learn(items, self.learned(data, run.stage("teacher")), known)
        vectors = codebook.read(items)
        found = self.quantizer.fit(data.with_vectors(TAUGHT, vectors), run)
        codebook.inner = found.codebook
        return Quantized(codebook, vectors, Codes(found.codes.table, found.codes.sizes))

    def learned(self, data: Dataset, run: Run) -> Tensor:
        """The items' vectors of a trained teacher: [I, D]. Raises `BadSpec` where it has none."""
        model = self.teacher.fit(data, run)
        found = getattr(model, "item_vectors", None)
        name = type(self.teacher).__name__
        if not isinstance(found, Tensor) or found.shape[1] != self.dim:
            has = "none" if found is None else f"some of {found.shape[1]}"
            raise BadSpec(
                f"Items of {name} should have vectors of {self.dim} numbers, and have {has}.",
                "Take a teacher that compares items by vectors, such as SASRec.",
            )
        return found.detach().float().cpu()


class Taught(Codebook):
    """The teacher's vectors, contents that say which is nearest, and a codebook of the former."""

    items: Entities
    content: Tensor
    vectors: Tensor
    known: Tensor

    def __init__(self, items: Entities, names: Sequence[str], dim: int, inner: Codebook) -> None:
        super().__init__()
        self.items, self.names, self.inner = Entities(items.ids), tuple(names), inner
        width = sum(items.vectors[name].shape[1] for name in self.names)
        self.register_buffer("content", torch.zeros(len(items), width))  # [I, W]
        self.register_buffer("vectors", torch.zeros(len(items), dim))  # [I, D]
        self.register_buffer("known", torch.zeros(len(items), dtype=torch.bool))  # [I]

    def learn(self, items: Entities, vectors: Tensor, known: Tensor) -> None:
        """Keep the vectors of the items the teacher saw [I], and their content."""
        self.content.copy_(self.described(items) * known[:, None])
        self.vectors.copy_(vectors * known[:, None])
        self.known.copy_(known)

    def read(self, items: Entities) -> Tensor:
        rows = self.items.rows(items.ids)
        seen = (rows >= 0) & self.known[rows.clamp(min=0)]
        found = self.vectors[rows.clamp(min=0)]
        others = torch.nonzero(~seen)[:, 0]
        if len(others):
            found[others] = self.nearest(self.described(items)[others])
        return found

    def nearest(self, content: Tensor) -> Tensor:
        """The vectors of the known items nearest to some contents: [n, W] -> [n, D]"""
        mean = self.vectors[self.known].mean(0)
        # An item without content is at right angles to all, and nearer than what is opposite.
        described = torch.nonzero((self.content != 0).any(1))[:, 0]
        if not len(described):
            return mean.expand(len(content), -1)
        table = self.content[described]
        best = [(block @ table.T).argmax(1) for block in content.split(BLOCK)]
        there = (content != 0).any(1)
        return torch.where(there[:, None], self.vectors[described[torch.cat(best)]], mean)

    def described(self, items: Entities) -> Tensor:
        """Contents side by side, each of unit length, zeros where there is none: [n, W]"""
        unit = [functional.normalize(items.vectors[name].float(), dim=1) for name in self.names]
        return torch.cat(unit, 1) if unit else torch.zeros(len(items), 0)

    def encode(self, vectors: Tensor) -> Tensor:
        return self.inner.encode(vectors)

    def decode(self, codes: Tensor) -> Tensor:
        return self.inner.decode(codes)

    def meant(self, vectors: Tensor) -> Tensor:
        return self.inner.meant(vectors)
