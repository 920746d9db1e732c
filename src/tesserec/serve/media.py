"""Media: pictures, sounds and clips that were posted, as encoders read them."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from tesserec.content import Encoder, PieceEncoder
from tesserec.core import Entities
from tesserec.serve.asked import GivenItem
from tesserec.serve.problems import refuse


def check_kinds(posted: Sequence[GivenItem], encoders: Collection[Encoder]) -> None:
    """Refuse media that no encoder reads. Raises `Problem`."""
    read = {one.modality for one in encoders}
    wrong = {
        f"/items/{n}/media/{kind}": f"no {kind} is read"
        for n, one in enumerate(posted)
        for kind in one.media
        if kind not in read
    }
    cause = f"The encoders of this model read {', '.join(sorted(read)) or 'nothing'}."
    refuse(wrong, cause, "Give numbers in `vectors`, made by the encoder of the old items.")


def reading(posted: Sequence[GivenItem], encoders: Collection[Encoder]) -> tuple[Encoder, ...]:
    """The encoders that find something in what was posted: texts, and the media there are.

    None of them opens a file that a request names.
    """
    sent = {kind for one in posted for kind in one.media}
    here = [one for one in encoders if one.modality == "text" or one.modality in sent]
    return tuple(
        one.changed({"columns": ()})
        if isinstance(one, PieceEncoder) and one.modality != "text"
        else one
        for one in here
    )


@contextmanager
def shelved(posted: Sequence[GivenItem], ids: pl.Series) -> Iterator[Path]:
    """A folder with the media of posted items [n], which is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        media = Path(folder) / "media"
        media.mkdir()
        for kind in {kind for one in posted for kind in one.media}:
            pieces = pl.Series("bytes", [one.media.get(kind) for one in posted], pl.Binary)
            table = pl.DataFrame([ids.alias("item"), pieces])
            table.write_parquet(media / f"{kind}.parquet")
        yield Path(folder)


def check_read(items: Entities, posted: Sequence[GivenItem], encoders: Sequence[Encoder]) -> None:
    """Refuse media that could not be decoded, of the items that are new. Raises `Problem`."""
    new = dict(zip(items.ids.cast(pl.String), range(len(items)), strict=True))
    wrong = {}
    for encoder in encoders:
        there = items.present(encoder.name).tolist() if encoder.name in items.vectors else []
        for n, one in enumerate(posted):
            row = new.get(one.id)
            if row is not None and encoder.modality in one.media and not (there and there[row]):
                wrong[f"/items/{n}/media/{encoder.modality}"] = f"no {encoder.modality}, or broken"
    refuse(wrong, "It cannot be decoded.", "Send the bytes of the file, in Base64.")
