"""Encoding: pieces of content stream through an encoder; vectors, mask and facts come out.

Equal pieces are looked at once. Rows are kept beside the data as they come, under a key of all
they depend on, so that a second call, after a kill or with more items, does only what is missing.
"""

import hashlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tesserec.content.encoder import (
    Piece,
    PieceEncoder,
    Reduction,
    Rows,
    Undecodable,
    Vectors,
    learned_from,
)
from tesserec.content.pieces import Found, pieces
from tesserec.content.store import RowStore, locked
from tesserec.core import Dataset, Progress, Silent
from tesserec.core.errors import BadData, NoContent

OnError = Literal["skip", "fail"]
BLOCK = 8192  # rows that become vectors together
SAMPLE = 50_000  # rows that a reduction learns from, at most
HELD = 256 << 20  # bytes of pieces that are held at once


@dataclass(frozen=True)
class Options:
    """Where and how content is encoded. Nothing here changes a vector."""

    device: str = "cpu"
    on_error: OnError = "skip"  # what becomes of pieces that cannot be decoded
    download: bool = False  # fetch what a column of paths names on the web
    cache: Path | None = None  # where rows are kept; None: thrown away in the end
    table: Callable[[tuple[int, int], Any], Rows] = np.zeros  # makes the table [I, D] to fill
    progress: Progress = field(default_factory=Silent)


@dataclass(frozen=True)
class Outcome:
    """Vectors, and what happened on the way."""

    vectors: Vectors
    content: str  # a digest of all pieces and the items they belong to
    distinct: int | None = None  # pieces, where they are looked at one by one
    looked_at: int | None = None  # of them, those that were not in the cache
    problems: tuple[tuple[Any, str], ...] = ()  # item id, reason
    reduction: Reduction | None = None  # what made them of rows


def encode(
    data: Dataset,
    encoder: PieceEncoder,
    options: Options | None = None,
    reduction: Reduction | None = None,
) -> Outcome:
    """Vectors of all items. Items without a piece, or with one that cannot be decoded, get zeros.

    They are made by `reduction`, or by one that is learned from the training part.

    Raises `NoContent` when nothing could be decoded, `BadData` for the first piece that cannot
    be where `options.on_error` is "fail".
    """
    options = options or Options()
    with _store(encoder, options) as store:
        reading = _Reading(data, encoder, options, store)
        reading.read()
        if not (reading.place >= 0).any():
            raise NoContent(f"No item of {data.name} has {encoder.modality} that can be decoded.")
        rows = store.rows()
        reduction = reduction or encoder.reduction(rows[_learned_rows(data, reading.place)])
        return Outcome(
            _vectors(rows, reading.place, reduction, options),
            reading.content.hexdigest()[:16],
            len(np.unique(reading.place[reading.place >= 0])),
            reading.looked_at,
            tuple(reading.problems),
            reduction,
        )


class _Reading:
    """One pass over all pieces, after which each item knows its row in the store."""

    def __init__(
        self, data: Dataset, encoder: PieceEncoder, options: Options, store: RowStore
    ) -> None:
        self.items, self.encoder, self.options, self.store = (
            data.catalog.items,
            encoder,
            options,
            store,
        )
        self.pieces = pieces(data, encoder.modality, encoder.columns, options.download)
        self.place = np.full(len(self.items), -1, np.int64)  # [I] row in the store
        self.problems: list[tuple[Any, str]] = []
        self.content = hashlib.sha256()
        self.looked_at = 0

    def read(self) -> None:
        progress, look = self.options.progress, None
        progress.start(f"encode {self.encoder.modality}", self.pieces.total)
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for window in _windows(self.pieces.found, self.encoder.window):
                digests, fresh = self._met(window)
                decoded, failed = self._decoded(fresh, threads)
                if decoded and look is None:
                    look = self.encoder.reader(self.options.device)
                if look is not None:
                    self._look(look, decoded)
                for row, digest in digests.items():
                    if digest in failed:
                        self._problem(row, failed[digest])
                    else:
                        self.place[row] = self.store.place[digest]
                progress.advance(len(window), {"looked at": self.looked_at})
        progress.finish()

    def _met(self, window: Sequence[Found]) -> tuple[dict[int, bytes], dict[bytes, Piece]]:
        """The digest of each row's piece, and the pieces that are not in the store, once each."""
        digests, fresh = {}, {}
        for row, piece, reason in window:
            if piece is None:
                self._problem(row, reason)
                continue
            digest = digest_of(piece)
            self.content.update(row.to_bytes(8, "little") + digest)
            digests[row] = digest
            if digest not in self.store:
                fresh[digest] = piece
        return digests, fresh

    def _decoded(
        self, fresh: dict[bytes, Piece], threads: ThreadPoolExecutor
    ) -> tuple[list[tuple[bytes, Any]], dict[bytes, str]]:
        """Digest and decoded piece, those of like size side by side; and why others failed."""
        decoded, failed = [], {}
        for digest, (value, reason) in zip(
            fresh, threads.map(self._try, fresh.values()), strict=True
        ):
            if reason:
                failed[digest] = reason
            else:
                decoded.append((digest, value))
        return sorted(decoded, key=lambda pair: self.encoder.size(pair[1])), failed

    def _try(self, piece: Piece) -> tuple[Any, str]:
        try:
            return self.encoder.decode(piece), ""
        except Undecodable as error:
            return None, str(error) or "cannot be decoded"

    def _look(
        self, look: Callable[[Sequence[Any]], Any], decoded: Sequence[tuple[bytes, Any]]
    ) -> None:
        for first in range(0, len(decoded), self.encoder.batch):
            batch = decoded[first : first + self.encoder.batch]
            self.store.add([digest for digest, _ in batch], look([value for _, value in batch]))
            self.looked_at += len(batch)

    def _problem(self, row: int, reason: str) -> None:
        item = self.items.ids[row]
        if self.options.on_error == "fail":
            raise BadData(
                f"The {self.encoder.modality} of item {item!r} cannot be used: {reason}.",
                "Mend it, or leave such items without vectors with --on-error skip.",
            )
        self.problems.append((item, reason))


def digest_of(piece: Piece) -> bytes:
    """SHA-256 of a piece."""
    return hashlib.sha256(piece.encode() if isinstance(piece, str) else piece).digest()


def content_digest(found: Iterable[Found]) -> str:
    """A digest of all pieces and the items they belong to."""
    whole = hashlib.sha256()
    for row, piece, _ in found:
        if piece is not None:
            whole.update(row.to_bytes(8, "little") + digest_of(piece))
    return whole.hexdigest()[:16]


def reasons(problems: Iterable[tuple[Any, str]]) -> dict[str, int]:
    """How many pieces failed for which reason; names of files are left out."""
    return dict(Counter(reason.rpartition(": ")[2] for _, reason in problems).most_common())


def _windows(found: Iterator[Found], size: int) -> Iterator[list[Found]]:
    """So many pieces together, fewer where they are large."""
    window: list[Found] = []
    held = 0
    for one in found:
        window.append(one)
        held += len(one.piece or "")
        if len(window) == size or held >= HELD:
            yield window
            window, held = [], 0
    if window:
        yield window


def _learned_rows(data: Dataset, place: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows that a reduction learns from."""
    there = place >= 0
    learned = np.unique(place[there & learned_from(data)])
    if not len(learned):
        learned = np.unique(place[there])  # no training item has content: all that there is
    if len(learned) > SAMPLE:
        learned = np.sort(np.random.default_rng(0).choice(learned, SAMPLE, replace=False))
    return learned


def _vectors(rows: Rows, place: NDArray[np.int64], reduce: Reduction, options: Options) -> Vectors:
    """Rows of the store as vectors of items, block by block."""
    there = place >= 0
    like = reduce(rows[place[there][:1]])
    table = options.table((len(place), like.shape[1]), like.dtype)
    for first in range(0, len(place), BLOCK):
        block = slice(first, first + BLOCK)
        wanted = np.flatnonzero(there[block])
        table[first + wanted] = reduce(rows[place[block][wanted]])
    return Vectors(torch.from_numpy(table), torch.from_numpy(there))


@contextmanager
def _store(encoder: PieceEncoder, options: Options) -> Iterator[RowStore]:
    """The store of this encoder's rows, or one that is thrown away."""
    if options.cache is None:
        folder = Path(tempfile.mkdtemp(prefix="tesserec-encode-"))
        try:
            yield RowStore(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        folder = options.cache / f"{type(encoder).__name__}-{_key(encoder, options.device)}"
        with locked(folder):
            yield RowStore(folder)


def _key(encoder: PieceEncoder, device: str) -> str:
    """A digest of everything a row depends on but its piece; devices differ in precision."""
    fields = {n: v for n, v in encoder.to_dict().items() if n not in encoder.after_rows}
    kind = device.partition(":")[0]
    text = json.dumps(
        [fields, encoder.version, encoder.weights(), kind], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()[:12]
