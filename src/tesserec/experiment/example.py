"""One person of a run: what they chose, what is suggested, and what they chose later."""

from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from tesserec.core import Holdout
from tesserec.core.files import write_json
from tesserec.experiment.asking import Desk
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.preparing import Prepared

SHOWN = 10


class Example(TypedDict):
    """What a page or a terminal shows of one person."""

    user: Any
    method: str
    events: int
    more: int  # distinct items beyond those shown
    history: list[dict[str, Any]]
    answers: list[dict[str, Any]]


def write_example(folder: Path, prepared: Prepared) -> Example:
    """Ask the model of a run for somebody with a history to look at; kept as `example.json`."""
    test = prepared.split.test
    model = RunFolder(folder).model()
    desk = Desk(model, prepared.study.data, test.seen)
    person = _somebody(test)
    one = test[torch.tensor([person])]
    answers = desk.recommend(one.requests, SHOWN)[0]
    later = set(model.catalog.items.names(one.truth.row(0)))
    history = _latest(one.requests.history.items.row(0))
    example = Example(
        user=model.catalog.users.names(one.requests.user)[0],
        method=type(model.method or model).__name__,
        events=len(history),
        more=max(len(history) - SHOWN, 0),
        history=_titled(desk.describe(history[:SHOWN])),
        answers=[{**answer, "hit": answer["id"] in later} for answer in _titled(answers)],
    )
    write_json(folder / "example.json", example)
    return example


def _somebody(test: Holdout) -> int:
    """Of the people with 15 to 40 events, the one with the most to find; else just the latter."""
    lengths, found = test.requests.history.items.lengths, test.truth.lengths
    fit = (lengths >= 15) & (lengths <= 40)
    return int(torch.where(fit, found, found - 10**6).argmax())


def _latest(history: Tensor) -> Tensor:
    """Distinct items, the latest first."""
    return torch.tensor(list(dict.fromkeys(reversed(history.tolist()))), dtype=torch.int64)


def _titled(named: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items without a title are called by their id."""
    return [{**one, "title": one.get("title") or str(one["id"])} for one in named]
