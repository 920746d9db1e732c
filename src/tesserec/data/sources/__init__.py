"""Where data come from: one kind of place a file, found by what lies at a path."""

from pathlib import Path

from tesserec.core import registry
from tesserec.core.errors import BadData
from tesserec.data.sources.source import Source

__all__ = ["Source", "source_of"]


def source_of(path: Path) -> Source:
    """The source that reads what lies at `path`. Raises `BadData` when there is none."""
    for kind in registry.every(Source):
        source: Source = kind()
        if source.recognises(path):
            return source
    raise _unknown(path)


def _unknown(path: Path) -> BadData:
    if not path.exists():
        return BadData(f"{path} is not there.", "Check the path.")
    if path.is_file():
        return BadData(
            f"{path.name} is no table tesserec reads.",
            "Give CSV, TSV, JSON lines or parquet, packed with gzip or not.",
        )
    names = sorted(one.name for one in path.iterdir() if not one.name.startswith("."))
    held = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") or "nothing"
    return BadData(
        f"{path.name} holds neither interactions nor items: {held}.",
        "A folder needs interactions.* or items.*, a .inter file, or a dataset.json; "
        "dialogues, impressions, bundles and samples alone are not imported.",
    )
