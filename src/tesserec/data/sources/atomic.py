"""Files that end in `.inter`: where they lie, and whether their headers have types."""

from pathlib import Path

from tesserec.core.errors import BadData
from tesserec.data.tables import Table, delimited_table

INTER = ".inter"


def inter_file(path: Path) -> Path | None:
    """The one `.inter` file of a folder, or the one a path (with or without suffix) names."""
    if path.is_dir():
        found = sorted(path.glob(f"*{INTER}"))
        return found[0] if len(found) == 1 else None
    one = path if path.suffix == INTER else path.with_name(f"{path.name}{INTER}")
    return one if one.is_file() else None


def has_types(path: Path) -> bool:
    """Whether every column of a header says its type, as `user_id:token` does."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        columns = file.readline().split("\t")
    return all(":" in name for name in columns)


def beside(inter: Path, suffix: str) -> Path | None:
    """`NAME.item` beside `NAME.inter`, if it is there."""
    one = inter.with_suffix(suffix)
    return one if one.is_file() else None


def atomic_table(path: Path) -> Table:
    """A tab-separated table in which nothing is quoted."""
    return delimited_table(path, "\t", quote=None)


def column(table: Table, names: tuple[str, ...]) -> str:
    """The first of some columns that is there. Raises `BadData` when none is."""
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise BadData(
            f"{table.place} has no column {' or '.join(names)}; it has {', '.join(table.columns)}."
        )
    return found
