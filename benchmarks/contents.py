"""Content: TF-IDF and SVD of 100,000 short texts, and a million item vectors while BM3 learns.

The memory that counts is what a process holds besides files: a table of vectors that is mapped
from its file and read batch by batch adds none, a copy of it adds its whole size. Measured with
vectors 512 wide and with vectors 8 wide; the difference is what the wide ones cost.
"""

from benchmarks.harness import Options, Result, Sides, against, say

TEXTS = 100_000
ITEMS, USERS, EVENTS = 1_000_000, 200_000, 3_000_000
WIDTHS = (8, 512)
STEPS = 10


def run(options: Options) -> list[Result]:
    wanted = options.only or ("tfidf", "memory")
    results = []
    if "tfidf" in wanted:
        with Sides(options, ()) as sides:
            found = sides.ours.ask("tfidf", count=TEXTS)
        results += against("tfidf_svd_100000_texts", "s", {"ours": found["seconds"]})
        results += against("tfidf_svd_peak_memory", "MB", {"ours": [found["peak_mb"]]})
    if "memory" in wanted:
        results += _memory(options)
    return results


def _memory(options: Options) -> list[Result]:
    held = {}
    for width in WIDTHS:
        with Sides(options, ()) as writer:
            folder = writer.folder / "made-up"
            sizes = {"users": USERS, "items": ITEMS, "events": EVENTS}
            writer.ours.ask("write", folder=str(folder), **sizes)
            writer.ours.ask("write_vectors", folder=str(folder), items=ITEMS, width=width)
            with Sides(options, ()) as learner:
                found = learner.ours.ask("learn_from_vectors", folder=str(folder), steps=STEPS)
        held[width] = found["anonymous_mb"]
        say(f"  {width} wide: {held[width]:.0f} MB besides files, step {found['step']:.3f} s")
    table = ITEMS * max(WIDTHS) * 2 / 2**20
    more = held[max(WIDTHS)] - held[min(WIDTHS)]
    say(f"  the table has {table:.0f} MB; learning from it took {more:.0f} MB more")
    return [
        Result("content_million_memory", held[max(WIDTHS)], "MB"),
        Result("content_million_copies_of_the_table", more / table, "copies"),
    ]
