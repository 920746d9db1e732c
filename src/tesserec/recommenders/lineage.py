"""Lineage: which model a folder holds, however often items were added to it since it was fitted.

lineage.json    the digest of the manifest as it was fitted, and how often items came
"""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from tesserec.core.errors import BadData
from tesserec.core.files import MANIFEST, read_json, write_json

LINEAGE = "lineage.json"


@dataclass(frozen=True)
class Lineage:
    """A model, by what it was when it was fitted, and its age in additions."""

    root: str  # SHA-256 of the manifest that was written first
    additions: int = 0

    @classmethod
    def of(cls, folder: Path) -> "Lineage":
        """Of a model folder. Raises `BadData` where there is none."""
        while True:
            before = _place(folder)
            found = cls._read(folder)
            # Read in two steps, between which another folder may take this one's place.
            if _place(folder) == before:
                return found

    def longer(self) -> "Lineage":
        """After one addition more."""
        return Lineage(self.root, self.additions + 1)

    def write(self, folder: Path) -> None:
        """Beside what the model is made of."""
        write_json(folder / LINEAGE, asdict(self))

    @classmethod
    def _read(cls, folder: Path) -> "Lineage":
        if (folder / LINEAGE).is_file():
            return cls(**read_json(folder / LINEAGE))
        return cls(hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest())


def _place(folder: Path) -> int:
    if not (folder / MANIFEST).is_file():
        raise BadData(f"{folder} holds no model.")
    return folder.stat().st_ino
