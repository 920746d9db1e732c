"""Clips without downloads: pictures spread over a clip, how they vary and how they move.

An honest baseline: it knows colours, textures and the amount and place of motion, and nothing of
what is shown.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tesserec.content.clips import open_clip
from tesserec.content.encoder import Piece, Rows
from tesserec.content.image import ImageStatistics, prepared
from tesserec.content.reduced import ReducedEncoder

Count = Annotated[int, Field(ge=1)]
Picture: TypeAlias = NDArray[np.uint8]  # [H, W, 3]
Pairs: TypeAlias = list[tuple[Picture, Picture]]

CHANGED = 8  # of 255; differences up to here are noise of cameras and codecs


class VideoStatistics(ReducedEncoder):
    """Unit vectors of clips, by their pictures and their motion. The sound is not listened to."""

    modality: ClassVar = "video"
    window: ClassVar[int] = 16  # clips hold many pictures

    frames: Count = 8  # of a clip that are looked at
    apart: Annotated[float, Field(gt=0)] = 0.1  # seconds from each to the one it is compared with
    grid: Annotated[int, Field(ge=1, le=16)] = 4  # by so many cells, to tell where motion is
    batch: int = 8

    def decode(self, piece: Piece) -> Pairs:
        assert isinstance(piece, bytes)
        return open_clip(piece, self.frames, self.apart, prepared)

    def weights(self) -> str:
        return f"ImageStatistics {ImageStatistics.version}"

    def reader(self, device: str) -> Callable[[Sequence[Pairs]], Rows]:
        look = ImageStatistics().reader(device)

        def read(clips: Sequence[Pairs]) -> Rows:
            rows = look([picture for pairs in clips for picture, _ in pairs])
            ends = np.cumsum([len(pairs) for pairs in clips])[:-1]
            return np.stack(
                [
                    np.concatenate([_pooled(seen), self._motion(pairs)]).astype(np.float32)
                    for seen, pairs in zip(np.split(rows, ends), clips, strict=True)
                ]
            )

        return read

    def _motion(self, pairs: Pairs) -> Rows:
        """What changes within a moment, and from one looked-at frame to the next."""
        pictures = [picture for picture, _ in pairs]
        following = list(zip(pictures, pictures[1:] or pictures, strict=False))
        moments = [[changes(*pair, self.grid) for pair in some] for some in (pairs, following)]
        return np.concatenate([_pooled(np.stack(some)) for some in moments])


def changes(before: Picture, after: Picture, grid: int) -> Rows:
    """Mean and deviation of differences, share of pixels that changed, and means over a grid.

    Differences are those of brightness, from 0 to 1: [3 + grid * grid]
    """
    difference = np.abs(_brightness(after) - _brightness(before))  # [H, W]
    cells = [
        cell.mean()
        for band in np.array_split(difference, grid, 0)
        for cell in np.array_split(band, grid, 1)
    ]
    changed = (difference > CHANGED / 255).mean()
    return np.array([difference.mean(), difference.std(), changed, *cells])


def _brightness(picture: Picture) -> Rows:
    return picture.mean(-1, dtype=np.float64) / 255


def _pooled(rows: Rows) -> Rows:
    """Mean and deviation over rows [n, W]: [2 W]"""
    rows = rows.astype(np.float64)
    return np.concatenate([rows.mean(0), rows.std(0)])
