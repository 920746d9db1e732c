"""A run takes in what came after it was fitted."""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tesserec.content import Encoder
from tesserec.core import Answering, Dataset
from tesserec.core.files import write_json
from tesserec.data.reading import read_items
from tesserec.experiment.contents import encode_new
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.running import crown
from tesserec.lifecycle.updating import add
from tesserec.lifecycle.updating.adding import fresh
from tesserec.recommenders import load, save

FOLDER = "updated"  # where a run notes what it took in


@dataclass(frozen=True)
class Added:
    """New items that are part of a model now."""

    model: str
    file: str
    moment: str  # UTC
    items: int  # that are new
    known: int  # that were there already, and stay as they were
    catalogue: int  # items there are now
    vectors: tuple[str, ...]  # that new items have
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def text(self) -> str:
        """As a person reads it."""
        known = f"; {self.known:,} were known, and stay as they were" if self.known else ""
        return (
            f"{self.items:,} new items, {self.catalogue:,} in all{known} "
            f"({self.model}, {self.seconds:.1f} s)"
        )


def add_items(run: Path, file: Path) -> Added:
    """The items of a table or data folder become part of the model of a run, or a model folder.

    Nothing is trained, ids and codes stay, and the data the run was fitted on are left alone. The
    model's folder is replaced whole. Raises what `lifecycle.updating.add` does.
    """
    began, place = time.perf_counter(), RunFolder(run).best().path
    model = load(place)
    given = read_items(file, tuple(model.catalog.items.vectors))
    grown = with_items(model, given, place)
    count = len(grown.catalog.items) - len(model.catalog.items)
    folder = place / "model" if (place / "model").is_dir() else place
    if count:
        save(grown, folder)
        if place != run and (run / "model").is_dir():
            crown(run)
    told = Added(
        model=str(folder),
        file=str(file),
        moment=datetime.now(UTC).isoformat(timespec="seconds"),
        items=count,
        known=len(given.catalog.items) - count,
        catalogue=len(grown.catalog.items),
        vectors=tuple(sorted(given.catalog.items.vectors)),
        seconds=round(time.perf_counter() - began, 3),
    )
    if (run / "study.toml").is_file():
        number = len(list((run / FOLDER).glob("*.json"))) + 1
        write_json(run / FOLDER / f"{number}.json", told.to_dict())
    return told


def with_items(model: Answering, given: Dataset, place: Path) -> Answering:
    """A model of the run at `place` that also answers with the items of some data.

    They are encoded by the encoders of the run's study; without a study they bring their vectors.
    """
    items = fresh(model.catalog.items, given.catalog.items)
    encoders = encoders_of(place)
    if encoders and len(items):
        items = encode_new(place, encoders, items, given.folder or Path())
    return add(model, items)


def encoders_of(place: Path) -> tuple[Encoder, ...]:
    """The encoders that a run made its vectors with; none for a model folder."""
    there = RunFolder(place)
    if not (place / "study.toml").is_file():
        return ()
    return there.study.content or ()
