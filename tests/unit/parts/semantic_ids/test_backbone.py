"""Networks of pictures that were learned elsewhere, made here with random weights."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tesserec.content.learned.model import pretrained
from tesserec.content.learned.vision import VisionEncoder
from tesserec.core import Dataset, Run
from tesserec.core.errors import BadSpec, NoContent
from tesserec.parts.semantic_ids.backbone import Backbone
from tesserec.parts.semantic_ids.rqdino import RQDINO
from toys import pretrained as networks
from toys.worlds import world

pytest.importorskip("transformers")

SIDE, ITEMS = 16, 24


def gallery() -> Dataset:
    """Red pictures and blue ones, with noise."""
    draw = torch.Generator().manual_seed(0)
    pixels = 0.4 * torch.rand(ITEMS, 3, SIDE, SIDE, generator=draw)
    rows = torch.arange(ITEMS)
    pixels[rows, 2 * (rows % 2)] += 0.6
    events = [(0, item, item) for item in range(ITEMS)]
    return world(events, items=range(ITEMS), vectors={"pixels": pixels.flatten(1)})


def painted(count: int, side: int) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def filled(folder: Path) -> Backbone:
    network = Backbone(str(folder))
    network.fill(str(folder))
    return network.eval()


@pytest.mark.parametrize(
    ("make", "side", "pooling"),
    [("vit", 32, "class"), ("dinov2", 28, "class"), ("resnet", 32, "mean")],
)
def test_it_sees_what_the_encoder_of_pictures_sees(
    make: str, side: int, pooling: str, tmp_path: Path
) -> None:
    folder = getattr(networks, make)(tmp_path)
    pictures = painted(3, side)
    mean, deviation = torch.tensor([0.48, 0.46, 0.41]), torch.tensor([0.27, 0.26, 0.28])
    scaled = (pictures - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    encoder = VisionEncoder(model=str(folder), pooling=pooling)
    with torch.no_grad():
        wanted = encoder.looking(pretrained(folder, torch.float32).eval())(scaled)
        found = filled(folder)(pictures)
    torch.testing.assert_close(found, wanted)
    assert found.shape == (3, Backbone(str(folder)).width)


@pytest.mark.parametrize("make", ["vit", "dinov2", "resnet"])
def test_pictures_of_other_sizes_are_seen_as_well(make: str, tmp_path: Path) -> None:
    network = filled(getattr(networks, make)(tmp_path))
    with torch.no_grad():
        assert all(network(painted(2, side)).isfinite().all() for side in (16, 40, 64))


def drawn(folder: Path, **more: object) -> RQDINO:
    schedule = {"epochs": 8, "rate": 1e-4}
    return RQDINO(**{**RQDINO.tiny, "backbone": str(folder), "schedule": schedule, **more})


@pytest.mark.parametrize("make", ["vit", "resnet"])
def test_codes_are_learned_on_from_its_weights_and_read_back(make: str, tmp_path: Path) -> None:
    folder = getattr(networks, make)(tmp_path / "network")
    method, data = drawn(folder), gallery()
    run = Run(seed=1, folder=tmp_path / "run")
    ids = method.ids(data, run)
    again = method.ids(data, Run(seed=1, folder=tmp_path / "run", resume=True))
    assert torch.equal(again.table, ids.table)
    assert ids.codebook is not None
    assert again.codebook is not None
    read = ids.codebook.read(data.catalog.items)
    assert torch.equal(again.codebook.encode(read), ids.codebook.encode(read))
    before, after = filled(folder).state_dict(), ids.codebook.layers.state_dict()
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not moved & {"mean", "deviation"}
    # So few steps at this rate move no weight far: it began where the file says, not at random.
    name = max(before, key=lambda one: before[one].numel())
    assert (after[name] - before[name]).abs().mean() < 0.3 * before[name].abs().mean()


def test_what_was_kept_belongs_to_the_weights_it_began_with(tmp_path: Path) -> None:
    folder = networks.vit(tmp_path)
    before = drawn(folder).key("same data")
    assert drawn(folder).key("same data") == before
    weights = load_file(folder / "model.safetensors")
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 1}, folder / "model.safetensors", {"format": "pt"})
    assert drawn(folder).key("same data") != before


def test_views_smaller_than_a_patch_and_folders_without_a_network_are_refused(
    tmp_path: Path,
) -> None:
    folder = networks.vit(tmp_path / "vit")  # its patches have 8 pixels a side
    items = gallery().catalog.items
    small = {"pixels": painted(ITEMS, 8).flatten(1)}
    with pytest.raises(NoContent, match="less than one patch of 8"):
        drawn(folder).codebook(world([(0, 0)], items=range(ITEMS), vectors=small).catalog.items)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadSpec, match=r"no config\.json"):
        drawn(tmp_path / "empty").codebook(items)
