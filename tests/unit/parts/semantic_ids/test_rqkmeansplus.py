"""An autoencoder that begins as residual k-means."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tesserec.core import Dataset, Run
from tesserec.core.errors import BadSpec
from tesserec.parts.batches import RowBatch
from tesserec.parts.semantic_ids.autoencoder import Autoencoder
from tesserec.parts.semantic_ids.rqkmeans import Residual, RQKMeans
from tesserec.parts.semantic_ids.rqkmeansplus import RQKMeansPlus
from tesserec.parts.semantic_ids.rqvae import RQVAE, Quantising
from tesserec.training import Schedule
from toys.worlds import world


def shop(vectors: Tensor, events: int | None = None) -> Dataset:
    """Items with vectors; the first so many have an event each."""
    count = len(vectors) if events is None else events
    items = list(range(len(vectors)))
    return world([(0, item) for item in range(count)], items=items, vectors={"text": vectors})


def curve(count: int = 200) -> Tensor:
    """Items along a spiral, which sums of few centres do not tell well: [count, 3]"""
    turn = torch.linspace(0, 9, count)
    return torch.stack([turn.cos(), turn.sin(), turn / 4], 1)


def small(**fields: Any) -> RQKMeansPlus:
    return RQKMeansPlus(**{"levels": 2, "codes": 4, "hidden": (16,), **fields})


@pytest.mark.parametrize("balanced", ["none", "last", "all"])
def test_before_it_has_learned_it_is_residual_k_means(balanced: str) -> None:
    vectors = curve()
    method = small(start={"balanced": balanced})
    run = Run(seed=3)
    found = method.begun(shop(vectors), run)
    wanted = RQKMeans(levels=2, codes=4, balanced=balanced).fit(shop(vectors), run.stage("start"))
    assert isinstance(wanted.codebook, Residual)
    codes = found.encode(vectors)
    assert torch.equal(codes, wanted.codebook.encode(vectors))
    torch.testing.assert_close(found.decode(codes), wanted.codebook.decode(codes))


def stirred(method: RQKMeansPlus, vectors: Tensor) -> Autoencoder:
    """A codebook whose layers add something."""
    codebook = method.begun(shop(vectors), Run())
    generator = torch.Generator().manual_seed(1)
    for weight in codebook.parameters():
        weight.data.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return codebook


def through(layers: Any, vector: Tensor) -> Tensor:
    """x + MLP(x), written out."""
    first, last = layers[0], layers[1]
    inside = (first.weight @ vector + first.bias).clamp(min=0)
    return vector + last.weight @ inside + last.bias


def test_latents_are_vectors_and_what_layers_add_and_so_is_what_is_decoded() -> None:
    vectors = curve(20)
    codebook = stirred(small(), vectors)
    encoder, decoder = codebook.encoder.layers, codebook.decoder.layers
    codes = codebook.encode(vectors)
    for row, vector in enumerate(vectors):
        rest, meant = through(encoder, vector), torch.zeros(3)
        for level, table in enumerate(codebook.tables):
            code = min(range(4), key=lambda k: float((rest - table[k]).detach().norm()))
            assert int(codes[row, level]) == code
            rest, meant = rest - table[code], meant + table[code]
        told = codebook.decode(codes[row : row + 1])[0]
        torch.testing.assert_close(told, through(decoder, meant.detach()).detach())


def test_its_loss_is_that_of_an_rqvae_whose_latents_are_as_wide_as_vectors() -> None:
    vectors = curve(20)
    codebook = stirred(small(), vectors)
    network = Quantising(RQVAE(commitment=0.25), codebook, vectors)
    each = network.loss(RowBatch(torch.arange(20), torch.ones(20), 0)).each
    codes, beta = codebook.encode(vectors), 0.25
    for row, vector in enumerate(vectors):
        rest, wanted = through(codebook.encoder.layers, vector), torch.zeros(())
        meant = torch.zeros(3)
        for level, table in enumerate(codebook.tables):
            chosen = table[codes[row, level]]
            wanted = wanted + (1 + beta) * (rest - chosen).square().sum()
            rest, meant = rest - chosen, meant + chosen
        wanted = wanted + (through(codebook.decoder.layers, meant) - vector).square().sum()
        torch.testing.assert_close(each[row], wanted)


def test_learning_leaves_less_than_k_means_did() -> None:
    """The card's claim 5: never a higher error than what it began as."""
    vectors = curve()
    method = small(batches={"size": 50}, schedule=Schedule(epochs=60, rate=3e-3, patience=None))
    run = Run(seed=0)
    before = method.begun(shop(vectors), run)
    after = method.fit(shop(vectors), run)

    def error(codebook: Any) -> float:
        return float((codebook.decode(codebook.encode(vectors)) - vectors).square().mean())

    assert error(after.codebook) < 0.7 * error(before)


def test_k_means_gets_the_levels_codes_vectors_and_items_that_are_asked_for() -> None:
    method = small(vectors="text", warm=False, levels=5, codes=7, start={"rounds": 9})
    start = method.residual
    assert (start.levels, start.codes, start.vectors, start.warm) == (5, 7, "text", False)
    assert (start.rounds, start.balanced) == (9, "all")


def test_residuals_made_as_long_as_1_are_refused() -> None:
    with pytest.raises(BadSpec, match=r"start\.unit = false"):
        small(start={"unit": True})
