"""Hidden states of chosen layers, computed once and mapped into memory, for side networks.

IISAN (Fu et al., SIGIR 2024) trains small networks beside frozen ones, and need not run the frozen
ones again: what they would say is in a file.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tesserec.content.encoder import Rows
from tesserec.content.encoding import Options, encode
from tesserec.content.learned.model import LearnedEncoder
from tesserec.core import Dataset
from tesserec.core.errors import BadSpec
from tesserec.core.files import replacing


class HiddenStates(NamedTuple):
    """For each item the pooled hidden states of some layers, and which items have content."""

    table: NDArray[Any]  # [I, L, D], mapped from its file; zeros where there is nothing
    mask: NDArray[np.bool_]  # [I]


def hidden_states(
    data: Dataset,
    encoder: LearnedEncoder,
    layers: tuple[int, ...],
    path: Path,
    options: Options | None = None,
) -> HiddenStates:
    """Write `path`, a .npy file [I, L, D], and map it.

    Layer 0 is what the first layer gets, 1 what it gives, -1 what the last gives.
    Layers are pooled as the encoder pools: the class token, the mean, the last token. With
    `options.cache`, rows of pieces that were looked at before are not computed again.
    """
    if not layers:
        raise BadSpec("No layers are named.", "Name some: layers=(0, 6, 12).")
    wanted = encoder.changed({"layers": layers})
    with replacing(path) as aside:

        def table(shape: tuple[int, int], dtype: Any) -> Rows:
            deep = (shape[0], len(layers), shape[1] // len(layers))
            return np.lib.format.open_memmap(aside, "w+", dtype, deep).reshape(shape)

        vectors = encode(data, wanted, replace(options or Options(), table=table)).vectors
        mask = vectors.mask.numpy()
        del vectors  # and the map with it, so that all is written
    return HiddenStates(np.load(path, mmap_mode="r", allow_pickle=False), mask)
