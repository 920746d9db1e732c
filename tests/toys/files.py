"""Files to be imported, written where a test can see what is in them."""

import gzip
from pathlib import Path


def written(folder: Path, name: str, text: str | bytes) -> Path:
    """A file with this text (or these bytes), packed if its name ends in .gz."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def ratings(folder: Path, rows: str, name: str = "ratings.csv") -> Path:
    """A CSV of user_id, item_id, timestamp and rating, with these rows below the header."""
    return written(folder, name, "user_id,item_id,timestamp,rating\n" + rows)
