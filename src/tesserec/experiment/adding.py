"""A run takes in new items at once: those of a file, or those that a server was sent.

Nothing is trained, and ids and codes stay. The data that the run was fitted on are left alone.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from tesserec.content import Encoder
from tesserec.core import Answering, Entities
from tesserec.core.errors import NoContent
from tesserec.core.files import alone
from tesserec.data.reading import read_items
from tesserec.experiment.contents import encode_new, encoders_of
from tesserec.experiment.folders import RunFolder
from tesserec.experiment.updated import (
    Updated,
    crown_above,
    home_of,
    mend,
    model_of,
    now,
    table_of,
    write,
)
from tesserec.lifecycle.updating import add, contents_of, fresh
from tesserec.recommenders import load
from tesserec.recommenders.lineage import Lineage


@dataclass(frozen=True)
class Addition:
    """A model with items that it had not, before anything is written."""

    place: Path  # its run, or its folder
    model: Answering
    items: Entities  # that are new, as the model has them
    known: int  # items that were there already, and stay as they were

    def write(self, run: Path, source: str, seconds: float) -> Updated:
        """The model takes the place of the one before, also where it answers for `run`.

        Its folder is replaced whole; whoever calls holds it alone (`home_of`).
        """
        told = Updated(
            model=str(model_of(self.place)),
            file=source,
            moment=now(),
            items=len(self.items),
            known=self.known,
            users=0,
            events=0,
            replayed=0,
            catalogue=len(self.model.catalog.items),
            seconds=round(seconds, 3),
        )
        if len(self.items):
            lineage = Lineage.of(model_of(self.place)).longer()
            write(self.place, self.model, told, "items", table_of(self.items), lineage)
        crown_above(run, self.place)
        return told


def add_items(run: Path, file: Path) -> Updated:
    """The items of a table or data folder become part of the model of a run, or a model folder.

    Raises what `lifecycle.updating.add` does.
    """
    began, place = time.perf_counter(), RunFolder(run).best().path
    with alone(home_of(place)):
        model = load(place)
        mend(place, model)
        given = read_items(file, tuple(contents_of(model).vectors))
        encoders = encoders_of(place)
        items = described(model, given.catalog.items, place, encoders, given.folder or Path())
        try:
            grown = add(model, items)
        except NoContent as error:
            raise error if encoders else NoContent(error.cause, _BRING) from None
        done = Addition(place, grown, items, len(given.catalog.items) - len(items))
        return done.write(run, str(file), time.perf_counter() - began)


def described(
    model: Answering, given: Entities, place: Path, encoders: tuple[Encoder, ...], media: Path
) -> Entities:
    """Those of some items that a model of the run at `place` does not know, with vectors.

    They are encoded by these of the run's encoders; other vectors they bring. Media and paths are
    looked for in the folder `media`.
    """
    items = fresh(contents_of(model), given)
    if not encoders or not len(items):
        return items
    return encode_new(place, encoders, items, media)


_BRING = (
    "The vectors of this run came with its data, so new items have to bring theirs, in a data "
    "folder and made by the same encoder. Or fit on data without vectors: then the run encodes, "
    "and keeps how."
)
