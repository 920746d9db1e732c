"""What updates leave in a run folder, and how a model takes the place of the one before.

updated/1.json              what was taken in, and when
updated/1.items.parquet     new items: ids and vectors, for events to come
updated/2.events.parquet    new events, which are old ones for the next update
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from tesserec.core import Answering, Entities
from tesserec.core.files import read_json, replacing, write_json
from tesserec.experiment.folders import UPDATED, RunFolder
from tesserec.experiment.running import crown
from tesserec.recommenders import save
from tesserec.recommenders.lineage import Lineage


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


def model_of(place: Path) -> Path:
    """The model folder of a run, or the model folder itself."""
    return place / "model" if (place / "model").is_dir() else place


def home_of(place: Path) -> Path:
    """The folder that stays when a model is replaced: who changes the model holds it alone."""
    return model_of(place).resolve().parent


def now() -> str:
    """This moment, as notes have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def count(place: Path) -> int:
    """How many updates were noted."""
    return len(list((place / UPDATED).glob("*.json")))


def write(
    place: Path,
    grown: Answering,
    told: Updated,
    what: str,
    table: pl.DataFrame,
    lineage: Lineage | None = None,
) -> None:
    """The model takes the old one's place; a note is written last, and what has none is nothing."""
    folder, is_run = model_of(place), (place / "study.toml").is_file()
    name = f"{count(place) + 1}"
    if is_run:
        with replacing(place / UPDATED / f"{name}.{what}.parquet") as aside:
            table.write_parquet(aside)
    save(grown, folder, lineage=lineage)
    if is_run:
        _note(place, name, what, told.to_dict())


def mend(place: Path, model: Answering) -> None:
    """Note new items that a kill kept from being noted: they are part of the model already."""
    name = f"{count(place) + 1}"
    kept = place / UPDATED / f"{name}.items.parquet"
    if not kept.is_file():
        return
    ids = pl.read_parquet(kept, columns=["id"])["id"]
    if len(ids) and bool((model.catalog.items.rows(ids) >= 0).all()):
        _note(place, name, "items", {"moment": now(), "items": len(ids), "mended": True})


def crown_above(run: Path, place: Path) -> None:
    """What answers for the folders above a run, up to `run`, is its model as it is now."""
    own = Lineage.of(model_of(place))
    for above in place.parents:
        if above != run and not above.is_relative_to(run):
            return
        answers = (above / "model").is_dir() and RunFolder(above).best().path == place
        if answers and Lineage.of(above / "model") != own:
            crown(above)


def earlier(place: Path, what: str) -> list[Path]:
    """What earlier updates kept, in their order."""
    found = []
    for number in range(1, count(place) + 1):
        if read_json(place / UPDATED / f"{number}.json")["what"] == what:
            found.append(place / UPDATED / f"{number}.{what}.parquet")
    return found


def table_of(items: Entities) -> pl.DataFrame:
    """Ids and vectors, as they are kept."""
    vectors = [
        pl.Series(name, table.float().numpy().astype(np.float32))
        for name, table in items.vectors.items()
    ]
    return pl.DataFrame([items.ids.alias("id"), *vectors])


def added(place: Path, model: Answering) -> Entities | None:
    """The items that came since the run was fitted, with their vectors."""
    tables = [pl.read_parquet(path) for path in earlier(place, "items")]
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


def _note(place: Path, name: str, what: str, facts: dict[str, Any]) -> None:
    write_json(place / UPDATED / f"{name}.json", {"what": what, **facts})
