"""A run learns from new events by a few epochs; `adding` takes in new items.

The data that the run was fitted on are left alone; what it learned from (`trained_on/`) grows.
"""

import time
from pathlib import Path

import polars as pl

from tesserec.core import Dataset, Run
from tesserec.core.errors import BadData
from tesserec.core.files import alone
from tesserec.data.build import from_tables
from tesserec.data.reading import read
from tesserec.experiment.composing import refuse_composed
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.preparing import prepare
from tesserec.experiment.running import Options
from tesserec.experiment.updated import (
    Updated,
    added,
    count,
    crown_above,
    earlier,
    home_of,
    model_of,
    now,
    write,
)
from tesserec.lifecycle.monitor import Trained
from tesserec.lifecycle.updating import Updater, continued
from tesserec.lifecycle.updating.continuing import together
from tesserec.recommenders import load
from tesserec.recommenders.lineage import Lineage


def add_events(run: Path, file: Path, updater: Updater, options: Options) -> Updated:
    """The model of a run learns from the events of a file, and from some of those before.

    Those before are the training part of the run's data and what earlier updates brought. Raises
    `BadData` where the run's data are not as they were, and what `lifecycle.updating.continued`
    does.
    """
    refuse_composed(run, "take in what is new")
    began, place = time.perf_counter(), RunFolder(run).best().path
    study = RunFolder(place).study
    with alone(home_of(place)):
        model, lineage = load(place), Lineage.of(model_of(place))
    new = read(file)
    number = count(place) + 1
    old = prepare(study, options.progress).split.train
    new_items = added(place, model)
    for path in earlier(place, "events"):
        old = together(*continued(model, old, from_tables(pl.read_parquet(path)), new_items))
    before, after = continued(model, old, new, new_items)
    job = Run(
        seed=study.seeds[0],
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        progress=options.progress,
    )
    grown = updater.update(model, before, after, job.stage(f"update {number}"))
    told = Updated(
        model=str(model_of(place)),
        file=str(file),
        moment=now(),
        items=len(grown.catalog.items) - len(model.catalog.items),
        known=0,
        users=len(grown.catalog.users) - len(model.catalog.users),
        events=len(after.interactions),
        replayed=len(before.interactions),
        catalogue=len(grown.catalog.items),
        seconds=round(time.perf_counter() - began, 3),
    )
    with alone(home_of(place)):
        if Lineage.of(model_of(place)) != lineage:
            raise BadData(
                f"The model of {place} was changed while it learned.", "Run it once more."
            )
        write(place, grown, told, "events", _events_of(after))
        crown_above(run, place)
        trained = Trained.read(place)
        if trained is not None:
            trained.plus(Trained.of(after)).save(place)
    return told


def _events_of(data: Dataset) -> pl.DataFrame:
    """Events with ids in the place of rows."""
    frame, catalog = data.interactions.frame, data.catalog
    return frame.with_columns(
        user=catalog.users.ids.gather(frame["user"]), item=catalog.items.ids.gather(frame["item"])
    )
