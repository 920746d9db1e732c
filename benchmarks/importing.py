"""Ten million rows of CSV become a data folder, in at most two minutes and 16 GB.

Made-up rows with ids that are text, times and a price, written by another process.
"""

from benchmarks.harness import Options, Result, Sides, against
from benchmarks.large import EVENTS, ITEMS, USERS


def run(options: Options) -> list[Result]:
    with Sides(options, ()) as writer:
        table = writer.folder / "made-up.csv"
        writer.ours.ask("write_table", path=str(table), users=USERS, items=ITEMS, rows=EVENTS)
        with Sides(options, ()) as reader:
            folder = reader.folder / "imported"
            found = reader.ours.ask("import_table", path=str(table), folder=str(folder))
            memory = {"ours": [reader.ours.peak_mb or 0.0]}
    results = against("import_10_million_rows", "s", {"ours": found["seconds"]})
    return results + against("import_10_million_rows_peak_memory", "MB", memory)
