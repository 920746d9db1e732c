"""New items get semantic ids from the codebooks there are; nobody else's change."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from tesserec.core import Codes, Dataset, Entities
from tesserec.core.errors import BadData, TesserecError
from tesserec.core.files import read_json, write_json
from tesserec.data import format
from tesserec.data.importing import is_dataset, located
from tesserec.data.intake.codes import CodesFile, codebook_of, placed, read_codes, write_codes
from tesserec.data.reading import read
from tesserec.experiment.codebooks import read_codebook
from tesserec.experiment.tokenizing import Tokenized, figures, file_of, note
from tesserec.parts.semantic_ids import Codebook, Quantized, Quantizer
from tesserec.parts.semantic_ids.categories import categories

ALIKE = 0.5  # of the items from before: fewer cast a doubt on the vectors


@dataclass(frozen=True)
class Added:
    """A set of semantic ids that was brought up to the items there are now."""

    name: str
    new: int
    gone: int
    alike: float  # of the items from before, the share that would get the first token they have
    # What there is to say now, where the notes were renewed, and why they were not.
    renewed: Tokenized | None = field(default=None, repr=False)
    stale: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Only JSON types."""
        return {n: getattr(self, n) for n in ("name", "new", "gone", "alike")}

    def line(self) -> str:
        """The outcome as a person reads it."""
        told = f"{self.name}: {self.new:,} new items have ids, all others kept theirs"
        return told + (f"; {self.gone:,} items are gone" if self.gone else "")

    @property
    def doubt(self) -> str:
        """What should make one look twice at the new ids; "" where nothing does."""
        if not self.new or self.alike >= ALIKE:
            return ""
        return (
            f"{self.name}: of the items from before only {self.alike:.0%} would get the first "
            "token they have. With other vectors than the codebook was made for, ids mean little."
        )


def add(source: str | Path, out: Path | None = None) -> list[Added]:
    """Give new items ids from the codebooks there are; the ids of other items stay (promise 18).

    Items that are no longer in the data lose theirs. Raises `BadData` for a set whose codebook is
    not there.
    """
    place = located(source)
    file = file_of(place, out)
    if not file.is_file():
        raise BadData(f"{file} is not there.", "Make semantic ids first, without --add.")
    data = format.read(place, codes=False) if is_dataset(place) else read(place)
    items, before = data.catalog.items, read_codes(file)
    grown = {name: _grown(items, name, before) for name in before.sets}
    write_codes(file, items.ids, {name: one.ids for name, one in grown.items()}, before.codebooks)
    note(place, file)
    return [_told(data, name, one, before) for name, one in grown.items()]


@dataclass(frozen=True, eq=False)
class _Grown:
    """A set of ids of the items there are now, and what the codebook says of them, if asked."""

    ids: Codes
    new: int
    gone: int
    alike: float = 1.0
    found: Quantized | None = None


def _grown(items: Entities, name: str, before: CodesFile) -> _Grown:
    """A set of codes with those of new items."""
    codes, rows = before.sets[name], items.rows(before.ids)  # where they are now, -1: gone
    kept, there = codes.table[rows >= 0], rows[rows >= 0]
    new = torch.ones(len(items), dtype=torch.bool)
    new[there] = False
    count, gone = int(new.sum()), int((rows < 0).sum())
    if not count:
        return _Grown(placed(Codes(kept, codes.sizes), there), 0, gone)
    quantizer, codebook = _codebook(items, name, before)
    with torch.no_grad():
        read = codebook.read(items)
        made = codebook.encode(read)
    both = quantizer.collisions.added(Codes(kept, codes.sizes, codebook), made[new], read[new])
    table = torch.empty_like(both.table)
    table[torch.cat([there, torch.nonzero(new)[:, 0]])] = both.table
    first = made[there, 0] == kept[:, 0]
    alike = float(first.double().mean()) if len(kept) else 1.0
    ids = Codes(table, codes.sizes)
    return _Grown(ids, count, gone, alike, _quantized(codebook, read, made, ids))


def _quantized(codebook: Codebook, read: torch.Tensor, made: torch.Tensor, ids: Codes) -> Quantized:
    """What items have of the codebook, collisions aside."""
    levels = made.shape[1]
    # One token more tells collisions apart, and those before it are what the codebook gave then.
    table = ids.table[:, :levels] if ids.levels > levels else made
    return Quantized(codebook, read, Codes(table, ids.sizes[:levels]))


def _told(data: Dataset, name: str, grown: _Grown, before: CodesFile) -> Added:
    """The outcome for a set, with its notes renewed where it has any and they can be."""
    done = Added(name, grown.new, grown.gone, grown.alike)
    notes = codebook_of(before.path, name, before.codebooks.get(name, ""))[1]
    if not (grown.new or grown.gone) or not notes.is_file():
        return done
    try:
        return replace(done, renewed=_renewed(data, name, grown, before, notes))
    except TesserecError as error:
        return replace(done, stale=f"{name}: figures and page are those from before. {error.cause}")


def _renewed(data: Dataset, name: str, grown: _Grown, before: CodesFile, notes: Path) -> Tokenized:
    """The figures of all items there are now, in the notes as well."""
    items, found, facts = data.catalog.items, grown.found, read_json(notes)
    if found is None:
        _, codebook = _codebook(items, name, before)
        with torch.no_grad():
            read = codebook.read(items)
            found = _quantized(codebook, read, codebook.encode(read), grown.ids)
    column = (facts.get("categories") or {}).get("column")
    kinds = None if column is None else categories(items.features, column)
    told, known, more = figures(found, grown.ids, kinds)
    facts |= more
    write_json(notes, facts)
    data = data.with_codes(name, grown.ids)
    return Tokenized(name, before.path, data, found, grown.ids, told, known, facts)


def _codebook(items: Entities, name: str, before: CodesFile) -> tuple[Quantizer, Codebook]:
    return read_codebook(before.path, name, before.codebooks.get(name), items, before.ids)
