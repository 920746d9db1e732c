"""RQKMeansPlus: an autoencoder that begins as residual k-means, and learns on from there.

RQ-KMeans+ of GPR, as MiniOneRec's code has it: latents are the vectors and what layers add to them,
which is nothing at first, and the codes are the centres of balanced residual k-means.
"""

from typing import Annotated, Any, ClassVar, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import Rows
from tesserec.parts.semantic_ids.autoencoder import Autoencoder
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorQuantizer
from tesserec.parts.semantic_ids.rqkmeans import Residual, RQKMeans
from tesserec.parts.semantic_ids.rqvae import RQVAE, Quantising
from tesserec.training import AdamW, Schedule, train

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class RQKMeansPlus(VectorQuantizer):
    """Residual k-means whose centres, and what is clustered, are then learned together."""

    tiny: ClassVar[dict[str, Any]] = {
        "levels": 2,
        "codes": 4,
        "hidden": (8,),
        "batches": {"size": 8},
        "schedule": {"epochs": 10, "rate": 0.01},
    }

    # Its levels, codes, vectors and items to learn from are this quantizer's.
    start: RQKMeans = RQKMeans(balanced="all")
    hidden: tuple[Count, ...] = (512, 256, 128)  # widths of the layers beside; those of RQVAE
    commitment: Weight = 0.25  # beta
    restart: Count | None = None  # steps without use after which a code begins anew; None: never
    batches: Rows = Rows(size=2048)
    # MiniOneRec's script goes on for 10,000 epochs.
    schedule: Schedule = Schedule(
        epochs=300, rate=1e-4, optimizer=AdamW(weight_decay=0.0), patience=None
    )

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.start.unit:
            raise BadSpec(
                "RQKMeansPlus adds its codes up, and start.unit = true makes each residual as long "
                "as 1 first.",
                "Set start.unit = false.",
            )
        return self

    @property
    def residual(self) -> RQKMeans:
        """What the codes begin as."""
        return self.start.changed(
            {name: getattr(self, name) for name in ("levels", "codes", "warm", "vectors")}
        )

    def codebook(self, items: Entities) -> Autoencoder:
        name = self.name(items)
        width = items.vectors[name].shape[1]
        widths = (width, *self.hidden, width)
        codebook = Autoencoder(name, widths, self.levels, self.codes, unit=False)
        codebook.encoder = Beside(codebook.encoder)
        # How its authors decode is not known to us; this way it begins as k-means in whole.
        codebook.decoder = Beside(codebook.decoder)
        return codebook

    def begun(self, data: Dataset, run: Run) -> Autoencoder:
        """Before anything is learned: residual k-means, written as an autoencoder."""
        with run.seeded("codebook"):
            codebook = self.codebook(data.catalog.items)
        centres = self.residual.fit(data, run.stage("start")).codebook
        assert isinstance(centres, Residual)
        with torch.no_grad():
            codebook.tables.copy_(centres.centres)
        return codebook

    def fit(self, data: Dataset, run: Run) -> Quantized:
        codebook = self.begun(data, run)
        vectors = codebook.read(data.catalog.items)
        loss = RQVAE(commitment=self.commitment, restart=self.restart)
        train(
            Quantising(loss, codebook, vectors),
            self.batches.over(self.learned_from(data)),
            self.schedule,
            run.stage("codebook"),
            key=self.key(data.fingerprint, str(run.seed), run.name),
            title=type(self).__name__,
        )
        codebook.cpu()
        codes = Codes(codebook.encode(vectors), (self.codes,) * self.levels)
        return Quantized(codebook, vectors, codes)


class Beside(nn.Module):
    """What is read, and what layers add to it: nothing, until they have learned to."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers
        *_, last = layers.children()
        for weight in last.parameters():
            nn.init.zeros_(weight)

    def forward(self, values: Tensor) -> Tensor:
        """[n, D] -> [n, D]"""
        added: Tensor = self.layers(values)
        return values + added
