"""A run forgets a user or an item: its data, its files and its model; with a receipt."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from tesserec.core import Answering, Dataset, Method, Run
from tesserec.core.errors import BadRequest
from tesserec.core.files import read_json, replacing_folder, write_json
from tesserec.data.reading import read
from tesserec.experiment.composing import refuse_composed
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.page import write_page
from tesserec.experiment.preparing import Prepared, prepare
from tesserec.experiment.running import Options, fit_seeds
from tesserec.experiment.studying import describe_into
from tesserec.experiment.takingout import Asked, Gone, ids_of, take_out
from tesserec.lifecycle.forgetting import (
    Check,
    Forgetter,
    Gradient,
    Receipt,
    Retrained,
    Shards,
)
from tesserec.lifecycle.forgetting.inferring import of_event, of_user
from tesserec.lifecycle.forgetting.receipt import FOLDER, digest_of
from tesserec.lifecycle.forgetting.verifying import (
    anew,
    changed,
    files_checked,
    is_known,
    told_apart,
)
from tesserec.methods.sequential.sru import SRU

How = Literal["auto", "exact", "shards", "gradient"]
T = TypeVar("T")


@dataclass(frozen=True)
class Forgotten:
    """A run that has forgotten, and the receipt."""

    receipt: Receipt
    path: Path


def forget(
    run: Path, asked: Asked, options: Options, how: How = "auto", compare: bool = False
) -> Forgotten:
    """Take a user, an item or an event out of the data of a run, and out of its model.

    The data folder is rewritten first; a call that was cut off is made again and goes on from
    there. The run's folder is replaced as a whole: its checkpoints, reports and answers are of
    the old model. With `compare` the method is also fitted from the start, and the receipt says
    how well the forgotten are told by that model, which never saw them.

    Raises `UnknownId` where neither data nor model know the id, `BadRequest` for runs of several
    methods and for a `how` that the method cannot be made to forget in, `BadData` for data that
    cannot be rewritten.
    """
    refuse_composed(run, "forget")
    there = RunFolder(run)
    study, method = there.study, _only_method(there)
    before, forgetter = there.model(), forgetter_of(how, method)
    forgetter.refuse(before)
    gone = take_out(study, before, asked, forgetter.reads_dropped)
    prepared = prepare(study.changed({"fingerprint": None}), options.progress)

    with replacing_folder(run, manifest=False, mark="study.toml") as aside:

        def learn(folder: Path, keep: Dataset, way: Run) -> Answering:
            own = RunFolder(run / folder.relative_to(aside)).model()
            drop = gone.learned if forgetter.reads_dropped else gone.events
            return forgetter.forget(own, keep, drop or keep.without_events(), way)

        fit_seeds(prepared, method, aside, study.seeds, options, learn)
        _called_as_before(run, aside)
        describe_into(aside, prepared)
        write_page(aside)
        after = RunFolder(aside).model()
        models = {"before": before, "after": after}
        if compare and not isinstance(forgetter, Retrained):
            seed = RunFolder(aside).best().study.seeds[0]
            models["retrained"] = _retrained(after, prepared, seed, options)
        receipt = Receipt(
            asked.what,
            digest_of(asked.id),
            forgetter.how,
            datetime.now(UTC).isoformat(timespec="seconds"),
            {"events in the data": len(gone.events.interactions) if gone.events else 0},
            (*_checks(run, aside, study.data, asked), *forgetter.verified(before, after)),
            changed(before, after),
            _inference(models, asked, gone),
            _guessed(models, asked, gone),
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


def _checks(run: Path, aside: Path, source: str, asked: Asked) -> tuple[Check, ...]:
    """What is looked at: the data and the models as they are read back, and the bytes of files."""
    data, what = read(source), asked.what
    if asked.user is not None and asked.item is not None:
        session = data.histories.items.row(data.catalog.users.row(asked.user))
        there = bool((session == data.catalog.items.row(asked.item)).any())
        return Check("the data, read again, hold no such event", not there), anew(run, aside)
    known = data.catalog.users if what == "user" else data.catalog.items
    models = [one.path for one in [RunFolder(aside), *RunFolder(aside).runs] if one.is_fitted]
    knowing = [one for one in models if is_known(RunFolder(one).model(), what, asked.id)]
    checks = [
        Check(f"the data, read again, know no such {what}", int(known.rows([asked.id])[0]) < 0),
        Check(f"the catalogues of {len(models)} models know no such {what}", not knowing),
        anew(run, aside),
    ]
    bytes_checked = files_checked(aside, asked.id)
    return tuple(checks if bytes_checked is None else [*checks, bytes_checked])


def _retrained(after: Answering, prepared: Prepared, seed: int, options: Options) -> Answering:
    """What the method of a model learns with its seed, from the start, of what is left."""
    train = prepared.split.train
    run = Run(
        seed=seed,
        valid=prepared.split.valid,
        device=options.device,
        precision=options.precision,
        progress=options.progress,
    )
    return Retrained().forget(after, train, train.without_events(), run)


def _inference(
    models: Mapping[str, Answering], asked: Asked, gone: Gone
) -> dict[str, float] | None:
    """What can be told of somebody without a history."""
    if asked.what != "user" or gone.events is None:
        return None
    chosen = ids_of(gone.events)
    return _of_all({name: told_apart(one, asked.id, chosen) for name, one in models.items()})


def _guessed(
    models: Mapping[str, Answering], asked: Asked, gone: Gone
) -> dict[str, dict[str, float]] | None:
    """What can be told from the rest of what somebody chose."""
    if asked.user is None or gone.events is None:
        return None
    return _of_all(
        {
            name: of_user(model, gone.events, asked.user)
            if gone.rest is None
            else of_event(model, gone.events.catalog, gone.rest, asked.user, asked.item)
            for name, model in models.items()
        }
    )


def _of_all(found: Mapping[str, T | None]) -> dict[str, T] | None:
    """What was found of every model; None where one of them has nothing to compare."""
    there = {name: one for name, one in found.items() if one is not None}
    return there if len(there) == len(found) else None


def _valid(before: RunFolder, after: RunFolder) -> dict[str, float]:
    """The watched metric of both, where there was a validation part."""
    found = (one.best().facts.get("facts", {}).get("valid") for one in (before, after))
    return {when: v for when, v in zip(("before", "after"), found, strict=True) if v is not None}
