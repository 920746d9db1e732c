"""Tables that more than one command shows."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tesserec.cli.console import Console

if TYPE_CHECKING:
    from tesserec.evaluation import Comparison, Setting

SHOWN = ("ndcg@10", "recall@10", "hit@10", "coverage@10")


def show_comparison(console: Console, found: "Comparison") -> None:
    """A row per run; * marks what cannot be told from the best."""
    metrics = [m for m in SHOWN if m in found.metrics] or list(found.metrics[:6])
    alike = {metric: found.ties_with_best(metric) for metric in metrics}
    tested = {pair.metric for pair in found.pairs}
    order = sorted(found.names, key=lambda name: -found.values[name][metrics[0]].value)

    def cell(name: str, metric: str) -> str:
        value = found.values[name][metric]
        star = "*" if metric in tested and name in alike[metric] else " "
        if math.isnan(value.low):
            return f"{value.value:.4f}"
        return f"{value.value:.4f} ±{(value.high - value.low) / 2:.3f}{star}"

    rows = [[name, *(cell(name, metric) for metric in metrics)] for name in order]
    console.table(["", *metrics], rows)
    if tested and not console.as_json:
        print("  ± half of the 95 % interval; * not told from the best (paired t-test, Holm, 5 %)")


def show_settings(console: Console, settings: "Sequence[Setting]") -> None:
    """A row per setting, a column per method, and what the intervals allow to say."""
    from tesserec.experiment.settings import rows_of, shown_of

    shown = shown_of(settings) if settings else []
    for metric in shown:
        names, cells = zip(*rows_of(settings, metric), strict=True)
        columns = zip(settings, *cells, strict=True)
        console.table([metric, *names], [[one.name, *map(str, row)] for one, *row in columns])
    if shown and not console.as_json:
        counts = [f"{s.name} {s.requests:,} ({s.targets:,} items)" for s in settings]
        print("  requests: " + ", ".join(counts))
        print("  ± half of the 95 % interval over requests; * overlaps with the best")
        print("\n".join(f"  {one.told(shown[0])}" for one in settings))
        if len(settings) == 1:
            print(f"  {settings[0].name} alone: nobody and nothing is new in any other way")
