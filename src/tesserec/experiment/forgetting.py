"""A run forgets a user or an item: its data, its files and its model; with a receipt."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import polars as pl

from tesserec.core import Answering, Dataset, Method, Run
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
from tesserec.experiment.study import Study
from tesserec.experiment.studying import describe_into
from tesserec.lifecycle.forgetting import (
    Check,
    Forgetter,
    Gradient,
    Receipt,
    Retrained,
    Shards,
)
from tesserec.lifecycle.forgetting.inferring import of_user
from tesserec.lifecycle.forgetting.receipt import FOLDER, What, digest_of
from tesserec.lifecycle.forgetting.verifying import (
    anew,
    changed,
    files_checked,
    is_known,
    told_apart,
)
from tesserec.methods.sequential.sru import SRU

How = Literal["auto", "exact", "shards", "gradient"]


@dataclass(frozen=True)
class Gone:
    """The events that were taken out of the data; None where that was done before."""

    events: Dataset | None
    learned: Dataset | None  # of these, what the model learned from


@dataclass(frozen=True)
class Forgotten:
    """A run that has forgotten, and the receipt."""

    receipt: Receipt
    path: Path


def forget(run: Path, what: What, id: str, options: Options, how: How = "auto") -> Forgotten:
    """Take a user or item out of the data of a run, and out of its model.

    The data folder is rewritten first; a call that was cut off is made again and goes on from
    there. The run's folder is replaced as a whole: its checkpoints, reports and answers are of
    the old model. Raises `UnknownId` where neither data nor model know the id, `BadRequest` for
    runs of several methods and for a `how` that the method cannot be made to forget in, `BadData`
    for data that cannot be rewritten.
    """
    there = RunFolder(run)
    study, method = there.study, _only_method(there)
    before, forgetter = there.model(), forgetter_of(how, method)
    forgetter.refuse(before)
    gone = _take_out(study, before, forgetter, what, id)
    prepared = prepare(study.changed({"fingerprint": None}), options.progress)

    with replacing_folder(run, manifest=False, mark="study.toml") as aside:

        def learn(folder: Path, keep: Dataset, way: Run) -> Answering:
            own = RunFolder(run / folder.relative_to(aside)).model()
            return forgetter.forget(own, keep, gone.learned or keep.without_events(), way)

        fit_seeds(prepared, method, aside, study.seeds, options, learn)
        _called_as_before(run, aside)
        describe_into(aside, prepared)
        write_page(aside)
        after = RunFolder(aside).model()
        told = (_told(before, after, id, gone) if what == "user" else None) or (None, None)
        receipt = Receipt(
            what,
            digest_of(id),
            forgetter.how,
            datetime.now(UTC).isoformat(timespec="seconds"),
            {"events in the data": len(gone.events.interactions) if gone.events else 0},
            (*_checks(run, aside, study.data, what, id), *forgetter.verified(before, after)),
            changed(before, after),
            told[0],
            told[1],
            forgetter.limits(after),
            _valid(there, RunFolder(aside)),
        )
        if (run / FOLDER).is_dir():
            shutil.copytree(run / FOLDER, aside / FOLDER)
        path = receipt.save(aside)
    return Forgotten(receipt, run / path.relative_to(aside))


def forgetter_of(how: How, method: Method) -> Forgetter:
    """`auto`: by its shards what has some, anything else exactly."""
    if how == "auto":
        how = "shards" if isinstance(method, SRU) else "exact"
    return {"exact": Retrained, "shards": Shards, "gradient": Gradient}[how]()


def _take_out(study: Study, before: Answering, by: Forgetter, what: What, id: str) -> Gone:
    """Write the data without them; nothing where that was done before. Says what went."""
    data = read(study.data)
    known = data.catalog.users if what == "user" else data.catalog.items
    if int(known.rows([id])[0]) >= 0:
        train = prepare(study, content=False).split.train  # refuses data that have changed since
        names = {f"{what}s": [id]}
        keep, drop = without(data, **names)
        _rewrite(study.data, keep, what, id)
        return Gone(drop, without(train, **names)[1])
    if not is_known(before, what, id):
        raise UnknownId(f"Neither {study.data} nor the run knows a {what} {id!r}.")
    if by.reads_dropped:
        raise BadRequest(
            f"{study.data} holds nothing of this {what} any more, as an earlier call was cut off.",
            "Go on from there with --how exact.",
        )
    return Gone(None, None)


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


def _told(
    before: Answering, after: Answering, id: str, gone: Gone
) -> tuple[dict[str, float] | None, dict[str, dict[str, float]] | None] | None:
    """What can be told of somebody by who asks the model, before and after."""
    if gone.events is None:
        return None
    chosen = _chosen(gone.events)
    alone = told_apart(before, id, chosen), told_apart(after, id, chosen)
    next = of_user(before, gone.events, id), of_user(after, gone.events, id)
    return (
        None if alone[0] is None or alone[1] is None else {"before": alone[0], "after": alone[1]},
        None if next[0] is None or next[1] is None else {"before": next[0], "after": next[1]},
    )


def _valid(before: RunFolder, after: RunFolder) -> dict[str, float]:
    """The watched metric of both, where there was a validation part."""
    found = (one.best().facts.get("facts", {}).get("valid") for one in (before, after))
    return {when: v for when, v in zip(("before", "after"), found, strict=True) if v is not None}
