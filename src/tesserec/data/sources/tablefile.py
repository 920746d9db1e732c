"""One file of events: CSV, TSV, JSON lines or parquet, packed with gzip or not."""

from pathlib import Path

from tesserec.data.intake import Raw
from tesserec.data.sources.source import Source
from tesserec.data.tables import is_table, open_table


class TableFile(Source):
    """A table with a user and an item in every row."""

    def recognises(self, path: Path) -> bool:
        return is_table(path)

    def tables(self, path: Path) -> Raw:
        return Raw(interactions=open_table(path))
