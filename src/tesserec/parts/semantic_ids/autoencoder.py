"""Autoencoder: a vector becomes a short one, which residual codes stand for, and comes back."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from tesserec.parts.linear import Layer, filled
from tesserec.parts.semantic_ids.quantizer import VectorCodebook

BLOCK = 1 << 14  # items encoded or decoded at once


@dataclass(frozen=True, eq=False)
class Levels:
    """What happened to some latents, level after level."""

    codes: Tensor  # [E, L]
    rests: Tensor  # [E, L, d] what was quantised at each level
    chosen: Tensor  # [E, L, d] the row of the table it was nearest to


class Autoencoder(VectorCodebook):
    """An encoder, a table of codes for each level, and a decoder."""

    def __init__(self, name: str, widths: tuple[int, ...], levels: int, codes: int, unit: bool):
        """`widths` are those of the vectors, of each hidden layer, and of the latents."""
        super().__init__(name)
        self.unit = unit
        self.encoder: nn.Module = _layers(widths)
        self.decoder: nn.Module = _layers(widths[::-1])
        # As small as in the authors' codes of its kin; k-means usually takes their place.
        tables = torch.empty(levels, codes, widths[-1]).uniform_(-1 / codes, 1 / codes)
        self.tables = nn.Parameter(tables)  # [L, K, d]

    def scaled(self, vectors: Tensor) -> Tensor:
        """What the encoder reads, and the decoder is to give back: [n, D]"""
        return nn.functional.normalize(vectors, dim=1) if self.unit else vectors

    def meant(self, vectors: Tensor) -> Tensor:
        return self.scaled(vectors)

    def latents(self, vectors: Tensor) -> Tensor:
        """What the encoder makes of vectors as `scaled` gives them: [n, D] -> [n, d]"""
        return _through(self.encoder, vectors)

    def rebuilt(self, latents: Tensor) -> Tensor:
        """What the decoder makes of latents: [n, d] -> [n, D]"""
        return _through(self.decoder, latents)

    def quantised(self, latents: Tensor) -> Levels:
        """The nearest row of each level to what the levels before have left: [E, d]"""
        rest, rests, chosen, codes = latents, list[Tensor](), list[Tensor](), list[Tensor]()
        halves = self.tables.detach().square().sum(2) / -2  # [L, K]
        for table, half in zip(self.tables, halves, strict=True):
            with torch.no_grad():
                code = torch.addmm(half, rest, table.T).max(1).indices  # [E, K] -> [E]
            codes.append(code)
            rests.append(rest)
            chosen.append(nn.functional.embedding(code, table))
            rest = rest - chosen[-1]
        return Levels(torch.stack(codes, 1), torch.stack(rests, 1), torch.stack(chosen, 1))

    @torch.no_grad()
    def encode(self, vectors: Tensor) -> Tensor:
        blocks = vectors.split(BLOCK)
        return torch.cat(
            [self.quantised(self.latents(self.scaled(block))).codes for block in blocks]
        )

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """What is decoded is as `scaled` made it: of length 1 where `unit` is set."""
        level = torch.arange(len(self.tables), device=codes.device)
        blocks = codes.split(BLOCK)
        return torch.cat([self.rebuilt(self.tables[level, block].sum(1)) for block in blocks])


def _layers(widths: tuple[int, ...]) -> nn.Sequential:
    """Linear layers from width to width, ReLU between them."""
    last = len(widths) - 2
    layers = [Layer(*pair, relu=i < last) for i, pair in enumerate(pairwise(widths))]
    for layer in layers:
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


def _through(layers: nn.Module, values: Tensor) -> Tensor:
    """The last batch of a pass, of any length, costs no more for a row than others do."""
    whole = filled(values)
    found: Tensor = layers(whole)
    return found if len(whole) == len(values) else found[: len(values)]
