"""Newcomers: items as they were posted become what a model's catalogue would have of them."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from tesserec.core import Entities
from tesserec.serve.asked import GivenItem
from tesserec.serve.problems import Problem, refuse

UNFIT = (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)
NO_FILES = "Give texts in `features`, files in `media`, or numbers in `vectors`."
BRING = (
    "The vectors of this model came with its data, and nothing here makes more: give numbers in "
    "`vectors`, made by the same encoder."
)


def check_names(posted: Sequence[GivenItem], catalogues: Collection[Entities]) -> None:
    """Refuse columns and vectors that no catalogue has. Raises `Problem`."""
    columns = {name for items in catalogues for name in items.features.columns}
    tables = {name for items in catalogues for name in items.vectors}
    for kind, known in (("features", columns), ("vectors", tables)):
        wrong = {
            f"/items/{n}/{kind}/{name}": f"no such {kind}"
            for n, one in enumerate(posted)
            for name in getattr(one, kind)
            if name not in known
        }
        there = ", ".join(sorted(known)) or "none"
        refuse(wrong, f"Items of this model have the {kind} {there}, and no others.", NO_FILES)


def entities_of(posted: Sequence[GivenItem], known: Entities, made: Collection[str]) -> Entities:
    """Posted items with the ids, columns and vectors of a catalogue, whether it knows them or not.

    Vectors in `made` the server makes itself, and takes none. Raises `Problem` pointing at what
    is of another kind.
    """
    columns = [
        _column(posted, name, dtype)
        for name, dtype in known.features.schema.items()
        if any(name in one.features for one in posted)
    ]
    vectors: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name, like in known.vectors.items():
        if name in made:
            _check_not_given(posted, name)
        elif any(name in one.vectors for one in posted):
            vectors[name], masks[name] = _table(posted, name, like.shape[1])
    return Entities(_ids(posted, known), pl.DataFrame(columns), vectors, masks)


def check_contents(items: Entities, posted: Sequence[GivenItem]) -> None:
    """Refuse items that lack what others bring, without saying so. Raises `Problem`.

    They would be taken in, and then never be recommended.
    """
    if not items.vectors:
        return  # what reads vectors says which it misses
    places = {one.id: n for n, one in enumerate(posted)}
    numbers = [places[one] for one in items.ids.cast(pl.String)]
    present = {name: items.present(name).tolist() for name in items.vectors}
    wrong = {}
    for row, n in enumerate(numbers):
        missing = [name for name, there in present.items() if not there[row]]
        unsaid = [name for name in missing if posted[n].vectors.get(name, 0) is not None]
        if unsaid or len(missing) == len(present):
            wrong[f"/items/{n}"] = f"no {' and no '.join(unsaid or missing)}"
    cause = f"Some new items have nothing that vectors {', '.join(present)} are made of."
    refuse(wrong, cause, f"{NO_FILES} null among the vectors: it has none, but others.")


def _ids(posted: Sequence[GivenItem], known: Entities) -> pl.Series:
    given, dtype = pl.Series("id", [one.id for one in posted]), known.ids.dtype
    twice = given.is_duplicated().to_list()
    wrong = {f"/items/{n}/id": "it is there twice" for n, one in enumerate(twice) if one}
    refuse(wrong, "Some new items have the same id.", "Give each an id of its own.")
    ids = given.cast(dtype, strict=False)
    same = (ids.cast(pl.String) == given).fill_null(False).to_list()  # "007" is not 7
    wrong = {f"/items/{n}/id": f"no {dtype}" for n, one in enumerate(same) if not one}
    refuse(wrong, f"Ids of this model are {dtype}.", "Give new items ids of the same kind.")
    return ids


def _column(posted: Sequence[GivenItem], name: str, dtype: pl.DataType) -> pl.Series:
    values = [one.features.get(name) for one in posted]
    try:
        return pl.Series(name, values, dtype=dtype, strict=True)
    except UNFIT:
        fits = [_fits(value, dtype) for value in values]
    cause, cure = f"Column {name!r} of items is {dtype}.", "Write it as it was, or leave it out."
    wrong = {f"/items/{n}/features/{name}": f"no {dtype}" for n, one in enumerate(fits) if not one}
    refuse(wrong, cause, cure)
    raise Problem(422, cause, cure)


def _fits(value: Any, dtype: pl.DataType) -> bool:
    """Whether one value can stand in such a column."""
    try:
        return pl.Series([value], dtype=dtype, strict=True)[0] is not None or value is None
    except UNFIT:
        return False


def _table(posted: Sequence[GivenItem], name: str, width: int) -> tuple[Tensor, Tensor]:
    """Vectors, zeros where there are none, and which there are: [n, D], [n] bool"""
    given = [one.vectors.get(name) for one in posted]
    wrong = {
        f"/items/{n}/vectors/{name}": f"{len(one)} numbers"
        for n, one in enumerate(given)
        if one is not None and len(one) != width
    }
    refuse(wrong, f"Vectors {name!r} are {width} numbers long.", "Encode as the old ones were.")
    nothing = [0.0] * width
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
        table = np.array([nothing if one is None else one for one in given], np.float64)
        small = torch.from_numpy(table.reshape(len(given), width).astype(np.float32))
    return small, torch.tensor([one is not None for one in given], dtype=torch.bool)


def _check_not_given(posted: Sequence[GivenItem], name: str) -> None:
    wrong = {
        f"/items/{n}/vectors/{name}": "made here"
        for n, one in enumerate(posted)
        if one.vectors.get(name) is not None
    }
    refuse(wrong, f"The server makes vectors {name!r} itself.", "Give what they are made of alone.")
