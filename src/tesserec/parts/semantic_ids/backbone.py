"""Backbone: a network of pictures that was learned elsewhere, and learns on here."""

from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tesserec.content.learned.model import folder_of, opened, package, pretrained
from tesserec.content.learned.vision import before_patches
from tesserec.core.errors import BadSpec, NoContent
from tesserec.core.files import read_json

SHAPES = ("*.json",)  # what the network is built from; of one on the hub, weights are not fetched
PREPARED = "preprocessor_config.json"


class Backbone(nn.Module):
    """Its class token, or where it has none the mean of what it sees: [n, 3, S, S] -> [n, D]

    Pictures may be of other sizes than those it learned from: positions are interpolated. Built
    with random weights; `fill` reads those that were learned.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: str) -> None:
        """`model` is a folder as save_pretrained writes it, or a name on the hub."""
        super().__init__()
        transformers = package("transformers", "text,image")
        config = opened(transformers.AutoConfig, folder_of(model, SHAPES))
        self.network: nn.Module = transformers.AutoModel.from_config(config)
        unsaved = dict(self.network.named_buffers()).keys() - self.network.state_dict().keys()
        if unsaved:  # what is read back would lack them
            raise BadSpec(
                f"{model} has tables that are not saved with its weights ({min(unsaved)}).",
                "Take a ViT, a DINO or a ResNet.",
            )
        self.width = int(getattr(config, "hidden_size", 0) or config.hidden_sizes[-1])
        known = "interpolate_pos_encoding" in signature(self.network.forward).parameters
        self.options: dict[str, Any] = {"interpolate_pos_encoding": True} if known else {}
        self.register_buffer("mean", torch.full((3, 1, 1), 0.5))
        self.register_buffer("deviation", torch.full((3, 1, 1), 0.25))

    def fill(self, model: str) -> None:
        """Read the weights, and how colours were scaled for them."""
        folder = folder_of(model)
        self.network.load_state_dict(pretrained(folder, torch.float32).state_dict())
        told = _prepared(folder)
        for name, buffer in (("image_mean", self.mean), ("image_std", self.deviation)):
            if told.get(name):
                buffer.copy_(torch.tensor(told[name]).view(3, 1, 1))

    def check(self, side: int) -> None:
        """Raises `NoContent` where pictures of this side are smaller than one patch."""
        patch = getattr(self.network.config, "patch_size", 1)
        if isinstance(patch, int) and side < patch:
            raise NoContent(
                f"Small views of {side} pixels a side are less than one patch of {patch}.",
                f"Encode larger pictures (`--encoder Pixels --set side={2 * patch}`).",
            )

    def forward(self, pictures: Tensor) -> Tensor:
        scaled = (pictures - self.mean) / self.deviation
        seen: Tensor = self.network(pixel_values=scaled, **self.options).last_hidden_state
        if seen.ndim == 4:  # a map, as convolutions give
            return seen.mean((2, 3))
        before = before_patches(self.network.config, scaled, seen)
        return seen[:, 0] if before else seen.mean(1)


def _prepared(folder: Path) -> dict[str, Any]:
    """How pictures were prepared for the network, where it says."""
    path = folder / PREPARED
    return dict(read_json(path)) if path.is_file() else {}
