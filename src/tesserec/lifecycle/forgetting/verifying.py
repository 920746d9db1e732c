"""What can be looked at after a model has forgotten: names, files, weights, answers."""

from pathlib import Path

import torch
from torch import Tensor

from tesserec.core import Answering, Histories, Ragged, Requests, Scorer
from tesserec.evaluation.metrics import auc
from tesserec.lifecycle.forgetting.receipt import Check, What

MANY = 50_000  # items: with more, asking for all scores is not cheap
SHORT = 6  # shorter ids are in any file by accident


def is_known(recommender: Answering, what: What, id: str) -> bool:
    """Whether a model's catalogue has the user or item."""
    catalog = recommender.catalog
    known = catalog.users if what == "user" else catalog.items
    return int(known.rows([id])[0]) >= 0


def files_checked(folder: Path, id: str) -> Check | None:
    """No file of a folder holds the bytes of an id; None for ids too short to tell."""
    if len(id) < SHORT:
        return None
    wanted = id.encode()
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    found = [str(path.relative_to(folder)) for path in paths if wanted in path.read_bytes()]
    what = f"the id is in none of the bytes of {len(paths)} files of the run"
    return Check(what + (f" (it is in {', '.join(found)})" if found else ""), not found)


def anew(old: Path, new: Path) -> Check:
    """No file of a folder, checkpoints included, is one of the folder whose place it takes."""
    there, here = (
        {(path.stat().st_dev, path.stat().st_ino) for path in folder.rglob("*") if path.is_file()}
        for folder in (old, new)
    )
    what = f"all {len(here)} files of the run were written anew, checkpoints and reports included"
    return Check(what, not there & here)


def changed(before: Answering, after: Answering) -> dict[str, int]:
    """How many tables of weights there are, and how many are other than before."""
    old, new = before.network.state_dict(), after.network.state_dict()
    same = [
        name
        for name, tensor in new.items()
        if name in old and tensor.shape == old[name].shape and torch.equal(tensor, old[name])
    ]
    return {"tensors": len(new), "changed": len(new) - len(same)}


def told_apart(recommender: Answering, user: str, chosen: list[str]) -> float | None:
    """How well a model knows what somebody chose, asked without any history: an AUC.

    The membership inference of who has the model and nothing else: are the scores of chosen items
    above those of others? A model that never saw somebody answers them as anybody, so that what is
    left above 0.5 is what everybody likes. None where there is nothing to compare, or no scores.
    """
    items = recommender.catalog.items
    rows = items.rows(chosen)
    rows = rows[rows >= 0]
    if not isinstance(recommender, Scorer) or len(items) > MANY or not 0 < len(rows) < len(items):
        return None
    row = recommender.catalog.users.rows([user])
    asked = Requests(row, Histories(Ragged.of([[]])))
    scores = recommender.score(asked, torch.arange(len(items))[None])[0]
    labels: Tensor = torch.zeros(len(items), dtype=torch.bool)
    labels[rows] = True
    return round(auc(scores.double().numpy(), labels.numpy()), 4)
