"""RQDINO: codes of pictures, learned by telling pictures apart and not by painting them again.

MSCGRec's image quantizer (Vandenhirtz et al., arXiv:2602.03713): DINO's self-distillation (Caron
et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021,
arXiv:2104.14294) with the student's features quantised. The paper starts from a pretrained
network: name one as `backbone`. Without, a small one learns from the catalogue's pictures alone.
"""

from itertools import pairwise
from math import isqrt
from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from tesserec.content.learned.model import digest
from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.parts.batches import Rows
from tesserec.parts.linear import Layer
from tesserec.parts.semantic_ids.backbone import Backbone
from tesserec.parts.semantic_ids.distilling import Distilling
from tesserec.parts.semantic_ids.kmeans import nearest
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorCodebook, VectorQuantizer
from tesserec.training import AdamW, Cosine, Schedule, train

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0)]

BLOCK = 256  # pictures seen together


class RQDINO(VectorQuantizer):
    """A student with codes inside says what a slower teacher without them sees in other views.

    It reads pixels: `tesserec encode DATA --modality image --encoder Pixels`. Its log has the
    entropy of the teacher's answers, of single pictures and of their mean, and the share of codes
    in use: where the latter two fall towards 0, or the first towards the logarithm of `answers`,
    it has collapsed.
    """

    tiny: ClassVar[dict[str, Any]] = {
        "levels": 2,
        "codes": 4,
        "vectors": "pixels",
        "channels": (8,),
        "dim": 4,
        "hidden": 8,
        "answers": 8,
        "local": 1,
        "quantised_after": 0.25,
        "batches": {"size": 8},
        "schedule": {"epochs": 8, "rate": 0.003},
    }

    # What the paper does not say is DINO's, or small enough for small pictures.
    # A network of pictures learned elsewhere, such as DINO's: a folder as save_pretrained writes
    # it, or a name on the hub. "": layers of our own. It learns on, and wants a smaller rate.
    backbone: str = ""
    channels: tuple[Count, ...] = (32, 64, 128, 256)  # of our own; each halves width and height
    dim: Count = 64  # of the features that are quantised
    hidden: Count = 256
    answers: Count = 1024  # K: what pictures are sorted into; DINO's are 65,536
    local: Annotated[int, Field(ge=0)] = 4  # small views, beside two large ones
    large: tuple[Share, Share] = (0.4, 1.0)  # share of the picture that is seen
    small: tuple[Share, Share] = (0.1, 0.4)
    temperature: Positive = 0.1  # tau_s
    # tau_t, first and last. With DINO's 0.04 and 0.07 a small network that begins at random gives
    # nearly the same answer to all pictures, all answers being equally likely.
    teacher_temperature: tuple[Positive, Positive] = (0.01, 0.02)
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.996  # of the teacher; it rises to 1
    centring: Annotated[float, Field(ge=0, le=1)] = 0.9  # momentum of the mean of its answers
    quantisation: Weight = 1.0  # lambda
    commitment: Weight = 0.25  # beta
    quantised_after: Annotated[float, Field(ge=0, lt=1)] = 0.1  # of all steps; codes are k-means
    restart: Count | None = 100  # steps after which codes not in use begin anew; None: never
    batches: Rows = Rows(size=64)
    schedule: Schedule = Schedule(
        epochs=100,
        rate=5e-4,
        optimizer=AdamW(weight_decay=0.04),
        shape=Cosine(warmup=0.1),
        patience=None,
    )

    @model_validator(mode="after")
    def _check_areas(self) -> Self:
        for name, (least, most) in (("large", self.large), ("small", self.small)):
            if least > most:
                raise BadSpec(
                    f"RQDINO.{name} = {(least, most)} goes from more of a picture to less.",
                    f"Write {name} = [{most}, {least}].",
                )
        return self

    def codebook(self, items: Entities) -> "Eye":
        name = self.name(items)
        width = items.vectors[name].shape[1]
        side = isqrt(width // 3)
        if 3 * side * side != width or side < 4:
            raise NoContent(
                f"RQDINO reads squares of pixels in three colours, and {name!r} has {width} "
                "numbers for each item.",
                "Make some (`tesserec encode DATA --modality image --encoder Pixels`), and set "
                "vectors = 'pixels'.",
            )
        return Eye(name, side, self)

    def key(self, *more: str) -> str:
        """What is kept belongs to the weights it began with, wherever these lie."""
        return super().key(*more, *([digest(self.backbone)] if self.backbone else []))

    def fit(self, data: Dataset, run: Run) -> Quantized:
        items, rows = data.catalog.items, self.learned_from(data)
        with run.seeded("codebook"):
            codebook = self.codebook(items)
            if isinstance(codebook.layers, Backbone):
                codebook.layers.fill(self.backbone)
            pictures = codebook.read(items)
            steps = self.schedule.epochs * len(self.batches.over(rows))
            network = Distilling(self, codebook, pictures, rows, steps)
        train(
            network,
            self.batches.over(rows),
            self.schedule,
            run.stage("codebook"),
            key=self.key(data.fingerprint, str(run.seed), run.name),
            title=type(self).__name__,
        )
        codebook.cpu().eval()
        codes = Codes(codebook.encode(pictures), (self.codes,) * self.levels)
        return Quantized(codebook, pictures, codes)


class Eye(VectorCodebook):
    """What layers see in a picture, and residual codes of it."""

    def __init__(self, name: str, side: int, method: RQDINO) -> None:
        super().__init__(name)
        self.side = side
        self.layers: Backbone | Convolutions
        if method.backbone:
            self.layers = Backbone(method.backbone)
            self.layers.check(side // 2 if method.local else side)
        else:
            self.layers = Convolutions(method.channels)
        self.out = Layer(self.layers.width, method.dim)
        tables = method.dim**-0.5 * torch.randn(method.levels, method.codes, method.dim)
        self.tables = nn.Parameter(tables)  # [L, K, d]

    def pictures(self, vectors: Tensor) -> Tensor:
        """[n, 3 S S] -> [n, 3, S, S]"""
        return vectors.view(-1, 3, self.side, self.side)

    def features(self, pictures: Tensor) -> Tensor:
        """Of pictures of any size: [n, 3, S, S] -> [n, d]"""
        return functional.layer_norm(self.out(self.layers(pictures)), (self.out.out_features,))

    def quantised(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Codes, what was left at each level, and the rows chosen: [n, L], 2 x [n, L, d]"""
        rest, codes, rests, chosen = features, list[Tensor](), list[Tensor](), list[Tensor]()
        for table in self.tables:
            codes.append(nearest(rest.detach(), table.detach())[0])
            rests.append(rest)
            chosen.append(functional.embedding(codes[-1], table))
            rest = rest - chosen[-1]
        return torch.stack(codes, 1), torch.stack(rests, 1), torch.stack(chosen, 1)

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        found = [
            self.quantised(self.features(self.pictures(block)))[0] for block in vectors.split(BLOCK)
        ]
        return torch.cat(found)


class Convolutions(nn.Sequential):
    """Layers that halve a picture's sides, and the mean of what is left: [n, 3, S, S] -> [n, D]"""

    def __init__(self, channels: tuple[int, ...]) -> None:
        layers: list[nn.Module] = []
        for before, after in pairwise((3, *channels)):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(1, after),
                nn.GELU(),
            ]
        super().__init__(*layers)
        self.width = channels[-1]

    def forward(self, pictures: Tensor) -> Tensor:
        seen: Tensor = super().forward((pictures - 0.5) / 0.25)
        return seen.mean((2, 3))
