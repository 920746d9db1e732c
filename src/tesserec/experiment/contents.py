"""What encoders of a study learned, kept in the run, so that new items are encoded like the old."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl
from safetensors.torch import load_file, save_file
from torch import Tensor

from tesserec.content import Encoder
from tesserec.core import Catalog, Dataset, Entities, Interactions
from tesserec.core.errors import BadData, NoContent
from tesserec.core.files import read_json, replacing
from tesserec.experiment.folders import COMPOSED, RunFolder

FOLDER = "content"  # of a run
Learned = Mapping[str, Mapping[str, Tensor]]  # by the name of the vectors


@dataclass(frozen=True)
class Encoders:
    """What the vectors of a run were made with, as far as is known."""

    made: tuple[Encoder, ...]
    unlike: tuple[str, ...] = ()  # names under which the models of one run read different vectors

    @classmethod
    def of(cls, place: Path) -> Self:
        """Of a run; none of a model folder."""
        if (place / COMPOSED).is_file():
            facts = read_json(place / COMPOSED).get("content", {"made": [], "unlike": []})
            return cls(
                tuple(Encoder.from_dict(one) for one in facts["made"]), tuple(facts["unlike"])
            )
        if not (place / "study.toml").is_file():
            return cls(())
        return cls(RunFolder(place).study.content or ())

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"made": [one.to_dict() for one in self.made], "unlike": list(self.unlike)}


def encoders_of(place: Path) -> tuple[Encoder, ...]:
    """The encoders that a run made its vectors with; none for a model folder.

    Raises `BadData` for a run of models whose vectors of one name are not the same.
    """
    found = Encoders.of(place)
    if found.unlike:
        raise BadData(
            f"The models of {place} read different vectors by the name {found.unlike[0]!r}.",
            "Add the items to the runs it was made of, then run `tesserec compose` again.",
        )
    return found.made


def join_encoders(runs: Sequence[Path], into: Path) -> Encoders:
    """The encoders of several runs, with what they learned written for a run that has all of them.

    Those of one name are the same where they are described, and have learned, alike.
    """
    made: dict[str, tuple[Encoder, Path]] = {}
    unlike: set[str] = set()
    for run in runs:
        theirs = Encoders.of(run)
        unlike |= set(theirs.unlike)
        for encoder in theirs.made:
            first, home = made.setdefault(encoder.name, (encoder, run))
            if first != encoder or _bytes(home, encoder) != _bytes(run, encoder):
                unlike.add(encoder.name)
    for encoder, run in made.values():
        if (path := _path(run, encoder)).is_file():
            _path(into, encoder).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, _path(into, encoder))
    return Encoders(tuple(one for one, _ in made.values()), tuple(sorted(unlike)))


def keep(learned: Learned, run: Path) -> None:
    """Write what encoders learned, tables in half precision: the third digit may differ."""
    for name, tensors in learned.items():
        small = {
            n: one.half() if one.is_floating_point() and one.ndim > 1 else one
            for n, one in tensors.items()
        }
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
    path = _path(run, encoder)
    if path.is_file():
        tensors = load_file(path)
        return {n: one.float() if one.is_floating_point() else one for n, one in tensors.items()}
    if type(encoder).learned is not Encoder.learned:
        raise BadData(
            f"{path} is not there, and holds what {type(encoder).__name__} learned.",
            "Fit the run again: what encoders learn is kept since.",
        )
    return {}


def _path(run: Path, encoder: Encoder) -> Path:
    return run / FOLDER / f"{encoder.name}.safetensors"


def _bytes(run: Path, encoder: Encoder) -> bytes:
    path = _path(run, encoder)
    return path.read_bytes() if path.is_file() else b""
