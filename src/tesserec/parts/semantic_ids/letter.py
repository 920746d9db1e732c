"""LETTER: an RQVAE whose codes agree with behaviour, and spread.

Wang et al., "Learnable Item Tokenization for Generative Recommendation", CIKM 2024,
arXiv:2405.07314. Latents agree with what is known of items from behaviour, and codes that lie
together are drawn to one another, so that none is left alone.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from tesserec.core import Dataset, Method, Run
from tesserec.core.errors import BadData, BadSpec, NoContent
from tesserec.core.registry import find
from tesserec.parts.batches import RowBatch
from tesserec.parts.semantic_ids.autoencoder import Autoencoder, Levels
from tesserec.parts.semantic_ids.groups import Bounds, grouped
from tesserec.parts.semantic_ids.kmeans import kmeans
from tesserec.parts.semantic_ids.rqvae import RQVAE, Quantising
from tesserec.training import AdamW, Schedule
from tesserec.training.devices import gather

Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]

NEVER = -1e30  # a logit of what cannot be; infinity would make NaN of losses that do not count


def _published() -> Method:
    """Whose item vectors the paper takes, found by its name, as no part imports a method."""
    return cast(Method, find("SASRec", Method)(dim=32))


class LETTER(RQVAE):
    """RQVAE with a loss that compares codes with behaviour, and one that spreads them."""

    tiny: ClassVar[dict[str, Any]] = {
        **RQVAE.tiny,
        "groups": 2,
        "teacher": {
            "kind": "MF",
            "dim": 4,
            "batches": {"size": 64},
            "schedule": {"epochs": 5, "rate": 0.05},
        },
    }

    levels: Count = 4
    # The authors read 4,096 dimensions and have widths of 2,048 and 1,024 before these.
    hidden: tuple[Count, ...] = (512, 256, 128, 64)
    means: bool = True
    quantisation: Weight = 0.25  # 1 of the mean over four levels
    collaborative: str = ""  # item vectors that tell behaviour; "": those that the teacher learns
    teacher: Method = Field(default_factory=_published)
    alignment: Weight = 0.01  # alpha, as in the authors' command
    diversity: Weight = 1e-4  # beta, as in the authors' command
    groups: Count = 10  # of the codes of a level
    # The authors train for 20,000 epochs and keep the weights with the fewest collisions.
    schedule: Schedule = Schedule(
        epochs=300, rate=1e-3, optimizer=AdamW(weight_decay=1e-4), patience=None
    )

    def network(
        self, codebook: Autoencoder, vectors: Tensor, data: Dataset, run: Run
    ) -> "Regularised":
        period = math.ceil(len(self.learned_from(data)) / self.batches.size)
        behaviour = self.behaviour(data, run)
        return Regularised(self, codebook, vectors, behaviour, period, run)

    def behaviour(self, data: Dataset, run: Run) -> "Behaviour":
        """What is known of items from behaviour. Raises `NoContent`, `BadSpec` and `BadData`."""
        items = data.catalog.items
        if not self.collaborative:
            self.teacher.check_data(data)
            model = self.teacher.fit(data, run.stage("teacher"))
            table = getattr(model, "item_vectors", None)
            if table is None:
                raise BadSpec(
                    f"LETTER compares codes with item vectors, and {type(self.teacher).__name__} "
                    "learns none.",
                    "Take a teacher that does, such as SASRec or LightGCN.",
                )
            told = Behaviour(table.float().cpu().clone(), data.popularity > 0)
        elif self.collaborative in items.vectors:
            table = items.vectors[self.collaborative].float()
            told = Behaviour(table, items.present(self.collaborative))
        else:
            there = ", ".join(sorted(items.vectors)) or "none"
            raise NoContent(
                f"LETTER agrees with item vectors called {self.collaborative!r}, and there are "
                f"{there}.",
                "Name those that tell behaviour in its field `collaborative`, or leave it empty.",
            )
        if told.vectors.shape[1] != self.dim:
            raise BadData(
                f"LETTER compares latents of {self.dim} dimensions with vectors of "
                f"{told.vectors.shape[1]}.",
                f"Set its dim = {told.vectors.shape[1]}, or take vectors of {self.dim} dimensions.",
            )
        return told


@dataclass(frozen=True, eq=False)
class Behaviour:
    """Item vectors, and of which items they tell anything."""

    vectors: Tensor  # [I, d]
    known: Tensor  # [I] bool


class Regularised(Quantising):
    """A codebook that learns from vectors, from behaviour, and from how its codes lie."""

    behaviour: Tensor
    known: Tensor
    centres: Tensor
    group: Tensor

    def __init__(
        self,
        method: LETTER,
        codebook: Autoencoder,
        vectors: Tensor,
        behaviour: Behaviour,
        period: int,
        run: Run,
    ) -> None:
        """Codes are grouped again every `period` steps."""
        super().__init__(method, codebook, vectors)
        self.letter, self.period = method, period
        self.register_buffer("behaviour", behaviour.vectors, persistent=False)  # [I, d]
        self.register_buffer("known", behaviour.known, persistent=False)  # [I]
        generator, tables = run.generator("groups"), codebook.tables.detach()
        self.bounds = Bounds.published(tables.shape[1], method.groups)
        centres = [kmeans(table, self.bounds.groups, generator) for table in tables]
        self.register_buffer("centres", torch.stack(centres))  # [L, G, d]
        self.register_buffer("group", torch.zeros(tables.shape[:2], dtype=torch.int64))  # [L, K]
        self.regroup()

    def regular(self, levels: Levels, told: Tensor, batch: RowBatch) -> Tensor | float:
        """Both losses, with their weights: [E]"""
        aligned = self.letter.alignment * self.aligned(told, batch.row)
        spread = sum(
            (self.spread(number, levels) for number in range(len(self.group))),
            torch.zeros_like(aligned),
        )
        return aligned + self.letter.quantisation * self.letter.diversity * spread

    def aligned(self, told: Tensor, row: Tensor) -> Tensor:
        """-log of the chance of an item's own behaviour among the batch's; 0 if unknown: [E]"""
        known, others = self.known[row], gather(row)
        wanted, there = self.behaviour[others], self.known[others]
        logits = (told @ wanted.T).masked_fill(~there, NEVER)  # [E, d] x [B, d] -> [E, B]
        own = (others == row[:, None]).int().argmax(1)  # an item is in a batch once
        chance = logits.log_softmax(1).gather(1, own[:, None])[:, 0]
        return torch.where(known, -chance, 0.0)

    def spread(self, level: int, levels: Levels) -> Tensor:
        """-log of the chance of another code of the group among all others: [E]

        A code alone in its group has no other, and no loss.
        """
        code, table = levels.codes[:, level], self.codebook.tables[level]
        other, there = another(code, self.group[level])
        logits = levels.chosen[:, level] @ table.T  # [E, d] x [K, d] -> [E, K]
        logits = logits.scatter(1, code[:, None], NEVER)
        each = functional.cross_entropy(logits, other, reduction="none")
        return torch.where(there, each, 0.0)

    @torch.no_grad()
    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        super().stepped(optimizer, step)
        if (step + 1) % self.period == 0:
            self.regroup()

    @torch.no_grad()
    def regroup(self) -> None:
        """Group the codes of each level by where they lie now."""
        for level, table in enumerate(self.codebook.tables):
            group, centres = grouped(table.cpu(), self.centres[level].cpu(), self.bounds)
            self.group[level], self.centres[level] = group, centres


def another(code: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """For each code [E] another of its group [K], all equally likely, and whether there is one.

    A code alone in its group gets itself.
    """
    together = group.argsort(stable=True)  # members lie group by group
    place = torch.empty_like(together)
    place[together] = torch.arange(len(group), device=group.device)
    size = torch.bincount(group)
    first = (size.cumsum(0) - size)[group[code]]
    others = size[group[code]] - 1
    share = torch.rand(len(code), device=code.device)
    ahead = 1 + torch.minimum((share * others).long(), (others - 1).clamp(min=0))
    return together[first + (place[code] - first + ahead) % (others + 1)], others > 0
