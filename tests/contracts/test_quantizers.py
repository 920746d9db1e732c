"""What every quantizer must do, found through the registry and run at its `tiny` size."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tesserec.core import Codes, Dataset, Entities, Run
from tesserec.core.registry import every
from tesserec.data import toys
from tesserec.data.intake.codes import write_codes
from tesserec.data.splits import Published
from tesserec.experiment.codebooks import key_of, read_codebook, writing_codebook
from tesserec.parts.semantic_ids import Quantized, Quantizer

OURS = [kind for kind in every(Quantizer) if kind.__module__.startswith("tesserec.")]
QUANTIZERS = [kind for kind in OURS if kind.learns]  # what learns nothing has its own tests
PLACED_BY_EVENTS = {"GraphRQVAE"}  # what items were chosen with counts; new ones have content alone


@pytest.fixture(params=QUANTIZERS, ids=lambda kind: kind.__name__)
def quantizer(request: pytest.FixtureRequest) -> Quantizer:
    kind: type[Quantizer] = request.param
    return kind(**kind.tiny)


@pytest.fixture
def world(quantizer: Quantizer) -> Dataset:
    """Two tastes that vectors tell, or pictures; the last six items have no events."""
    told = Published(valid=0).split(toys.taste_told_by_text()).train
    return painted(told) if quantizer.tiny.get("vectors") == "pixels" else told


def painted(world: Dataset) -> Dataset:
    """Eight by eight pixels of each item instead of its text: one taste is red, one blue."""
    items = world.catalog.items
    pixels = 0.5 * torch.rand(len(items), 3, 64, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(len(items))
    pixels[rows, 2 * (rows % 2)] += 0.5
    items = replace(items, vectors={"pixels": pixels.flatten(1)})
    return replace(world, catalog=replace(world.catalog, items=items))


_FITTED: dict[str, Quantized] = {}


@pytest.fixture
def found(quantizer: Quantizer, world: Dataset) -> Quantized:
    """The quantizer fitted once to its world; nobody changes it."""
    name = type(quantizer).__name__
    if name not in _FITTED:
        _FITTED[name] = quantizer.fit(world, Run(seed=1))
        _FITTED[name].codebook.eval().requires_grad_(False)
    return _FITTED[name]


def part(items: Entities, rows: slice) -> Entities:
    """Some of the items alone."""
    vectors = {name: table[rows] for name, table in items.vectors.items()}
    masks = {name: mask[rows] for name, mask in items.masks.items()}
    return replace(
        items, ids=items.ids[rows], features=items.features[rows], vectors=vectors, masks=masks
    )


def same(one: Codes, other: Codes) -> bool:
    return torch.equal(one.table, other.table) and one.sizes == other.sizes


def test_the_toy_world_has_items_without_events(world: Dataset) -> None:
    assert (world.popularity == 0).nonzero()[:, 0].tolist() == list(range(24, 30))


def test_each_item_has_codes_of_as_many_levels_and_tokens_as_it_says(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    codes = found.codes  # which refuse what is beyond their sizes
    assert len(codes) == len(found.vectors) == len(world.catalog.items)
    assert codes.table.dtype == torch.int64
    assert codes.levels == len(codes.sizes) >= 1
    assert codes.distinct > 1


def test_ids_are_unique_and_begin_with_the_codes(quantizer: Quantizer, world: Dataset) -> None:
    ids = quantizer.ids(world, Run(seed=1))
    assert ids.unique
    assert len(ids) == len(world.catalog.items)
    assert isinstance(ids.codebook, torch.nn.Module)
    assert not ids.codebook.training
    assert not any(one.requires_grad for one in ids.codebook.parameters())


def test_the_same_seed_gives_the_same_ids(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    torch.manual_seed(99)  # what others did with the global generator is of no matter
    before = torch.get_rng_state()
    again = quantizer.fit(world, Run(seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(again.codes, found.codes)
    assert same(quantizer.ids(world, Run(seed=1)), quantizer.ids(world, Run(seed=1)))


def test_fitting_changes_no_vector(quantizer: Quantizer, world: Dataset) -> None:
    before = {name: table.clone() for name, table in world.catalog.items.vectors.items()}
    quantizer.fit(world, Run(seed=1))
    for name, table in before.items():
        assert torch.equal(world.catalog.items.vectors[name], table)


def test_its_codes_are_what_its_codebook_says_of_what_it_reads(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    read = found.codebook.read(world.catalog.items)
    if type(quantizer).__name__ in PLACED_BY_EVENTS:
        new = world.popularity == 0
        torch.testing.assert_close(read[new], found.vectors[new])
        read = torch.where(new[:, None], read, found.vectors)
    else:
        assert torch.equal(read, found.vectors)
    assert torch.equal(found.codebook.encode(read), found.codes.table)


def test_new_items_get_ids_and_the_old_ones_keep_theirs(
    quantizer: Quantizer, world: Dataset
) -> None:
    old = part(world.catalog.items, slice(0, 24))
    items = replace(world.catalog, items=old)
    ids = quantizer.ids(replace(world, catalog=items), Run(seed=1))
    assert ids.codebook is not None
    new = part(world.catalog.items, slice(24, 30))
    told = ids.codebook.encode(ids.codebook.read(new))
    both = quantizer.collisions.added(ids, told)
    assert len(both) == 30
    assert both.unique
    assert torch.equal(both.table[:24], ids.table)


def test_a_codebook_that_was_saved_and_loaded_encodes_equally(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    with torch.device("meta"):
        empty = quantizer.codebook(world.catalog.items)
    assert all(one.is_meta for one in empty.state_dict().values())
    empty.load_state_dict(found.codebook.state_dict(), assign=True)
    read = empty.eval().read(world.catalog.items)
    assert torch.equal(empty.encode(read), found.codebook.encode(read))


def test_a_codebook_that_was_written_is_read_for_a_longer_catalogue(
    quantizer: Quantizer, world: Dataset, tmp_path: Path
) -> None:
    items = world.catalog.items
    old = replace(world, catalog=replace(world.catalog, items=part(items, slice(0, 24))))
    found = quantizer.fit(old, Run(seed=1))
    file, key = tmp_path / "ids.parquet", key_of(quantizer, found.codebook)
    ids = quantizer.unique(found, old.popularity)
    facts = {"key": key, "quantizer": quantizer.to_dict()}
    with writing_codebook(file, "mine", found.codebook, facts):
        write_codes(file, old.catalog.items.ids, {"mine": ids}, {"mine": key})
    others = items.ids[::-1]  # not those it was made for
    same, codebook = read_codebook(file, "mine", key, items, others)
    assert same == quantizer
    read = codebook.read(items)
    assert torch.equal(read, found.codebook.read(items))
    assert torch.equal(codebook.encode(read), found.codebook.encode(read))


def test_a_codebook_is_built_from_the_shapes_of_vectors_alone(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    items = world.catalog.items
    shapes = {name: torch.empty_like(one, device="meta") for name, one in items.vectors.items()}
    with torch.device("meta"):
        empty = quantizer.codebook(replace(items, vectors=shapes))
    wanted = {name: one.shape for name, one in found.codebook.state_dict().items()}
    assert {name: one.shape for name, one in empty.state_dict().items()} == wanted


def test_a_cold_item_teaches_a_codebook_of_warm_items_nothing(
    quantizer: Quantizer, found: Quantized, world: Dataset
) -> None:
    assert quantizer.warm
    vectors = {name: one.clone() for name, one in world.catalog.items.vectors.items()}
    for one in vectors.values():
        one[24:] = 5 - 3 * one[24:]
    items = replace(world.catalog.items, vectors=vectors)
    other = quantizer.fit(replace(world, catalog=replace(world.catalog, items=items)), Run(seed=1))
    assert torch.equal(other.codes.table[:24], found.codes.table[:24])
    for name, one in found.codebook.state_dict().items():
        assert torch.equal(other.codebook.state_dict()[name], one)


def test_a_resumed_run_reads_the_ids_it_kept(
    quantizer: Quantizer, world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(seed=1, folder=tmp_path)
    first = quantizer.ids(world, run)

    def never(*_: object) -> Quantized:
        raise AssertionError("it was fitted again")

    monkeypatch.setattr(type(quantizer), "fit", never)
    before = torch.get_rng_state()
    again = quantizer.ids(world, replace(run, resume=True))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(again, first)
    assert first.codebook is not None
    assert again.codebook is not None
    read = again.codebook.read(world.catalog.items)
    assert torch.equal(again.codebook.encode(read), first.codebook.encode(read))
    with pytest.raises(AssertionError, match="again"):  # what another seed kept is not read
        quantizer.ids(world, replace(run, resume=True, seed=2))


def test_it_can_be_written_down_and_read_back(quantizer: Quantizer) -> None:
    assert Quantizer.from_dict(quantizer.to_dict()) == quantizer
