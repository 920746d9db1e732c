"""What encoders of a study learned, kept in the run, so that new items are encoded like the old."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
from safetensors.torch import load_file, save_file
from torch import Tensor

from tesserec.content import Encoder
from tesserec.core import Catalog, Dataset, Entities, Interactions
from tesserec.core.errors import BadData, NoContent
from tesserec.core.files import replacing

FOLDER = "content"  # of a run
Learned = Mapping[str, Mapping[str, Tensor]]  # by the name of the vectors


def keep(learned: Learned, run: Path) -> None:
    """Write what encoders learned, numbers in half precision: the third digit may differ."""
    for name, tensors in learned.items():
        small = {n: one.half() if one.is_floating_point() else one for n, one in tensors.items()}
        with replacing(run / FOLDER / f"{name}.safetensors") as aside:
            save_file({n: one.contiguous() for n, one in small.items()}, aside)


def encode_new(run: Path, encoders: tuple[Encoder, ...], items: Entities, folder: Path) -> Entities:
    """New items with the vectors that the encoders of a run make of their content.

    Media and paths are looked for in `folder`. Vectors that an encoder makes go before those that
    items bring; what an encoder finds no content for is left out.
    """
    nobody = pl.DataFrame(schema={"user": pl.Int64, "item": pl.Int64})
    bare = Entities(pl.Series("id", [], dtype=pl.Int64))
    vectors, masks = dict(items.vectors), dict(items.masks)
    for encoder in encoders:
        data = Dataset(Catalog(items, bare), Interactions(nobody), folder=folder)
        masks.pop(encoder.name, None)
        try:
            found = encoder.encode_more(data, _learned(run, encoder))
        except NoContent:
            vectors.pop(encoder.name, None)
            continue
        vectors[encoder.name], masks[encoder.name] = found
    return replace(items, vectors=vectors, masks=masks)


def _learned(run: Path, encoder: Encoder) -> dict[str, Tensor]:
    path = run / FOLDER / f"{encoder.name}.safetensors"
    if path.is_file():
        tensors = load_file(path)
        return {n: one.float() if one.is_floating_point() else one for n, one in tensors.items()}
    if type(encoder).learned is not Encoder.learned:
        raise BadData(
            f"{path} is not there, and holds what {type(encoder).__name__} learned.",
            "Fit the run again: what encoders learn is kept since.",
        )
    return {}
