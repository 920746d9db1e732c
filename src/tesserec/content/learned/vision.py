"""Pictures through a vision network: ViT (Dosovitskiy et al., ICLR 2021), DINOv2 and their kin."""

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from tesserec.content.learned.pixels import PictureEncoder
from tesserec.core.errors import BadSpec


class VisionEncoder(PictureEncoder):
    """The last layer of a network of pictures: its class token, or the mean of its patches."""

    pooling: Literal["class", "mean"] = "class"

    def looking(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        def look(pixels: Tensor) -> Tensor:
            seen = network(pixel_values=pixels, output_hidden_states=bool(self.layers))
            before = before_patches(network.config, pixels, seen.last_hidden_state)

            def pool(hidden: Tensor) -> Tensor:
                if hidden.ndim == 4:  # a map, as convolutions give: [n, D, H, W]
                    hidden = hidden.flatten(2).transpose(1, 2)
                return hidden[:, 0] if self.pooling == "class" else hidden[:, before:].mean(1)

            if self.pooling == "class" and not before:
                raise BadSpec(f"{self.model} has no class token.", "Set pooling=mean.")
            if self.layers:
                return self.chosen(seen.hidden_states, pool)
            return pool(seen.last_hidden_state)

        return look


def before_patches(config: Any, pixels: Tensor, hidden: Tensor) -> int:
    """How many tokens stand before the patches: the class token, registers, if any."""
    side = getattr(config, "patch_size", None)
    if hidden.ndim != 3 or not isinstance(side, int):
        return 0
    patches = (pixels.shape[2] // side) * (pixels.shape[3] // side)
    return max(0, hidden.shape[1] - patches)
