"""A run forgets a user or an item: its data, its files and its model; with a receipt."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from tesserec.core import Answering, Dataset, Method
from tesserec.core.errors import BadData, BadRequest, UnknownId
from tesserec.core.files import read_json, replacing, replacing_folder, write_json
from tesserec.data import format
from tesserec.data.importing import is_dataset, located
from tesserec.data.reading import read
from tesserec.data.transforms import without
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.page import write_page
from tesserec.experiment.preparing import prepare
from tesserec.experiment.running import Options, fit_seeds
from tesserec.experiment.studying import describe_into
from tesserec.lifecycle.forgetting import Check, Receipt
from tesserec.lifecycle.forgetting.receipt import FOLDER, What, digest_of
from tesserec.lifecycle.forgetting.verifying import (
    anew,
    changed,
    files_checked,
    is_known,
    told_apart,
)


@dataclass(frozen=True)
class Forgotten:
    """A run that has forgotten, and the receipt."""

    receipt: Receipt
    path: Path


def forget(run: Path, what: What, id: str, options: Options) -> Forgotten:
    """Take a user or item out of the data of a run, and fit it again as if it had never been.

    The data folder is rewritten first; a call that was cut off is made again and goes on from
    there. The run's folder is replaced as a whole: its checkpoints, reports and answers are of
    the old model. Raises `UnknownId` where neither data nor model know the id, `BadRequest` for
    runs of several methods, `BadData` for data that cannot be rewritten.
    """
    there = RunFolder(run)
    study, method = there.study, _only_method(there)
    before, data = there.model(), read(study.data)
    known = data.catalog.users if what == "user" else data.catalog.items
    removed = {"events in the data": 0}
    chosen: list[str] = []
    if int(known.rows([id])[0]) >= 0:
        prepare(study, content=False)  # refuses data that have changed since
        keep, drop = without(data, **{f"{what}s": [id]})
        removed, chosen = {"events in the data": len(drop.interactions)}, _chosen(drop)
        _rewrite(study.data, keep, what, id)
    elif not is_known(before, what, id):
        raise UnknownId(f"Neither {study.data} nor {run} knows a {what} {id!r}.")
    prepared = prepare(study.changed({"fingerprint": None}), options.progress)
    with replacing_folder(run, manifest=False, mark="study.toml") as aside:
        fit_seeds(prepared, method, aside, study.seeds, options)
        _called_as_before(run, aside)
        describe_into(aside, prepared)
        write_page(aside)
        after = RunFolder(aside).model()
        receipt = Receipt(
            what,
            digest_of(id),
            "fitted again from the first step on, without them",
            datetime.now(UTC).isoformat(timespec="seconds"),
            removed,
            _checks(run, aside, study.data, what, id),
            changed(before, after),
            _inference(before, after, id, chosen) if what == "user" else None,
        )
        if (run / FOLDER).is_dir():
            shutil.copytree(run / FOLDER, aside / FOLDER)
        path = receipt.save(aside)
    return Forgotten(receipt, run / path.relative_to(aside))


def _called_as_before(run: Path, aside: Path) -> None:
    """Runs note the command that made them; that of now names who is forgotten."""
    for path in aside.rglob("environment.json"):
        before = run / path.relative_to(aside)
        command = read_json(before)["command"] if before.is_file() else []
        write_json(path, {**read_json(path), "command": command})


def _only_method(there: RunFolder) -> Method:
    methods = there.study.all_methods()
    if len(methods) != 1 or (there.path / "baselines").is_dir():
        raise BadRequest(
            f"{there.path} is a study of several models.",
            "Forget in the run of one method, or take the rows out of the data and run it again.",
        )
    return methods[0]


def _chosen(drop: Dataset) -> list[str]:
    """The ids of the items in some events."""
    rows = drop.interactions.frame["item"].unique().sort()
    return drop.catalog.items.ids.gather(rows).cast(pl.String).to_list()


def _rewrite(source: str, keep: Dataset, what: What, id: str) -> None:
    """Write a data folder anew; what it says about its origin stays."""
    place = located(source)
    if source == "sample" or not is_dataset(place):
        raise BadData(
            f"{source} is no data folder of ours, and is left as it is.",
            f"Take the {what} out of it yourself, and run this again; or fit on what "
            "`tesserec data import` makes of it.",
        )
    facts = read_json(place / "dataset.json")
    own = ("version", "fingerprint", "items", "users", "events", "kinds", "vectors")
    more: dict[str, Any] = {
        name: fact
        for name, fact in facts.items()
        if name not in (*own, "name", "clock", "relations", "others")
    }
    format.write(keep, place, more)
    for media in sorted((place / "media").glob("*.parquet")) if what == "item" else ():
        frame = pl.read_parquet(media)
        with replacing(media) as aside:
            frame.filter(pl.col("item").cast(pl.String) != id).write_parquet(aside)


def _checks(run: Path, aside: Path, source: str, what: What, id: str) -> tuple[Check, ...]:
    """What is looked at: the data and the models as they are read back, and the bytes of files."""
    catalog = read(source).catalog
    known = catalog.users if what == "user" else catalog.items
    models = [one.path for one in [RunFolder(aside), *RunFolder(aside).runs] if one.is_fitted]
    knowing = [one for one in models if is_known(RunFolder(one).model(), what, id)]
    checks = [
        Check(f"the data, read again, know no such {what}", int(known.rows([id])[0]) < 0),
        Check(f"the catalogues of {len(models)} models know no such {what}", not knowing),
        anew(run, aside),
    ]
    bytes_checked = files_checked(aside, id)
    return tuple(checks if bytes_checked is None else [*checks, bytes_checked])


def _inference(
    before: Answering, after: Answering, id: str, chosen: list[str]
) -> dict[str, float] | None:
    told = told_apart(before, id, chosen), told_apart(after, id, chosen)
    if told[0] is None or told[1] is None:
        return None
    return {"before": told[0], "after": told[1]}
