"""Clips through a network of pictures: what its frames show, on average."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from tesserec.content.clips import open_clip
from tesserec.content.encoder import Modality, Piece
from tesserec.content.learned.clip import ClipImageEncoder
from tesserec.content.learned.model import LearnedEncoder, folder_of, settings, unit
from tesserec.content.learned.pixels import PictureEncoder
from tesserec.content.learned.vision import VisionEncoder

APART = 0.001  # seconds to the frame beside each, which is not looked at
Count = Annotated[int, Field(ge=1)]


class FrameEncoder(LearnedEncoder):
    """The mean of the vectors of some frames, spread over a clip; of length one where theirs are.

    As CLIP4Clip (Luo et al., Neurocomputing 2022) pools frames: with CLIP or SigLIP, a clip lies
    near the texts that describe it. The sound is not listened to.
    """

    modality: ClassVar[Modality] = "video"
    extra: ClassVar[str] = "text,video"
    window: ClassVar[int] = 16  # clips hold many pictures

    frames: Count = 8
    batch: int = 4

    def decode(self, piece: Piece) -> NDArray[np.float32]:
        """Pixels of the frames: [F, 3, H, W]"""
        assert isinstance(piece, bytes)
        pairs = open_clip(piece, self.frames, APART, self._eyes.pixels)
        return np.stack([frame for frame, _ in pairs])

    @cached_property
    def _eyes(self) -> PictureEncoder:
        """What looks at one frame."""
        kind = settings(folder_of(self.model, ("config.json",))).get("model_type")
        eyes = ClipImageEncoder if kind in ("clip", "siglip") else VisionEncoder
        return eyes(model=self.model, precision=self.precision, layers=self.layers)

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        look = self._eyes.loaded(folder, device)
        one_space = isinstance(self._eyes, ClipImageEncoder) and not self.layers

        def read(clips: Sequence[Any]) -> Tensor:
            seen = look([frame for clip in clips for frame in clip]).float()
            means = [part.mean(0) for part in seen.split([len(clip) for clip in clips])]
            return unit(torch.stack(means)) if one_space else torch.stack(means)

        return read
