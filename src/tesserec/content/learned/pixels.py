"""Pictures as networks take them: resized, cut and scaled as the model's own settings say."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tesserec.content.encoder import Modality, Piece, Undecodable
from tesserec.content.learned.model import LearnedEncoder, folder_of, opened, package
from tesserec.content.pictures import open_picture


class PictureEncoder(LearnedEncoder):
    """An encoder whose network looks at pixels."""

    modality: ClassVar[Modality] = "image"
    extra: ClassVar[str] = "text,image"
    window: ClassVar[int] = 128

    batch: int = 32

    @abstractmethod
    def looking(self, network: nn.Module) -> Callable[[Tensor], Tensor]:
        """What turns pixels [n, 3, H, W] into vectors [n, W]."""

    def decode(self, piece: Piece) -> NDArray[np.float32]:
        assert isinstance(piece, bytes)
        return self.pixels(open_picture(piece))

    def pixels(self, picture: Any) -> NDArray[np.float32]:
        """One picture of Pillow's as the network takes it: [3, H, W]"""
        try:
            prepared = self._prepare(images=picture, return_tensors="np")
        except ValueError as error:  # a line of pixels that resizes to nothing
            raise Undecodable(str(error)) from None
        found: NDArray[np.float32] = prepared["pixel_values"][0].astype(np.float32)
        return found

    @cached_property
    def _prepare(self) -> Any:
        """Small: threads that ask at the same moment may read it twice, and one is kept."""
        # Pillow's arithmetic everywhere: torchvision is one more package, and rounds otherwise.
        kind = package("transformers", self.extra).AutoImageProcessor
        return opened(kind, folder_of(self.model), backend="pil")

    def loaded(self, folder: Path, device: str) -> Callable[[Sequence[Any]], Tensor]:
        look, dtype = self.looking(self.network(folder, device)), self.dtype(device)

        def read(decoded: Sequence[Any]) -> Tensor:
            return look(torch.from_numpy(np.stack(decoded)).to(device, dtype))

        return read
