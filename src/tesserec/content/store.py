"""Rows by the digest of their content, kept as they come, so that a kill loses the last few.

    rows.bin    the rows, one after another
    index.bin   for each row the SHA-256 of its content and the CRC-32 of the row

Both only grow. A row counts once its index entry is whole; what a kill left behind is cut off.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tesserec.content.encoder import Rows
from tesserec.core.errors import BadRequest
from tesserec.core.files import read_json, room, write_json

try:
    import fcntl
except ImportError:  # Windows, where nobody is locked out
    fcntl = None  # type: ignore[assignment]

_ENTRY = np.dtype([("digest", "V32"), ("check", "<u4")])


class RowStore:
    """Rows of one width in one folder, found by the digest of what they were made of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place: dict[bytes, int] = {}  # digest -> row
        self.width, self.dtype = 0, np.dtype(np.float32)
        if (folder / "store.json").is_file():
            facts = read_json(folder / "store.json")
            self.width, self.dtype = facts["width"], np.dtype(facts["dtype"])
            self._recover()

    def __len__(self) -> int:
        return len(self.place)

    def __contains__(self, digest: bytes) -> bool:
        return digest in self.place

    def add(self, digests: Sequence[bytes], rows: Rows) -> None:
        """Keep rows [n, W]; they are on the disk when this returns."""
        rows = np.ascontiguousarray(rows)
        if not self.width:
            self.width, self.dtype = rows.shape[1], rows.dtype
            write_json(self.folder / "store.json", {"width": self.width, "dtype": self.dtype.name})
        entries = np.empty(len(digests), _ENTRY)
        for number, (digest, row) in enumerate(zip(digests, rows, strict=True)):
            entries[number] = (np.void(digest), zlib.crc32(row.data))
        with room(self.folder / "rows.bin"):
            _append(self.folder / "rows.bin", rows.tobytes())
            _append(self.folder / "index.bin", entries.tobytes())
        for digest in digests:
            self.place[digest] = len(self.place)

    def rows(self) -> Rows:
        """All rows, mapped into memory and not read: [n, W]"""
        if not self.place:
            return np.empty((0, self.width), self.dtype)
        path, shape = self.folder / "rows.bin", (len(self.place), self.width)
        return np.memmap(path, self.dtype, mode="r", shape=shape)

    def _recover(self) -> None:
        """Find every whole row, and cut off what follows the last one."""
        rows, index = self.folder / "rows.bin", self.folder / "index.bin"
        if not (rows.is_file() and index.is_file()):
            rows.unlink(missing_ok=True)
            index.unlink(missing_ok=True)
            return
        size = self.width * self.dtype.itemsize
        entries = np.fromfile(index, _ENTRY)
        with rows.open("rb") as file:
            for entry in entries:
                row = file.read(size)
                if len(row) < size or zlib.crc32(row) != entry["check"]:
                    break
                self.place[entry["digest"].tobytes()] = len(self.place)
        os.truncate(rows, len(self.place) * size)
        os.truncate(index, len(self.place) * _ENTRY.itemsize)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else in this folder. Raises `BadRequest` when somebody is."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadRequest(
                f"Another tesserec is encoding into {folder.parent}.", "Wait until it is done."
            ) from None
        yield


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
