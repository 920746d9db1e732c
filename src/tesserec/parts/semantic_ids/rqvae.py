"""RQVAE: an autoencoder whose latents are quantised level after level.

Zeghidour et al., "SoundStream", 2021, arXiv:2107.03312, as TIGER uses it (Rajput et al., NeurIPS
2023, arXiv:2305.05065, sec. 3.1).
"""

from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Codes, Dataset, Entities, Losses, Run
from tesserec.parts.batches import RowBatch, Rows
from tesserec.parts.semantic_ids.autoencoder import Autoencoder, Levels
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest
from tesserec.parts.semantic_ids.quantizer import Quantized, VectorQuantizer
from tesserec.parts.semantic_ids.renewal import ByGradient, Renewal, uses
from tesserec.training import AdamW, Schedule, train
from tesserec.training.devices import gather

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class RQVAE(VectorQuantizer):
    """Vectors are encoded, quantised by residuals, and decoded; all of it is learned together."""

    tiny: ClassVar[dict[str, Any]] = {
        "levels": 2,
        "codes": 4,
        "hidden": (8,),
        "dim": 4,
        "batches": {"size": 8},
        "schedule": {"epochs": 30, "rate": 0.01},
    }

    hidden: tuple[Count, ...] = (512, 256, 128)  # widths between vectors and latents
    dim: Count = 32  # of the latents
    commitment: Weight = 0.25  # beta
    quantisation: Weight = 1.0  # of the errors of all levels, beside that of the vectors
    means: bool = False  # errors are averaged over dimensions, as in others' code; else summed
    unit: bool = False  # vectors are made as long as 1 first
    renewal: Renewal = ByGradient()
    initial: Count | None = 8192  # items at most whose k-means the codes begin as; None: near 0
    restart: Count | None = 100  # steps without use after which a code begins anew; None: never
    batches: Rows = Rows(size=1024)
    # The paper takes Adagrad at 0.4 for 20,000 epochs; Adam at 1e-3 is what others take for it.
    schedule: Schedule = Schedule(
        epochs=300, rate=1e-3, optimizer=AdamW(weight_decay=1e-4), patience=None
    )

    def codebook(self, items: Entities) -> Autoencoder:
        name = self.name(items)
        widths = (items.vectors[name].shape[1], *self.hidden, self.dim)
        return Autoencoder(name, widths, self.levels, self.codes, self.unit)

    def fit(self, data: Dataset, run: Run) -> Quantized:
        with run.seeded("codebook"):
            codebook = self.codebook(data.catalog.items)
        vectors, rows = codebook.read(data.catalog.items), self.learned_from(data)
        if self.initial is not None:
            generator = run.generator("initial")
            some = rows[torch.randperm(len(rows), generator=generator)[: self.initial]]
            begin(codebook, vectors[some], generator)
        train(
            self.network(codebook, vectors, data, run),
            self.batches.over(rows),
            self.schedule,
            run.stage("codebook"),
            key=self.key(data.fingerprint, str(run.seed), run.name),
            title=type(self).__name__,
        )
        codebook.cpu()
        codes = Codes(codebook.encode(vectors), (self.codes,) * self.levels)
        return Quantized(codebook, vectors, codes)

    def network(
        self, codebook: Autoencoder, vectors: Tensor, data: Dataset, run: Run
    ) -> "Quantising":
        """What is trained: a codebook and the vectors [I, D] it learns from."""
        return Quantising(self, codebook, vectors)


class Quantising(nn.Module):
    """A codebook that learns from a table of vectors."""

    vectors: Tensor
    idle: Tensor

    def __init__(self, method: RQVAE, codebook: Autoencoder, vectors: Tensor) -> None:
        super().__init__()
        self.method, self.codebook = method, codebook
        self.follower = method.renewal.over(codebook.tables)
        self.register_buffer("vectors", vectors, persistent=False)  # [I, D]
        idle = torch.zeros(codebook.tables.shape[:2], dtype=torch.int64)
        self.register_buffer("idle", idle)  # [L, K] steps since a code was last chosen
        self.seen: Levels | None = None  # what the step under way did

    def loss(self, batch: RowBatch) -> Losses:
        """[E]"""
        wanted = self.codebook.scaled(self.vectors.index_select(0, batch.row))
        latents = self.codebook.latents(wanted)
        # A code is the nearest row: half the digits would choose another.
        with torch.autocast(latents.device.type, enabled=False):
            latents = latents.float()
            levels = self.codebook.quantised(latents)
            told = straight(latents, levels.chosen.sum(1))
            errors = self.method.quantisation * self.errors(levels).sum(1)
            errors = errors + self.regular(levels, told, batch)
        self.seen = Levels(levels.codes, levels.rests.detach(), levels.chosen.detach())
        return Losses(self.error(self.codebook.rebuilt(told), wanted) + errors)

    def errors(self, levels: Levels) -> Tensor:
        """How far codes are from what they stand for, for the codes and for the encoder: [E, L]"""
        commitment = self.error(levels.rests, levels.chosen.detach())
        if not self.codebook.tables.requires_grad:
            return self.method.commitment * commitment
        learned = self.error(levels.chosen, levels.rests.detach())
        return learned + self.method.commitment * commitment

    def error(self, found: Tensor, wanted: Tensor) -> Tensor:
        """Squared, over the last dimension: [..., D] -> [...]"""
        squares = functional.mse_loss(found.float(), wanted, reduction="none")
        return squares.mean(-1) if self.method.means else squares.sum(-1)

    def regular(self, levels: Levels, told: Tensor, batch: RowBatch) -> Tensor | float:
        """What else is asked of codes: [E]"""
        return 0.0

    @torch.no_grad()
    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Codes follow what they were chosen for, and those long without use begin anew."""
        assert self.seen is not None
        rests, codes = gather(self.seen.rests), gather(self.seen.codes)
        self.follower.follow(self.codebook.tables, rests, codes)
        if self.method.restart is None:
            return
        used = uses(codes, *self.idle.shape) > 0
        self.idle.add_(1).masked_fill_(used, 0)
        if int(self.idle.max()) >= self.method.restart:
            self._restart(optimizer, rests)

    def _restart(self, optimizer: torch.optim.Optimizer, rests: Tensor) -> None:
        """Codes long without use move to what the batch left at their level, drawn at random."""
        levels, codes = torch.nonzero(self.idle >= (self.method.restart or 0), as_tuple=True)
        drawn = torch.randperm(len(rests), device=rests.device)
        drawn = drawn[torch.arange(len(codes), device=rests.device) % len(rests)]
        tables, place = self.codebook.tables, (levels, codes)
        tables[place] = rests[drawn, levels]
        self.idle[place] = 0
        self.follower.moved(levels, codes, tables[place])
        for moment in optimizer.state.get(tables, {}).values():
            if isinstance(moment, Tensor) and moment.shape == tables.shape:
                moment[place] = 0  # what drove the old code would drive the new one


def straight(latents: Tensor, quantised: Tensor) -> Tensor:
    """What is quantised, whose gradient is handed to the latents as it is: [E, d]"""
    return latents + (quantised - latents).detach()


@torch.no_grad()
def begin(codebook: Autoencoder, vectors: Tensor, generator: torch.Generator) -> None:
    """Each level begins as k-means of what the levels before leave of some vectors: [n, D]"""
    rest = codebook.latents(codebook.scaled(vectors))
    for table in codebook.tables:
        table.copy_(kmeans(rest, len(table), generator))
        rest = rest - table[nearest(rest, table)[0]]
