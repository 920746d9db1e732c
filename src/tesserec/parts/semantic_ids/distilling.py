"""Distilling: a student, its codes, and the teacher that follows it."""

import math
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from tesserec.core import Losses
from tesserec.parts.batches import RowBatch
from tesserec.parts.linear import Layer
from tesserec.parts.semantic_ids.kmeans import kmeans, nearest
from tesserec.parts.semantic_ids.renewal import uses
from tesserec.parts.semantic_ids.views import cut, recoloured
from tesserec.training.devices import gather

if TYPE_CHECKING:
    from tesserec.parts.semantic_ids.rqdino import RQDINO, Eye

LARGE = 2  # views the teacher sees
WARMUP = 0.3  # share of all steps in which the teacher's temperature climbs
STEADY = 0.99  # momentum of how often each code is chosen
SAMPLE = 8192  # pictures at most whose k-means the codes begin as


class Head(nn.Module):
    """Features are sorted: [n, d] -> the cosine with each of K answers [n, K]"""

    def __init__(self, dim: int, hidden: int, answers: int) -> None:
        super().__init__()
        # Nothing cuts the last layer's numbers: pictures would all lie on one side from the start.
        self.layers = nn.Sequential(Layer(dim, hidden), nn.GELU(), Layer(hidden, hidden))
        self.answers = nn.Parameter(torch.randn(answers, hidden))

    def forward(self, features: Tensor) -> Tensor:
        directions = functional.normalize(self.layers(features), dim=1)
        return directions @ functional.normalize(self.answers, dim=1).T


class Distilling(nn.Module):
    """What is trained: a codebook that sees, a head, and slower copies of both."""

    pictures: Tensor
    centre: Tensor
    idle: Tensor
    chosen_how_often: Tensor

    def __init__(
        self, method: "RQDINO", codebook: "Eye", pictures: Tensor, rows: Tensor, steps: int
    ) -> None:
        """All pixels [I, 3 S S], of which some rows teach; `steps` there are in all."""
        super().__init__()
        self.method, self.codebook, self.steps = method, codebook, steps
        self.head = Head(method.dim, method.hidden, method.answers)
        self.teacher = deepcopy(codebook).requires_grad_(False)
        self.teacher_head = deepcopy(self.head).requires_grad_(False)
        self.first = int(method.quantised_after * steps)  # the step from which on there are codes
        shape = codebook.tables.shape[:2]
        self.register_buffer("pictures", pictures, persistent=False)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("centre", torch.zeros(method.answers))
        self.register_buffer("idle", torch.zeros(shape, dtype=torch.int64))  # steps without use
        self.register_buffer("chosen_how_often", torch.zeros(shape))  # [L, K] shares
        self.told: Tensor | None = None  # the teacher's answers in the step under way
        self.seen: tuple[Tensor, Tensor] | None = None  # the student's codes, and what they are of
        if not self.first:
            self.begin()

    def loss(self, batch: RowBatch) -> Losses:
        """[E]"""
        method, side = self.method, self.codebook.side
        pictures = self.codebook.pictures(self.pictures[batch.row])
        large = [recoloured(cut(pictures, method.large, side)) for _ in range(LARGE)]
        small = [recoloured(cut(pictures, method.small, side // 2)) for _ in range(method.local)]
        wanted = self.wanted(torch.cat(large), batch.step)  # [2, E, K]
        features = [self.codebook.features(torch.cat(views)) for views in (large, small) if views]
        # A code is the nearest row: half the digits would choose another.
        with torch.autocast(pictures.device.type, enabled=False):
            heard, errors = self.coded(torch.cat(features).float(), batch.step)
        guesses = (self.head(heard) / method.temperature).log_softmax(1)
        views = len(large) + len(small)
        each = told_apart(wanted, guesses.view(views, len(batch), -1))
        errors = errors.view(views, len(batch)).mean(0)
        return Losses(each + method.quantisation * errors, noted=self.watched(wanted))

    def wanted(self, views: Tensor, step: int) -> Tensor:
        """What the teacher says of large views, centred and sharpened: [2 E, ...] -> [2, E, K]"""
        with torch.no_grad():
            told = self.teacher_head(self.teacher.features(views)).float()
            self.told = told
            sharp = (told - self.centre) / self.teacher_temperature(step)
            return sharp.softmax(1).view(LARGE, -1, told.shape[1])

    def coded(self, features: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """What the head gets instead of features, and how wrong that is: [n, d] -> [n, d], [n]"""
        self.seen = None
        if step < self.first:
            return features, features.new_zeros(len(features))
        codes, rests, chosen = self.codebook.quantised(features)
        self.seen = codes, rests.detach()
        learned = (chosen - rests.detach()).square().sum((1, 2))
        committed = (rests - chosen.detach()).square().sum((1, 2))
        straight = features + (chosen.sum(1) - features).detach()
        return straight, learned + self.method.commitment * committed

    def teacher_temperature(self, step: int) -> float:
        """It climbs in a line, and then stays."""
        first, last = self.method.teacher_temperature
        return first + (last - first) * min(1.0, step / max(1.0, WARMUP * self.steps))

    def momentum(self, step: int) -> float:
        """How much of the teacher stays in a step: from the field's value to 1, along a cosine."""
        left = (1 + math.cos(math.pi * min(1.0, step / max(1, self.steps)))) / 2
        return 1 - (1 - self.method.momentum) * left

    @torch.no_grad()
    def watched(self, wanted: Tensor) -> dict[str, Tensor]:
        """What tells whether everything has become the same."""
        answers = wanted.flatten(0, 1)
        in_use = entropy(self.chosen_how_often).exp() / self.method.codes
        return {
            "entropy of the teacher's answers": entropy(answers).mean(),
            "entropy of their mean": entropy(answers.mean(0)),
            "codes in use": torch.where(self.chosen_how_often.sum(1) > 0, in_use, 0.0).mean(),
        }

    @torch.no_grad()
    def stepped(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """The teacher follows, its answers are centred, and codes begin or begin anew."""
        assert self.told is not None
        stays = self.momentum(step)
        pairs = ((self.teacher, self.codebook), (self.teacher_head, self.head))
        for slow, fast in pairs:
            for old, new in zip(slow.parameters(), fast.parameters(), strict=True):
                old.lerp_(new, 1 - stays)
        self.centre.lerp_(gather(self.told).mean(0), 1 - self.method.centring)
        if self.seen is not None:
            self._count(gather(self.seen[0]))
            self._restart(optimizer, gather(self.seen[1]))
        if step + 1 == self.first:
            self.begin()

    @torch.no_grad()
    def begin(self) -> None:
        """Each level begins as k-means of what those before leave of the student's features."""
        device, rows = self.pictures.device, self.get_buffer("rows")
        drawn = torch.randperm(len(rows), device=device)[:SAMPLE]
        seen = [
            self.codebook.features(self.codebook.pictures(self.pictures[block]))
            for block in rows[drawn].split(self.method.batches.size)
        ]
        rest = torch.cat(seen).float().cpu()
        seed = int(torch.randint(1 << 31, ()))
        generator = torch.Generator().manual_seed(seed)
        for table in self.codebook.tables:
            centres = kmeans(rest, len(table), generator)
            table.copy_(centres)
            rest = rest - centres[nearest(rest, centres)[0]]

    def _count(self, codes: Tensor) -> None:
        counts = uses(codes, *self.idle.shape)
        self.idle.add_(1).masked_fill_(counts > 0, 0)
        self.chosen_how_often.lerp_(counts / len(codes), 1 - STEADY)

    def _restart(self, optimizer: torch.optim.Optimizer, rests: Tensor) -> None:
        """Codes long without use move to what the views left at their level, drawn at random."""
        if self.method.restart is None:
            return
        levels, codes = torch.nonzero(self.idle >= self.method.restart, as_tuple=True)
        if not len(codes):
            return
        drawn = torch.randperm(len(rests), device=rests.device)
        drawn = drawn[torch.arange(len(codes), device=rests.device) % len(rests)]
        tables, place = self.codebook.tables, (levels, codes)
        tables[place] = rests[drawn, levels]
        self.idle[place] = 0
        for moment in optimizer.state.get(tables, {}).values():
            if isinstance(moment, Tensor) and moment.shape == tables.shape:
                moment[place] = 0  # what drove the old code would drive the new one


def told_apart(wanted: Tensor, guesses: Tensor) -> Tensor:
    """The mean cross-entropy over pairs of different views: [T, E, K], [V, E, K] -> [E]

    The first T of the V views are those of the teacher; no view is compared with itself.
    """
    costs = -torch.einsum("tek,vek->tve", wanted, guesses.float())
    teachers, views = costs.shape[:2]
    others = ~torch.eye(teachers, views, dtype=torch.bool, device=costs.device)
    return costs[others].mean(0)


def entropy(shares: Tensor) -> Tensor:
    """In nats, over the last dimension, whatever their sum is: [..., K] -> [...]"""
    shares = shares / shares.sum(-1, keepdim=True).clamp(min=1e-12)
    return -torch.special.xlogy(shares, shares).sum(-1)
