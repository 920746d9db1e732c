"""A run takes in what came after it was fitted: new items at once, new events by a few epochs.

    updated/1.json              what was taken in, and when
    updated/1.items.parquet     new items: ids and vectors, for events to come
    updated/2.events.parquet    new events, which are old ones for the next update

The data that the run was fitted on are left alone; what it learned from (`trained_on/`) grows.
"""

import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from tesserec.content import Encoder
from tesserec.core import Answering, Dataset, Entities, Run
from tesserec.core.errors import NoContent
from tesserec.core.files import read_json, replacing, write_json
from tesserec.data.build import from_tables
from tesserec.data.reading import read, read_items
from tesserec.experiment.contents import encode_new
from tesserec.experiment.folders import UPDATED, RunFolder
from tesserec.experiment.preparing import prepare
from tesserec.experiment.running import Options, crown
from tesserec.lifecycle.monitor import Trained
from tesserec.lifecycle.updating import Updater, add, continued, fresh
from tesserec.lifecycle.updating.continuing import together
from tesserec.recommenders import load, save


@dataclass(frozen=True)
class Updated:
    """What became part of a model."""

    model: str
    file: str
    moment: str  # UTC
    items: int  # that are new
    known: int  # items of the file that were there already, and stay as they were
    users: int  # that are new
    events: int  # that are new
    replayed: int  # events from before that were learned again
    catalogue: int  # items there are now
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def text(self) -> str:
        """As a person reads it."""
        counts = {"new items": self.items, "new users": self.users, "new events": self.events}
        told = [f"{count:,} {name}" for name, count in counts.items() if count] or ["nothing new"]
        if self.known:
            told.append(f"{self.known:,} items were known, and stay as they were")
        return f"{', '.join(told)}; {self.catalogue:,} items in all ({self.seconds:.1f} s)"


def add_items(run: Path, file: Path) -> Updated:
    """The items of a table or data folder become part of the model of a run, or a model folder.

    Nothing is trained, and ids and codes stay. The model's folder is replaced whole. Raises what
    `lifecycle.updating.add` does.
    """
    began, place = time.perf_counter(), RunFolder(run).best().path
    model = load(place)
    given = read_items(file, tuple(model.catalog.items.vectors))
    items = described(model, given, place)
    try:
        grown = add(model, items)
    except NoContent as error:
        raise error if encoders_of(place) else NoContent(error.cause, _BRING) from None
    told = Updated(
        model=str(_model_of(place)),
        file=str(file),
        moment=_now(),
        items=len(items),
        known=len(given.catalog.items) - len(items),
        users=0,
        events=0,
        replayed=0,
        catalogue=len(grown.catalog.items),
        seconds=round(time.perf_counter() - began, 3),
    )
    if len(items):
        _written(run, place, grown, told, "items", _table_of(items))
    return told


def add_events(run: Path, file: Path, updater: Updater, options: Options) -> Updated:
    """The model of a run learns from the events of a file, and from some of those before.

    Those before are the training part of the run's data and what earlier updates brought. Raises
    `BadData` where the run's data are not as they were, and what `lifecycle.updating.continued`
    does.
    """
    began, place = time.perf_counter(), RunFolder(run).best().path
    study, model = RunFolder(place).study, load(place)
    new = read(file)
    number = _count(place) + 1
    old = prepare(study, options.progress).split.train
    added = _added(place, model)
    for earlier in _earlier(place, "events"):
        old = together(*continued(model, old, from_tables(pl.read_parquet(earlier)), added))
    before, after = continued(model, old, new, added)
    job = Run(
        seed=study.seeds[0],
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        progress=options.progress,
    )
    grown = updater.update(model, before, after, job.stage(f"update {number}"))
    told = Updated(
        model=str(_model_of(place)),
        file=str(file),
        moment=_now(),
        items=len(grown.catalog.items) - len(model.catalog.items),
        known=0,
        users=len(grown.catalog.users) - len(model.catalog.users),
        events=len(after.interactions),
        replayed=len(before.interactions),
        catalogue=len(grown.catalog.items),
        seconds=round(time.perf_counter() - began, 3),
    )
    _written(run, place, grown, told, "events", _events_of(after))
    trained = Trained.read(place)
    if trained is not None:
        trained.plus(Trained.of(after)).save(place)
    return told


def described(model: Answering, given: Dataset, place: Path) -> Entities:
    """The items of some data that a model of the run at `place` does not know, with vectors.

    They are encoded by the encoders of the run's study; without a study they bring their vectors.
    """
    items = fresh(model.catalog.items, given.catalog.items)
    encoders = encoders_of(place)
    if not encoders or not len(items):
        return items
    return encode_new(place, encoders, items, given.folder or Path())


def encoders_of(place: Path) -> tuple[Encoder, ...]:
    """The encoders that a run made its vectors with; none for a model folder."""
    if not (place / "study.toml").is_file():
        return ()
    return RunFolder(place).study.content or ()


_BRING = (
    "The vectors of this run came with its data, so new items have to bring theirs, in a data "
    "folder and made by the same encoder. Or fit on data without vectors: then the run encodes, "
    "and keeps how."
)


def _model_of(place: Path) -> Path:
    return place / "model" if (place / "model").is_dir() else place


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _count(place: Path) -> int:
    return len(list((place / UPDATED).glob("*.json")))


def _written(
    run: Path, place: Path, grown: Answering, told: Updated, what: str, table: pl.DataFrame
) -> None:
    """The model takes the old one's place; a note is written last, and what has none is nothing."""
    folder, is_run = _model_of(place), (place / "study.toml").is_file()
    name = f"{_count(place) + 1}"
    if is_run:
        with replacing(place / UPDATED / f"{name}.{what}.parquet") as aside:
            table.write_parquet(aside)
    save(grown, folder)
    if is_run:
        write_json(place / UPDATED / f"{name}.json", {"what": what, **told.to_dict()})
    if place != run and (run / "model").is_dir():
        crown(run)


def _earlier(place: Path, what: str) -> list[Path]:
    """What earlier updates kept, in their order."""
    found = []
    for number in range(1, _count(place) + 1):
        if read_json(place / UPDATED / f"{number}.json")["what"] == what:
            found.append(place / UPDATED / f"{number}.{what}.parquet")
    return found


def _table_of(items: Entities) -> pl.DataFrame:
    vectors = [
        pl.Series(name, table.float().numpy().astype(np.float32))
        for name, table in items.vectors.items()
    ]
    return pl.DataFrame([items.ids.alias("id"), *vectors])


def _added(place: Path, model: Answering) -> Entities | None:
    """The items that came since the run was fitted, with their vectors."""
    tables = [pl.read_parquet(path) for path in _earlier(place, "items")]
    if not tables:
        return None
    whole = pl.concat(tables, how="diagonal")
    vectors = {}
    for name, like in model.catalog.items.vectors.items():
        if name in whole.columns:
            nothing = [0.0] * like.shape[1]
            rows = [nothing if one is None else list(one) for one in whole[name].to_list()]
            vectors[name] = torch.tensor(rows)
    return Entities(whole["id"], vectors=vectors)


def _events_of(data: Dataset) -> pl.DataFrame:
    """Events with ids in the place of rows."""
    frame, catalog = data.interactions.frame, data.catalog
    return frame.with_columns(
        user=catalog.users.ids.gather(frame["user"]), item=catalog.items.ids.gather(frame["item"])
    )
