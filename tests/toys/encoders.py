"""Encoders whose vectors one can see."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

from tesserec.content.encoder import Piece, PieceEncoder, Rows, Undecodable


class Spelled(PieceEncoder):
    """Three numbers of a text: its length, its first letter, its last."""

    modality: ClassVar = "text"
    window: ClassVar = 8
    after_rows: ClassVar = frozenset({"columns", "batch", "centred"})

    batch: int = 2
    scale: float = 1.0
    centred: bool = False

    def decode(self, piece: Piece) -> bytes:
        text = piece.encode() if isinstance(piece, str) else piece
        if text.startswith(b"bad"):
            raise Undecodable("it is bad")
        return text

    def size(self, decoded: Any) -> int:
        return len(decoded)

    def reader(self, device: str) -> Callable[[Sequence[bytes]], Rows]:
        def read(texts: Sequence[bytes]) -> Rows:
            rows = [[len(text), text[0], text[-1]] for text in texts]
            return np.asarray(rows, np.float32) * self.scale

        return read

    def reduction(self, rows: Rows) -> Callable[[Rows], Rows]:
        middle = rows.mean(0) if self.centred else 0
        return lambda block: block - middle


class Bytes(Spelled):
    """The same of a picture's bytes."""

    modality: ClassVar = "image"
